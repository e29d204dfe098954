"""From a source to a complete stage: decode every file, settle, and write down what is known before any target."""

from __future__ import annotations

import time

from billio_pipeline.migrate import stage as stages
from billio_pipeline.migrate.decode import Progress, decode
from billio_pipeline.migrate.settle import settle
from billio_pipeline.migrate.stage import Stage
from billio_pipeline.model.entity import System
from billio_pipeline.settings import Settings
from billio_pipeline.stores.dynamodb.source import Source


def prepare(source: Source, system: System, settings: Settings, run: str, progress: Progress | None = None) -> Stage:
    """Decode and settle `source` into a new stage of this run.

    Raises ExportError when the export is not whole: then there is no stage, and nothing may be loaded.
    """
    stage = stages.create(settings.home, system, source.id, run)
    started = time.perf_counter()
    files = decode(source, stage, workers=settings.workers, fast=settings.fast_path, progress=progress)
    decoded = time.perf_counter()
    counts = settle(stage, files)
    lines = sum(file.lines for file in files)
    stage.complete(
        {
            "system": system.name,
            "export": {"path": source.uri, "id": source.id, "items": lines, "files": len(files), "bytes": source.bytes},
            "kind": source.kind,
            "complete": source.complete,
            "about": source.about,
            "files": [file.key for file in files],
            "counts": counts,
            "fast": sum(file.fast for file in files),
            "seconds": {"decode": round(decoded - started, 3), "settle": round(time.perf_counter() - decoded, 3)},
        }
    )
    stages.prune(settings.home, system, source.id)
    return stage
