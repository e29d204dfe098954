"""One plan: everything known about migrating an export before anything is migrated, as values to show."""

from __future__ import annotations

import logging
import shutil
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow.parquet as pq

from billio_pipeline.migrate import repairs
from billio_pipeline.migrate.prepare import prepare
from billio_pipeline.migrate.stage import Stage
from billio_pipeline.model.entity import Entity, System
from billio_pipeline.model.words import RESERVED
from billio_pipeline.plan.cost import Estimate, estimate
from billio_pipeline.plan.limits import Measured, measure
from billio_pipeline.plan.places import Place, shown
from billio_pipeline.plan.places import Profile as ItemProfile
from billio_pipeline.plan.survey import Survey, survey
from billio_pipeline.settings import Settings
from billio_pipeline.stores.drift import Drift
from billio_pipeline.stores.dynamodb.source import Source
from billio_pipeline.stores.sql import schema
from billio_pipeline.stores.sql.ddl import tables
from billio_pipeline.stores.sql.profiles import Profile
from billio_pipeline.stores.sql.target import Target

log = logging.getLogger(__name__)

EXAMPLES = 5  # per quarantine reason


@dataclass(frozen=True)
class Example:
    """A refused item: where it stands and what is wrong with it."""

    entity: str
    key: str | None
    file: str
    line: int
    message: str


@dataclass
class Refusals:
    """Items refused for one reason."""

    reason: str
    count: int = 0
    examples: list[Example] = field(default_factory=list)


@dataclass(frozen=True)
class Attribute:
    """One place of an entity's items and what carries it into the row."""

    path: str
    place: Place
    holders: int
    carrier: str

    @property
    def absent(self) -> int:
        return self.holders - self.place.present

    @property
    def null(self) -> int:
        return self.place.seen["NULL"].count if "NULL" in self.place.seen else 0


@dataclass(frozen=True)
class EntityPlan:
    """One entity: its counts (source, accepted, quarantined, excluded) and the profile of all its items."""

    name: str
    counts: Mapping[str, int]
    items: ItemProfile
    unreadable: int
    attributes: tuple[Attribute, ...]
    collisions: tuple[str, ...]

    @property
    def drifting(self) -> tuple[Attribute, ...]:
        return tuple(each for each in self.attributes if each.place.drifts)


@dataclass(frozen=True)
class Plan:
    """What `make` found. `target` and `drift` are None when no database was asked."""

    system: str
    export: Mapping[str, Any]
    kind: str
    complete: bool
    profile: Profile
    target: str | None
    entities: tuple[EntityPlan, ...]
    quarantine: tuple[Refusals, ...]
    statements: tuple[schema.Planned, ...]
    drift: tuple[Drift, ...] | None
    measured: Measured
    estimate: Estimate
    files: tuple[str, ...]
    seconds: Mapping[str, float]

    @property
    def items(self) -> int:
        return int(self.export["items"])

    def count(self, name: str) -> int:
        return sum(entity.counts[name] for entity in self.entities)

    @property
    def problems(self) -> tuple[str, ...]:
        """What keeps this migration from being fine, one sentence each."""
        found = []
        if refused := self.count("quarantined"):
            found.append(f"{refused:,} of {self.items:,} items would be quarantined")
        for limit in self.measured.violated:
            found.append(
                f"{limit.name}: {limit.beyond:,} beyond {limit.allowed:,} {limit.unit}, the most is {limit.most:,}"
            )
        if unclean := [each.step.name for each in self.statements if not each.clean]:
            found.append(f"the linters refuse {', '.join(unclean)}")
        if drifted := [each for each in self.drift or () if not each.kind.startswith("extra_")]:
            found.append(f"the target differs from its declaration in {len(drifted)} places")
        return tuple(found)


def make(
    source: Source,
    system: System,
    settings: Settings,
    *,
    profile: Profile | None = None,
    target: Target | None = None,
    progress: Callable[[int], None] | None = None,
) -> Plan:
    """Read all of `source` and work out its migration, for `target` (which is only read) or for a profile.

    Decodes into a temporary stage below the settings' home and removes it. Raises ExportError when the export isn't
    whole, TransientError when the target can't be asked.
    """
    if target is not None:
        profile = target.profile
    if profile is None:
        raise TypeError("a plan needs a target or a profile")
    statements = schema.plan(target, system, profile=profile)
    drift = schema.status(target, system).drift if target is not None else None
    source = repairs.repaired(source, repairs.kept(settings.home, system.name, source.id))
    home = settings.home / "plan" / uuid.uuid4().hex
    try:
        stage = prepare(source, system, replace(settings, home=home), "plan", progress)
        started = time.perf_counter()
        found = survey(stage, workers=settings.workers)
        surveyed = time.perf_counter()
        measured = measure(stage, profile)
        summary = stage.summary
        seconds = {
            **summary["seconds"],
            "profile": round(surveyed - started, 3),
            "measure": round(time.perf_counter() - surveyed, 3),
        }
        log.info("planned", extra={"system": system.name, "export": source.id, "seconds": seconds})
        return Plan(
            system=system.name,
            export=summary["export"],
            kind=summary["kind"],
            complete=summary["complete"],
            profile=profile,
            target=target.name if target is not None else None,
            entities=tuple(_entity(system, name, counts, found) for name, counts in summary["counts"].items()),
            quarantine=refusals(stage),
            statements=statements,
            drift=drift,
            measured=measured,
            estimate=estimate(measured.volume, tables(system, profile)[-1], profile),
            files=tuple(stage.files()),
            seconds=seconds,
        )
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _entity(system: System, name: str, counts: Mapping[str, int], found: Survey) -> EntityPlan:
    profile = found.profile(name)
    declared = system.by_name.get(name)
    attributes = tuple(
        Attribute(shown(path), place, profile.holders(path), carrier(declared, path) if declared else "–")
        for path, place in profile.top.walk()
        if place.seen  # a list that is always empty has elements of no type
    )
    return EntityPlan(
        name, counts, profile, found.unreadable.get(name, 0), attributes, _collisions(system, declared, profile)
    )


def carrier(entity: Entity, path: tuple[str, ...]) -> str:
    """What carries an attribute: `column title`, `derived`, `rest data`, or its parts each for themselves."""
    for each in entity.fields:
        if each.column is not None and each.path == path:
            return f"column {each.column}"
    if any(each.column is not None and each.path[: len(path)] == path for each in entity.fields):
        return "its parts"
    if any((each.attribute,) == path for each in entity.derived):
        return "derived"
    return f"rest {entity.rest.column}"


def _collisions(system: System, entity: Entity | None, profile: ItemProfile) -> tuple[str, ...]:
    """Names that could be taken for one another, in words."""
    found = [f"{', '.join(map(shown, group))} differ only in case" for group in profile.collisions()]
    if RESERVED in profile.top.keys:
        found.append(f"{RESERVED} is the reserved key of the Rest column; the attribute is kept under its notes")
    if entity is not None:
        columns = {column.name for column in system.columns}
        for name in sorted(profile.top.keys):
            if name in columns and carrier(entity, (name,)) != f"column {name}":
                found.append(f"{name} is also the name of a column, which carries another attribute")
    return tuple(found)


def refusals(stage: Stage) -> tuple[Refusals, ...]:
    """Refusals by reason, the most frequent first, with the first examples of each by file and line."""
    by_reason: dict[str, Refusals] = {}
    names = ["reason", "message", "entity", "key", "file", "line"]
    with pq.ParquetFile(stage.quarantine) as file:
        for batch in file.iter_batches(columns=names):
            for reason, message, entity, key, at, line in zip(*(batch[n].to_pylist() for n in names), strict=True):
                refused = by_reason.setdefault(reason, Refusals(reason))
                refused.count += 1
                if len(refused.examples) < EXAMPLES:
                    refused.examples.append(Example(entity, key, at, line, message))
    return tuple(sorted(by_reason.values(), key=lambda each: (-each.count, each.reason)))
