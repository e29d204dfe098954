"""Rebuilds every accepted row of a stage and compares it with its source line, a process per staged file."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from billio_pipeline.codec.compile import compile
from billio_pipeline.codec.items import ItemCodec
from billio_pipeline.codec.rebuild import rebuilds, rows_again
from billio_pipeline.migrate.stage import ItemStage, Stage
from billio_pipeline.model.entity import RowSystem, System
from billio_pipeline.processes import spread
from billio_pipeline.verify.reversible import Reversal, reverse

# Rows below which starting worker processes costs more than they save.
_WORTH_PROCESSES = 50_000


def reversed_rows(
    stage: Stage, entities: Iterable[str], *, workers: int, progress: Callable[[int], None]
) -> dict[str, Reversal]:
    """What became of each entity's rows. `progress` is told how many were rebuilt since its last call, or 0."""
    found = {entity: Reversal() for entity in entities}
    calls = [(stage.path, stage.system, entity, path) for entity in found for path in stage.rows(entity)]
    worth_it = stage.summary["export"]["items"] >= _WORTH_PROCESSES
    for entity, part in spread(_reversed_file, calls, workers if worth_it else 1, lambda: progress(0)):
        found[entity].add(part)
        progress(part.rows)
    return found


def _reversed_file(path: Path, system: System | RowSystem, entity: str, file: Path) -> tuple[str, Reversal]:
    if isinstance(system, RowSystem):
        staged = ItemStage(path, system).batches_of(entity, file, also=("_item",))
        return entity, reverse(staged, rows_again(ItemCodec(system), system.by_name[entity]), "_item")
    batches = Stage(path, system).batches_of(entity, file, also=("_source",))
    return entity, reverse(batches, rebuilds(compile(system), system.by_name[entity]))
