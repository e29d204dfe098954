"""What is loaded: AlgoItny's rows in PostgreSQL, the stage of their items, and the same items as lines for peers."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from assets.algoitny.generator import generate
from assets.algoitny.model import SYSTEM
from assets.algoitny.source import load_source
from billio_pipeline.migrate import copied
from billio_pipeline.migrate.prepare_items import prepare_items
from billio_pipeline.migrate.sql_source import SqlSource
from billio_pipeline.migrate.stage import ItemStage
from billio_pipeline.settings import Settings

ITEMS_PER_USER = 29  # at least: what the generator makes of a user, less the usage logs that have expired
_RUN = "bench"


@dataclass(frozen=True)
class Data:
    """One size of everything. `lines` has a file per table, `<table>.jsonl`, an item of DynamoDB JSON per line."""

    dsn: str
    stage: Path
    lines: Path
    items: int
    bytes: int


def made(folder: Path, dsn: str, items: int) -> Data:
    """Fill an empty database with rows for about so many items, and stage them as a run does."""
    shutil.rmtree(folder, ignore_errors=True)
    lines = folder / "lines"
    lines.mkdir(parents=True)
    load_source(dsn, generate(max(1, items // ITEMS_PER_USER), as_of=datetime.now(UTC)))
    settings = Settings.from_env({"BILLIO_HOME": str(folder / "home")})
    stage = staged(dsn, settings, _RUN)
    count = size = 0
    for table in SYSTEM.tables:
        with (lines / f"{table.name}.jsonl").open("wb") as file:
            for line in item_lines(stage, table.name):
                file.write(line + b"\n")
                count, size = count + 1, size + len(line)
    return Data(dsn, stage.path, lines, count, size)


def staged(dsn: str, settings: Settings, run: str) -> ItemStage:
    """The database's items, staged."""
    source = SqlSource(dsn, SYSTEM, settings)
    taken = copied.take(source, settings.home, SYSTEM.name, run, lambda rows: None)
    return prepare_items(taken, source.read, SYSTEM, settings, run, lambda rows: None)


def item_lines(stage: ItemStage, table: str) -> Iterator[bytes]:
    """A table's items, as they are staged."""
    for entity in SYSTEM.entities:
        if entity.items is not None and entity.items.name == table:
            for _, rows in stage.batches(entity.name, also=("_item",)):
                yield from rows["_item"].to_pylist()
