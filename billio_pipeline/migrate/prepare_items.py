"""From a copied source to a complete stage of items: make them, settle, write down what is known so far."""

from __future__ import annotations

import time
from typing import Any

from billio_pipeline.clock import Clock
from billio_pipeline.migrate import stage as stages
from billio_pipeline.migrate.copied import Copied, Progress, Read
from billio_pipeline.migrate.itemise import itemise
from billio_pipeline.migrate.settle_items import settle_items
from billio_pipeline.migrate.stage import ItemStage
from billio_pipeline.model.entity import RowSystem
from billio_pipeline.room import room
from billio_pipeline.settings import Settings


def prepare_items(
    copied: Copied, read: Read, system: RowSystem, settings: Settings, run: str, progress: Progress
) -> ItemStage:
    """Make the items of a copy in a new stage of this run."""
    with stages.filling(settings.home, system, copied.id, run) as stage, room(stage.path):
        stage.complete(_summary(copied, read, stage, settings, progress))
    stages.prune(settings.home, system, copied.id, run)
    return stage


def _summary(copied: Copied, read: Read, stage: ItemStage, settings: Settings, progress: Progress) -> dict[str, Any]:
    started, clock = time.perf_counter(), Clock()
    files = itemise(copied, read, stage, workers=settings.workers, progress=progress)
    made = time.perf_counter()
    names = [file.name for file in copied.files]
    counts = settle_items(stage, files, names)
    return {
        "system": stage.system.name,
        "export": {
            "path": copied.uri, "id": copied.id, "items": copied.rows, "files": len(copied.files),
            "bytes": copied.bytes,
        },
        "kind": copied.kind,
        "complete": True,
        "about": copied.about,
        "as_of": copied.as_of,
        "files": names,
        "counts": counts,
        "expired": {file.entity: sum(f.expired for f in files if f.entity == file.entity) for file in files},
        "seconds": {"itemise": round(made - started, 3), "settle": round(time.perf_counter() - made, 3)},
        "clock_jump": clock.jump("making items"),
    }  # fmt: skip
