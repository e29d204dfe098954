"""How staged items spread: the hottest key of every table and index, and how large items are."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from billio_pipeline.duck import connect
from billio_pipeline.model.tables import DynamoTable
from billio_pipeline.verify.reconcile import MEMORY
from billio_pipeline.verify.survey import survey_view


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
    """Sizes of a table's items in bytes, by DynamoDB's counting: the one that 99 of 100 items don't exceed, and the
    largest, which the item under the key `largest` has."""

    items: int
    p99: int
    most: int
    largest: str


def hot_share(tables: Sequence[DynamoTable], surveyed: Path, dropped: Path, folder: Path) -> list[Hottest]:
    """The hottest key of each table and index that any surveyed item is in. `folder` is for what doesn't fit in memory.

    `tables` are those surveyed, with their indexes in the same order.
    """
    own = folder / "hottest"
    shutil.rmtree(own, ignore_errors=True)
    own.mkdir(parents=True)
    found = []
    with connect(own / "hottest.duckdb", MEMORY) as db:
        survey_view(db, surveyed, dropped)
        for table in tables:
            for place, index in enumerate([None, *(index.name for index in table.indexes)], 1):
                counted = db.execute(
                    """
                    WITH counted AS (
                        SELECT places[$2] AS key, count(*) AS items FROM source WHERE _table = $1 GROUP BY ALL)
                    SELECT key, items, (SELECT sum(items) FROM counted WHERE key IS NOT NULL)::BIGINT FROM counted
                    WHERE key IS NOT NULL ORDER BY items DESC, key LIMIT 1
                    """,
                    [table.name, place],
                ).fetchall()
                found += [Hottest(table.name, index, *row) for row in counted]
    shutil.rmtree(own)
    return found


def sizes(surveyed: Path, dropped: Path) -> dict[str, Sizes]:
    """Sizes by table, of those that any surveyed item is for. Exact: there are no more sizes than bytes in an item."""
    with connect(memory=MEMORY) as db:
        survey_view(db, surveyed, dropped)
        rows = db.sql(
            """
            WITH sized AS (SELECT _table, size, count(*) AS items, min(_key) AS key FROM source GROUP BY ALL),
            ranked AS (
                SELECT *, sum(items) OVER (PARTITION BY _table ORDER BY size) AS up_to,
                       sum(items) OVER (PARTITION BY _table) AS of FROM sized)
            SELECT _table, any_value(of)::BIGINT, min(size) FILTER (100 * up_to >= 99 * of), max(size),
                   arg_max(key, size)
            FROM ranked GROUP BY _table ORDER BY _table
            """
        ).fetchall()
    return {table: Sizes(*row) for table, *row in rows}
