"""From a source to a complete stage: decode every file, settle, and write down what is known before any target."""

from __future__ import annotations

import time
from typing import Any

from billio_pipeline.clock import Clock
from billio_pipeline.migrate import repairs
from billio_pipeline.migrate import stage as stages
from billio_pipeline.migrate.decode import Progress, decode
from billio_pipeline.migrate.settle import settle
from billio_pipeline.migrate.stage import Stage
from billio_pipeline.model.entity import System
from billio_pipeline.processes import apart
from billio_pipeline.room import room
from billio_pipeline.settings import Settings
from billio_pipeline.stores.dynamodb.source import Source

_SETTLED_APART = 500_000  # lines from which on settling has a process of its own


def prepare(source: Source, system: System, settings: Settings, run: str, progress: Progress | None = None) -> Stage:
    """Decode and settle `source` into a new stage of this run. Lines repaired since are read as what they became.

    Raises ExportError when the export is not whole, ConfigurationError when the disk is full: then there is no stage,
    and nothing may be loaded.
    """
    source = repairs.repaired(source, repairs.kept(settings.home, system.name, source.id))
    with stages.filling(settings.home, system, source.id, run) as stage, room(stage.path):
        stage.complete(_summary(source, stage, settings, progress))
    stages.prune(settings.home, system, source.id, run)
    return stage


def _summary(source: Source, stage: Stage, settings: Settings, progress: Progress | None) -> dict[str, Any]:
    """Fill the stage; what is known of it then."""
    started, clock = time.perf_counter(), Clock()
    files = decode(source, stage, workers=settings.workers, fast=settings.fast_path, progress=progress)
    decoded = time.perf_counter()
    lines = sum(file.lines for file in files)
    # DuckDB keeps what it took; rebuilding in processes comes next, and both together would be the peak of a run.
    safe_point = (lambda: progress(0)) if progress else (lambda: None)
    apart_from_us = lines >= _SETTLED_APART
    counts = apart(settle, stage, files, safe_point=safe_point) if apart_from_us else settle(stage, files)
    return {
        "system": stage.system.name,
        "export": {"path": source.uri, "id": source.id, "items": lines, "files": len(files), "bytes": source.bytes},
        "kind": source.kind,
        "complete": source.complete,
        "about": source.about,
        "files": [file.key for file in files],
        "counts": counts,
        "fast": sum(file.fast for file in files),
        "seconds": {"decode": round(decoded - started, 3), "settle": round(time.perf_counter() - decoded, 3)},
        "clock_jump": clock.jump("decoding"),
    }
