"""One plan of a migration into DynamoDB: what would be loaded, refused, created and paid, before any of it is done."""

from __future__ import annotations

import logging
import shutil
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from billio_pipeline.migrate.copied import RowSource, take
from billio_pipeline.migrate.prepare_items import prepare_items
from billio_pipeline.migrate.stage import ItemStage
from billio_pipeline.model.entity import RowSystem
from billio_pipeline.model.size import MAX_ITEM_BYTES
from billio_pipeline.model.tables import DynamoTable
from billio_pipeline.plan.item_sizes import Held, Kind, measure
from billio_pipeline.plan.plan import Refusals, refusals
from billio_pipeline.settings import Settings
from billio_pipeline.stores.drift import Drift
from billio_pipeline.stores.dynamodb.rate import ON_DEMAND_UNITS
from billio_pipeline.verify.spread import Hottest, hot_share
from billio_pipeline.verify.survey import survey

log = logging.getLogger(__name__)

NEAR = MAX_ITEM_BYTES * 9 // 10  # bytes; an item of more soon takes no further update
MISSING = "missing_table"

Progress = Callable[[str, int, int | None], None]  # a stage's name, done since the last call, of how many


@dataclass(frozen=True)
class LoadTime:
    """How long putting all items takes at so many write units per second, of each table and each index. `what` says
    whose pace that is."""

    what: str
    units: int
    seconds: int


@dataclass(frozen=True)
class ItemsPlan:
    """What `make` found. `drift` and `target` are None when no DynamoDB was asked; `unreached` says why, if one was."""

    system: RowSystem
    source: Mapping[str, Any]
    about: Mapping[str, Any]
    counts: Mapping[str, Mapping[str, int]]
    expired: Mapping[str, int]
    kinds: Mapping[str, Kind]
    quarantine: tuple[Refusals, ...]
    hottest: tuple[Hottest, ...]
    target: str | None
    unreached: str | None
    drift: tuple[Drift, ...] | None
    seconds: Mapping[str, float]

    def count(self, name: str) -> int:
        return sum(counts[name] for counts in self.counts.values())

    def held(self, table: DynamoTable, index: str | None = None) -> Held:
        """What all kinds together take in a table, or in one of its indexes."""
        total = Held()
        for kind in self.kinds.values():
            if kind.table == table.name:
                part = kind.entries[index] if index else kind.held
                total.items += part.items
                total.bytes += part.bytes
                total.write_units += part.write_units
        return total

    @property
    def write_units(self) -> int:
        """Units of the whole load, indexes included."""
        return sum(
            self.held(table, index).write_units
            for table in self.system.tables
            for index in (None, *(each.name for each in table.indexes))
        )

    @property
    def created(self) -> tuple[DynamoTable, ...]:
        """Tables a migration would create: all, where no target was asked."""
        if self.drift is None:
            return self.system.tables
        missing = {each.table for each in self.drift if each.kind == MISSING}
        return tuple(table for table in self.system.tables if table.name in missing)

    @property
    def differing(self) -> tuple[Drift, ...]:
        """How tables that are there differ from their declaration."""
        return tuple(each for each in self.drift or () if each.kind != MISSING)

    @property
    def near(self) -> int:
        """Items of more than nine tenths of what DynamoDB holds."""
        return sum(kind.beyond(NEAR) for kind in self.kinds.values())

    def load_times(self, wcu: int | None = None) -> tuple[LoadTime, ...]:
        """The load's time at `wcu`, at what provisioned tables declare at least and at most, and on demand.

        Tables are loaded one after the other. A table's own units are its bottleneck: an index holds no more items.
        """
        found = [] if wcu is None else [self._time("as asked", dict.fromkeys(self._names(), wcu))]
        if any(table.capacity for table in self.system.tables):
            least, most = (
                {t.name: getattr(t.capacity.write, bound) if t.capacity else _ON_DEMAND for t in self.system.tables}
                for bound in ("least", "most")
            )
            found += [self._time("declared, at least", least), self._time("declared, scaled to the most", most)]
        return (*found, self._time("new tables on demand", dict.fromkeys(self._names(), _ON_DEMAND)))

    def _names(self) -> list[str]:
        return [table.name for table in self.system.tables]

    def _time(self, what: str, units: Mapping[str, int]) -> LoadTime:
        seconds = 0
        for table in self.system.tables:
            places = [self.held(table), *(self.held(table, index.name) for index in table.indexes)]
            seconds += -(-max(place.write_units for place in places) // units[table.name])
        return LoadTime(what, min(units.values()), seconds)

    @property
    def problems(self) -> tuple[str, ...]:
        """What keeps this migration from being fine, one sentence each."""
        found = []
        if refused := self.count("quarantined"):
            found.append(f"{refused:,} of {self.count('source'):,} rows would be quarantined")
        if self.differing:
            found.append(f"the target differs from its declaration in {len(self.differing)} places")
        return tuple(found)


_ON_DEMAND = int(ON_DEMAND_UNITS)


def make(
    source: RowSource,
    system: RowSystem,
    settings: Settings,
    *,
    target: str | None = None,
    unreached: str | None = None,
    drift: tuple[Drift, ...] | None = None,
    progress: Progress,
) -> ItemsPlan:
    """Copy all of `source`, make its items in a place of their own below the settings' home, and remove both.

    `target` and `drift` are what a DynamoDB said that was asked. Raises what copying the source raises.
    """
    home = settings.home / "plan" / uuid.uuid4().hex
    apart, started = replace(settings, home=home), time.perf_counter()
    try:
        taken = take(source, home, system.name, "plan", lambda rows: progress("copy", rows, None))
        copied = time.perf_counter()
        stage = prepare_items(
            taken, source.read, system, apart, "plan", lambda rows: progress("items", rows, taken.rows)
        )
        staged = time.perf_counter()
        kinds, hottest = measure(stage), _hottest(stage)
        seconds = {
            "copy": round(copied - started, 3),
            "items": round(staged - copied, 3),
            "measure": round(time.perf_counter() - staged, 3),
        }
        log.info("planned", extra={"system": system.name, "source": taken.id, "seconds": seconds})
        summary = stage.summary
        return ItemsPlan(
            system=system,
            source={"kind": taken.kind, "at": taken.uri, "id": taken.id, "rows": taken.rows, "bytes": taken.bytes},
            about=taken.about,
            counts=summary["counts"],
            expired=summary["expired"],
            kinds=kinds,
            quarantine=refusals(stage),
            hottest=hottest,
            target=target,
            unreached=unreached,
            drift=drift,
            seconds=seconds,
        )
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _hottest(stage: ItemStage) -> tuple[Hottest, ...]:
    path, tables = stage.path / "survey.parquet", stage.system.tables
    survey(tables, {entity.name: stage.rows(entity.name) for entity in stage.system.entities}, path)
    return tuple(hot_share(tables, path, stage.dropped, stage.path))
