"""Exports of given lines taken through the product's own reader, decoder and settle: to a stage, as a run would."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

import pyarrow.parquet as pq
import wire
from exports import write_export

from assets.billio.model import SYSTEM
from billio_pipeline.migrate.prepare import prepare
from billio_pipeline.migrate.stage import Stage
from billio_pipeline.settings import Settings
from billio_pipeline.stores.dynamodb import open_source

Line = bytes | dict[str, Any]


def staged(settings: Settings, *files: Sequence[Line], run: str = "run") -> Stage:
    """The complete stage of a fresh export whose data files hold these lines; items are written plainly."""
    folder = settings.home / "exports" / uuid.uuid4().hex
    lines = [[each if isinstance(each, bytes) else wire.written(each) for each in file] for file in files]
    return prepare(open_source(str(write_export(folder, lines)), SYSTEM, settings), SYSTEM, settings, run)


def quarantine(stage: Stage) -> list[dict[str, Any]]:
    """Everything refused, in the order of files and lines."""
    return pq.read_table(stage.quarantine).to_pylist()


def keys(stage: Stage) -> list[str]:
    """Ids of the rows that would be loaded, in the order of entities, files and lines."""
    return [
        key
        for entity in SYSTEM.entities
        for _, rows in stage.batches(entity.name)
        for key in rows[SYSTEM.target.key].to_pylist()
    ]
