"""Profiles every item of a stage, per entity: what was accepted, and what was refused as far as it can be read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import orjson
import pyarrow.parquet as pq

from billio_pipeline.codec.wire import parse
from billio_pipeline.migrate.stage import Stage
from billio_pipeline.model.refusal import Refusal
from billio_pipeline.plan.places import Profile
from billio_pipeline.processes import spread

# Lines below which starting worker processes costs more than they save.
_WORTH_PROCESSES = 50_000
_ROWS = 2_000  # lines held at once


@dataclass
class Survey:
    """Profiles by entity. `unreadable` counts refused lines by entity that are no item at all, so have no profile."""

    profiles: dict[str, Profile] = field(default_factory=dict)
    unreadable: dict[str, int] = field(default_factory=dict)

    def profile(self, entity: str) -> Profile:
        return self.profiles.setdefault(entity, Profile())

    def add(self, other: Survey) -> None:
        for entity, profile in other.profiles.items():
            self.profile(entity).add(profile)
        for entity, number in other.unreadable.items():
            self.unreadable[entity] = self.unreadable.get(entity, 0) + number


def survey(stage: Stage, *, workers: int) -> Survey:
    """The profile of every line of a complete stage, one process per staged file where that pays."""
    files = [(entity.name, path) for entity in stage.system.entities for path in stage.rows(entity.name)]
    total = Survey()
    worth_it = stage.summary["export"]["items"] >= _WORTH_PROCESSES
    for part in spread(accepted, files, workers if worth_it else 1):
        total.add(part)
    for path in stage.refused():
        total.add(refused(path))
    return total


def accepted(entity: str, path: Path) -> Survey:
    """The profile of one staged file of an entity: a process's whole work."""
    found = Survey()
    profile = found.profile(entity)
    for file, line, source in _rows(path, ("_file", "_line", "_source")):
        profile.look(orjson.loads(source)["Item"], len(source), (file, line))
    return found


def refused(path: Path) -> Survey:
    """The profile of one file's refused lines: those that are well-formed items."""
    found = Survey()
    for file, line, entity, original in _rows(path, ("file", "line", "entity", "original")):
        item = parse(original)
        if isinstance(item, Refusal):
            found.unreadable[entity] = found.unreadable.get(entity, 0) + 1
        else:
            found.profile(entity).look(item, len(original), (file, line))
    return found


def _rows(path: Path, columns: Iterable[str]) -> Iterator[tuple]:
    names = list(columns)
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=_ROWS, columns=names):
            yield from zip(*(batch[name].to_pylist() for name in names), strict=True)
