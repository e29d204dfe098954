"""Two Parquet copies of one SQL table, compared row by row: keys, then every column. Knows no database.

Equal are texts byte by byte, times to the microsecond, JSON documents by value: 1.0 is 1, as it is to DynamoDB.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from billio_pipeline.duck import connect
from billio_pipeline.model.canonical import jsonb_text, parse_jsonb
from billio_pipeline.verify.sides import literal, name

SHOWN = 20
_AT_ONCE = 200  # rows in memory, on both sides


@dataclass
class Compared:
    """How the second copy of a table differs from the first. The first 20 rows of each kind are named by their keys,
    different ones with the columns that differ; `columns` counts these."""

    rows: int
    found: int
    missing: int = 0
    extra: int = 0
    different: int = 0
    missing_keys: list[Any] = field(default_factory=list)
    extra_keys: list[Any] = field(default_factory=list)
    differences: list[dict[str, Any]] = field(default_factory=list)
    columns: dict[str, int] = field(default_factory=dict)

    @property
    def equal(self) -> bool:
        return not (self.missing or self.extra or self.different)


def compare_copies(
    first: Sequence[Path], second: Sequence[Path], key: str, documents: Collection[str], work: Path
) -> Compared:
    """Compare the rows of two sets of Parquet files of the same columns, whose `key` is unique; `documents` are their
    JSON columns. What doesn't fit in memory is put into the new file `work`, and removed."""
    try:
        with connect(work) as db:
            for side, files in (("one", first), ("two", second)):
                listed = ", ".join([literal(str(file)) for file in files])
                db.execute(f"CREATE TEMP VIEW {side} AS SELECT * FROM read_parquet([{listed}])")  # noqa: S608
            return _compared(db, name(key), key, documents)
    finally:
        work.unlink(missing_ok=True)


def _compared(db: duckdb.DuckDBPyConnection, by: str, key: str, documents: Collection[str]) -> Compared:
    # Digests are joined, not rows: those may have megabytes each.
    for side in ("one", "two"):
        db.execute(f"CREATE TABLE {side}_rows AS SELECT {by}, md5(to_json(r)::VARCHAR) AS digest FROM {side} r")  # noqa: S608
    (rows,), (found,) = (db.sql(f"SELECT count(*) FROM {side}_rows").fetchall()[0] for side in ("one", "two"))  # noqa: S608
    done = Compared(rows, found)
    missing = f"FROM one_rows ANTI JOIN two_rows USING ({by})"
    extra = f"FROM two_rows ANTI JOIN one_rows USING ({by})"
    done.missing, done.missing_keys = _keys(db, by, missing)
    done.extra, done.extra_keys = _keys(db, by, extra)
    db.execute(
        f"CREATE TABLE odd AS SELECT {by} FROM one_rows o JOIN two_rows t USING ({by}) WHERE o.digest <> t.digest"  # noqa: S608
    )
    columns = [each for (each, *_) in db.sql("DESCRIBE one").fetchall() if each != key]
    sides = ", ".join([f"{side}.{name(each)}" for each in columns for side in ("o", "t")])
    query = f"SELECT {by}, {sides} FROM odd JOIN one o USING ({by}) JOIN two t USING ({by}) ORDER BY {by}"  # noqa: S608
    counted: Counter[str] = Counter()
    for batch in db.sql(query).to_arrow_reader(_AT_ONCE):
        lists = [_values(column) for column in batch.columns]
        for at, *values in zip(*lists, strict=True):
            unequal = [
                each
                for place, each in enumerate(columns)
                if not _same(values[2 * place], values[2 * place + 1], each in documents)
            ]
            if unequal:
                done.different += 1
                counted.update(unequal)
                if len(done.differences) < SHOWN:
                    done.differences.append({"key": at, "columns": unequal})
    done.columns = dict(sorted(counted.items()))
    return done


def _keys(db: duckdb.DuckDBPyConnection, by: str, of: str) -> tuple[int, list[Any]]:
    """How many there are, and the first."""
    shown = db.sql(f"SELECT {by} {of} ORDER BY {by} LIMIT {SHOWN}").fetchall()
    return db.sql(f"SELECT count(*) {of}").fetchall()[0][0], [each for (each,) in shown]


def _values(column: pa.Array) -> list[Any]:
    """Python's times end in the year 9999: they are compared as microseconds."""
    return (column.cast(pa.int64()) if pa.types.is_timestamp(column.type) else column).to_pylist()


def _same(one: Any, two: Any, document: bool) -> bool:
    if one == two:
        return True
    if not document or one is None or two is None:
        return False
    return jsonb_text(parse_jsonb(one)) == jsonb_text(parse_jsonb(two))
