"""How staged items spread: the hottest key of every table and index, and how large items are."""

from __future__ import annotations

import math
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson

from billio_pipeline.duck import connect
from billio_pipeline.model.size import MAX_ITEM_BYTES, sizer, text_size
from billio_pipeline.model.tables import DynamoTable
from billio_pipeline.verify.members import belongs, pointer
from billio_pipeline.verify.reconcile import MEMORY
from billio_pipeline.verify.sides import items_view

_AT_ONCE = 1_000  # items in memory

_size = sizer(text_size)


@dataclass(frozen=True)
class Hottest:
    """The partition key that most items of a table or an index share. `index` is None for the table itself."""

    table: str
    index: str | None
    key: str
    items: int
    of: int

    @property
    def share(self) -> float:
        return self.items / self.of


@dataclass(frozen=True)
class Sizes:
    """Sizes of a table's items in bytes, by DynamoDB's counting: the largest, whose key `largest` is, and the size
    that 99 of 100 items don't exceed."""

    items: int
    p99: int
    most: int
    largest: str


def hot_share(
    tables: Sequence[DynamoTable], staged: Mapping[str, Sequence[Path]], dropped: Path, folder: Path
) -> list[Hottest]:
    """The hottest key of each table and index that holds any staged item (Parquet by entity, less `dropped`)."""
    folder.mkdir(parents=True, exist_ok=True)
    database = folder / "hottest.duckdb"
    database.unlink(missing_ok=True)
    found = []
    with connect(database, MEMORY) as db:
        items_view(db, tables, staged, dropped)
        for table in tables:
            for place in (table, *table.indexes):
                counted = db.execute(
                    f"""
                    WITH counted AS (
                        SELECT json_extract_string(decode(_item), {pointer(*place.partition)}) AS key, count(*) AS items
                        FROM source WHERE _table = $1 AND {belongs(place)} GROUP BY 1)
                    SELECT key, items, (SELECT sum(items) FROM counted)::BIGINT FROM counted
                    ORDER BY items DESC, key LIMIT 1
                    """,  # noqa: S608  names from the declaration
                    [table.name],
                ).fetchall()
                index = None if place is table else place.name
                found += [Hottest(table.name, index, *row) for row in counted]
    database.unlink()
    return found


def sizes(tables: Sequence[DynamoTable], staged: Mapping[str, Sequence[Path]], dropped: Path) -> dict[str, Sizes]:
    """Sizes by table, of those that any staged item (Parquet by entity, less `dropped`) is for. Exact."""
    counts = {table.name: array("q", bytes(8 * (MAX_ITEM_BYTES + 1))) for table in tables}
    largest: dict[str, tuple[int, str]] = {}
    with connect(memory=MEMORY) as db:
        items_view(db, tables, staged, dropped)
        for batch in db.sql("SELECT _table, _key, _item FROM source").to_arrow_reader(_AT_ONCE):
            for table, key, item in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                size = _size(orjson.loads(item))
                counts[table][min(size, MAX_ITEM_BYTES)] += 1
                if table not in largest or (-size, key) < (-largest[table][0], largest[table][1]):
                    largest[table] = size, key
    return {
        table: Sizes(sum(counts[table]), _rank(counts[table], 0.99), *most) for table, most in sorted(largest.items())
    }


def _rank(counts: Sequence[int], share: float) -> int:
    """The smallest size that this share of all items doesn't exceed."""
    wanted = math.ceil(share * sum(counts))
    below = 0
    for size, number in enumerate(counts):
        below += number
        if below >= wanted:
            return size
    raise AssertionError("fewer items than counted")
