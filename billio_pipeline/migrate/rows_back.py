"""The items of a system's tables read back as the rows they stand for: one Parquet file per entity."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from billio_pipeline.codec.items import ItemCodec
from billio_pipeline.duck import connect
from billio_pipeline.errors import TargetError
from billio_pipeline.model.entity import Entity, RowSystem
from billio_pipeline.model.keys import item_key_text
from billio_pipeline.model.refusal import Refusal
from billio_pipeline.model.tables import DynamoTable
from billio_pipeline.room import room
from billio_pipeline.stores.dynamodb.read_back import read_back
from billio_pipeline.verify.sides import name

SHOWN = 20
_GROUP_ROWS, _GROUP_BYTES = 2_500, 16 << 20


@dataclass
class RowsBack:
    """What was read. `read` counts items; each is a row, or `added` to the target on purpose, or `refused`: the first
    of these are named, with the reason."""

    files: dict[str, Path] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)
    read: int = 0
    added: int = 0
    refused: int = 0
    examples: list[str] = field(default_factory=list)


def rows_back(
    client: Any,
    system: RowSystem,
    folder: Path,
    *,
    added: Callable[[Mapping[str, Any]], None] = lambda item: None,
    progress: Callable[[int], None] = lambda items: None,
) -> RowsBack:
    """Read all tables into `folder`/<entity>.parquet, in no order; memory is flat in their size.

    Whoever wrote an item, its row is what its attributes say: keys aren't read. `added` is told each item of a kind
    that the system adds.
    """
    done, codec = RowsBack(), ItemCodec(system)
    folder.mkdir(parents=True, exist_ok=True)
    with room(folder):
        with ExitStack() as stack:
            writers = {e.name: stack.enter_context(_Rows(folder, e)) for e in system.entities}
            for table in system.tables:
                for page in read_back(client, table.name):
                    for line in page:
                        _take(orjson.loads(line)["Item"], table, codec, writers, added, done)
                    done.read += len(page)
                    progress(len(page))
        done.files = {each: writer.path for each, writer in writers.items()}
        done.rows = {each: writer.rows for each, writer in writers.items()}
    return done


def _take(
    item: dict[str, Any],
    table: DynamoTable,
    codec: ItemCodec,
    writers: Mapping[str, _Rows],
    added: Callable[[Mapping[str, Any]], None],
    done: RowsBack,
) -> None:
    entity = codec.entity_of(item)
    if entity is None:
        if item.get("EntityType", {}).get("S") in codec.system.added:
            added(item)
            done.added += 1
            return
        why = "it is of no kind that is declared"
    else:
        row = codec.to_row(entity, item)
        if not isinstance(row, Refusal):
            writers[entity.name].add(row)
            return
        why = f"it is no {entity.name}: {row.message}"
    done.refused += 1
    if len(done.examples) < SHOWN:
        done.examples.append(f"{table.name} {item_key_text(table, item)}: {why}")


class _Rows:
    """An entity's Parquet file, written a row group at a time."""

    def __init__(self, folder: Path, entity: Entity) -> None:
        self.path = folder / f"{entity.name}.parquet"
        self.rows = 0
        self._schema = entity.arrow_schema()
        self._group: list[dict[str, Any]] = []
        self._held = 0

    def __enter__(self) -> _Rows:
        self._writer = pq.ParquetWriter(self.path, self._schema, compression="zstd", compression_level=1)
        return self

    def __exit__(self, *failed: object) -> None:
        if failed == (None, None, None):
            self._write()
        self._writer.close()

    def add(self, row: dict[str, Any]) -> None:
        self._group.append(row)
        self._held += sum(len(value) for value in row.values() if isinstance(value, str))
        if len(self._group) == _GROUP_ROWS or self._held >= _GROUP_BYTES:
            self._write()

    def _write(self) -> None:
        self._writer.write_table(pa.Table.from_pylist(self._group, self._schema))
        self.rows += len(self._group)
        self._group, self._held = [], 0


def check_unique(entity: Entity, file: Path) -> None:
    """Raise TargetError when several items stand for one row of the entity's file."""
    key = name(entity.table.key)
    query = f"SELECT {key} FROM read_parquet($1) GROUP BY ALL HAVING count(*) > 1 ORDER BY ALL LIMIT {SHOWN}"  # noqa: S608
    with connect() as db:
        twice = db.execute(query, [str(file)]).fetchall()
    if twice:
        named = ", ".join([str(key) for (key,) in twice])
        raise TargetError(
            f"several {entity.name} items have the same {entity.table.key}: {named}",
            remedy="Decide which item of each is right and remove the others.",
        )
