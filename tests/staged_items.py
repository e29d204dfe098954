"""Both sides of a comparison in item space, made of wire items: staged Parquet by entity, and tables read back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from billio_pipeline.model.canonical import canonical_item, content_hash
from billio_pipeline.model.keys import item_key_text
from billio_pipeline.model.tables import DynamoTable
from billio_pipeline.verify.items import spool_items
from billio_pipeline.verify.sides import ITEMS

Item = dict[str, dict[str, Any]]

_SCHEMA = pa.schema([*ITEMS, ("_file", pa.int32()), ("_line", pa.int64())])


@dataclass(frozen=True)
class Staged:
    rows: dict[str, list[Path]]
    dropped: Path


def staged(
    folder: Path,
    items: Mapping[str, Sequence[Item]],
    table_of: Callable[[str], DynamoTable],
    dropped: Iterable[tuple[int, int]] = (),
) -> Staged:
    """A stage of these items by entity, each entity's in a file of its own: 0, 1, … with lines from 0."""
    rows: dict[str, list[Path]] = {}
    for file, (entity, held) in enumerate(items.items()):
        table = table_of(entity)
        canonical = [canonical_item(item) for item in held]
        columns = {
            "_table": [table.name] * len(held),
            "_key": [item_key_text(table, item) for item in held],
            "_hash": [content_hash(each) for each in canonical],
            "_item": canonical,
            "_ttl": [int(item[table.ttl]["N"]) if table.ttl and table.ttl in item else None for item in held],
            "_file": [file] * len(held),
            "_line": list(range(len(held))),
        }
        path = folder / f"{entity}.parquet"
        pq.write_table(pa.table(columns, _SCHEMA), path, row_group_size=100)
        rows[entity] = [path] if held else []
    lines = {"file": [file for file, _ in dropped], "line": [line for _, line in dropped]}
    path = folder / "dropped.parquet"
    pq.write_table(pa.table(lines, pa.schema([("file", pa.int32()), ("line", pa.int64())])), path)
    return Staged(rows, path)


def spooled(folder: Path, table: DynamoTable, items: Sequence[Item], entity_of: Callable[[Item], str]) -> Path:
    """The table's items as they would be read back, in pages."""
    lines = [orjson.dumps({"Item": item}) for item in items]
    path = folder / f"{table.name}.target.parquet"
    assert spool_items([lines[:3], [], lines[3:]], table, entity_of, path) == len(items)
    return path
