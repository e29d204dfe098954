"""Quarantined lines once more: decoded with today's declaration, settled against the target, and loaded if they pass.

For after a mapping was mended or items were repaired. Only these lines are read; what the target holds counts as
present to their references. Batches are listed in the ledger under the same export. The result is a new stage of that
export, in which the lines that passed are accepted: whoever verifies it, or the export anew, finds the same counts.
"""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from billio_pipeline.migrate import repairs
from billio_pipeline.migrate import stage as stages
from billio_pipeline.migrate.batch import batches
from billio_pipeline.migrate.decode import decode
from billio_pipeline.migrate.ledger import committed
from billio_pipeline.migrate.load import Loaded, Loader
from billio_pipeline.migrate.refused import add_refused
from billio_pipeline.migrate.repairs import Repair
from billio_pipeline.migrate.settle import NONE_PRESENT, settle
from billio_pipeline.migrate.stage import QUARANTINE, Stage
from billio_pipeline.model.entity import System
from billio_pipeline.settings import Settings
from billio_pipeline.stores.dynamodb.lines import Lines, SourceFile
from billio_pipeline.stores.sql.fingerprint import read_keys
from billio_pipeline.stores.sql.target import Target

_KEYS = 2_000  # references looked up by one statement


@dataclass
class Replayed:
    """What a replay did with `lines` quarantined lines. `stage` is the export's new stage; `remaining` lines stay."""

    stage: Stage
    lines: int = 0
    repaired: int = 0
    loaded: int = 0
    present: int = 0
    excluded: int = 0
    conflicts: list[str] = field(default_factory=list)
    remaining: int = 0
    entities: dict[str, dict[str, int]] = field(default_factory=dict)


@dataclass(frozen=True)
class QuarantineSource:
    """The quarantined lines of a stage as a source: its files under new indexes, each line under its own number."""

    lines_refused: pa.Table
    files: tuple[SourceFile, ...]
    id: str
    uri: str
    kind: Literal["export", "backup"] = "export"
    complete: bool = False
    bytes: int = 0
    about: Mapping[str, str | int | None] = field(default_factory=dict)

    @property
    def items(self) -> int:
        return self.lines_refused.num_rows

    def lines(self, file: SourceFile) -> Iterator[Lines]:
        mine = self.lines_refused.filter(pc.equal(self.lines_refused["file"], file.key)).sort_by("line")
        numbers = mine["line"].to_pylist()
        breaks = [index for index, (one, two) in enumerate(pairwise(numbers), 1) if two != one + 1]
        for start, end in pairwise([0, *breaks, len(numbers)] if numbers else []):
            yield Lines(numbers[start], mine["original"].slice(start, end - start).to_pylist())


def replay(stage: Stage, target: Target, settings: Settings, mended: Sequence[Repair] = ()) -> Replayed:
    """Replay everything in the stage's quarantine, `mended` lines as what they became (each must be in it).

    Rows already there are left as they are (policy insert). Raises TargetError, TransientError as a load does; may be
    repeated after any of them.
    """
    system, export_id = stage.system, stage.summary["export"]["id"]
    again = _mended(pq.read_table(stage.quarantine, schema=QUARANTINE), mended)
    names = stage.files()
    files = tuple(SourceFile(len(names) + index, key, None, None, None) for index, key in enumerate(names))
    source = QuarantineSource(again, files, export_id, str(stage.quarantine))
    work = stages.create(settings.home / "replay", system, export_id, uuid.uuid4().hex)
    try:
        # By the exact path: refused lines lie scattered, and vectors of one line cost ten times as much.
        counts = decode(source, work, workers=1, fast=False)
        settled = settle(work, counts, _present(work, target))
        # Positions before the new files' indexes stay empty: a name finds the index that its rows are under here.
        work.complete({**stage.summary, "files": [""] * len(names) + names, "counts": settled})
        done = [_load(work, target, entity.name, settings) for entity in system.entities]
        add_refused(work, done)
        left = pq.read_table(work.quarantine, columns=["file", "line"]).to_pylist()
        passed = {(each.file, each.line) for each in mended} - {(row["file"], row["line"]) for row in left}
        if passed:
            kept = repairs.kept(settings.home, system.name, export_id)
            repairs.save(kept, [each for each in mended if (each.file, each.line) in passed])
        result = Replayed(_merged(stage, work, settings), again.num_rows, len(passed))
    finally:
        shutil.rmtree(work.path, ignore_errors=True)
    result.loaded, result.present = (sum(getattr(each, name) for each in done) for name in ("rows", "present"))
    result.conflicts = [key for each in done for key in each.conflict_keys]
    result.present -= sum(each.conflicts for each in done)
    result.excluded = sum(each["excluded"] for each in work.summary["counts"].values())
    result.remaining = len(left)
    result.entities = work.summary["counts"]
    return result


def _mended(quarantine: pa.Table, mended: Sequence[Repair]) -> pa.Table:
    """The quarantine with repaired lines in the place of the refused ones."""
    if not mended:
        return quarantine
    items = {(each.file, each.line): each.item for each in mended}
    places = zip(quarantine["file"].to_pylist(), quarantine["line"].to_pylist(), strict=True)
    originals = [items.get(place) or quarantine["original"][index].as_py() for index, place in enumerate(places)]
    at = quarantine.schema.get_field_index("original")
    return quarantine.set_column(at, "original", pa.array(originals, pa.binary()))


def _present(work: Stage, target: Target) -> pa.Table:
    """Rows of the target that the staged ones refer to: entity and key."""
    system = work.system
    wanted: set[str] = set()
    for entity in system.entities:
        for rule in entity.rules:
            if rule.kind == "refers":
                for path in work.rows(entity.name):
                    wanted.update(pc.unique(pc.drop_null(pq.read_table(path, columns=[rule.column])[0])).to_pylist())
    keys, found = sorted(wanted), []
    for start in range(0, len(keys), _KEYS):
        page = read_keys(target, system.target.name, system.columns, system.target.key, keys[start : start + _KEYS])
        telling = page.select([system.target.key, *_telling(system)]).to_pylist()
        found += [{"entity": _entity(system, row), "key": row[system.target.key]} for row in telling]
    return pa.Table.from_pylist(found, NONE_PRESENT.schema)


def _telling(system: System) -> list[str]:
    """The columns that tell a row's entity."""
    return sorted({column for entity in system.entities for column in _when(entity)})


def _when(entity: Any) -> dict[str, str]:
    column = {each.attribute: each.column for each in entity.fields}
    return {column[attribute]: text for attribute, text in entity.when.items()}


def _entity(system: System, row: Mapping[str, Any]) -> str:
    fits = (entity.name for entity in system.entities if _when(entity).items() <= row.items())
    return next(fits, stages.UNKNOWN)


def _load(work: Stage, target: Target, entity: str, settings: Settings) -> Loaded:
    export_id = work.summary["export"]["id"]
    loader = Loader(target, work.system, entity, "insert")
    listed = committed(target, export_id, entity)
    return loader.run(batches(work, entity, export_id), listed, loaders=settings.loaders)


def _merged(stage: Stage, work: Stage, settings: Settings) -> Stage:
    """A new stage of the export: the old one's rows, and the replayed ones under file indexes of their own."""
    export_id = stage.summary["export"]["id"]
    with stages.filling(settings.home, stage.system, export_id, f"replay-{uuid.uuid4().hex[:12]}") as merged:
        for each in (stage, work):
            for entity in stage.system.entities:
                for path in each.rows(entity.name):
                    _link(path, merged.path / "rows" / entity.name / path.name)
        for path in work.refused():
            _link(path, merged.path / "refused" / path.name)
        dropped = pa.concat_tables([pq.read_table(stage.dropped), pq.read_table(work.dropped)])
        pq.write_table(dropped, merged.dropped, compression="zstd")
        shutil.copyfile(work.quarantine, merged.quarantine)
        names = [*stage.files(), *stage.files()]
        counts = _counts(stage.summary["counts"], work.summary["counts"])
        merged.complete({**stage.summary, "files": names, "counts": counts, "replay_of": str(stage.path)})
    stages.prune(settings.home, stage.system, export_id)
    return merged


def _link(path: Path, to: Path) -> None:
    """The same file under another name; a copy where the file system has no hard links."""
    to.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(path, to)
    except OSError:
        shutil.copyfile(path, to)


def _counts(
    before: Mapping[str, Mapping[str, int]], again: Mapping[str, Mapping[str, int]]
) -> dict[str, dict[str, int]]:
    """The export's counts when the lines that were quarantined are counted as they are found `again`."""
    nothing = {"source": 0, "quarantined": 0, "excluded": 0, "accepted": 0}
    counts = {}
    for entity in dict.fromkeys([*before, *again]):
        old, new = before.get(entity, nothing), again.get(entity, nothing)
        counts[entity] = {
            "source": old["source"] - old["quarantined"] + new["source"],
            "quarantined": new["quarantined"],
            "excluded": old["excluded"] + new["excluded"],
            "accepted": old["accepted"] + new["accepted"],
        }
    return {entity: numbers for entity, numbers in counts.items() if entity != stages.UNKNOWN or numbers["source"]}
