"""Items that differ, both sides of each together, in the order of their keys: in little memory, however many and large.

Only keys and places go through DuckDB, whose vectors of 2,048 items of up to 400 KB would not fit: items are copied
from the Parquet files, read group by group, to one file of bytes per side, and from there in the order that is wanted.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import IO, Any, NamedTuple

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from billio_pipeline.verify.reconcile import spool
from billio_pipeline.verify.sides import literal

_PLACES = pa.schema([("table", pa.string()), ("key", pa.string()), ("at", pa.int64()), ("size", pa.int64())])
_AT_ONCE = 10_000  # keys or places in memory

Place = tuple[str, int, str, str]  # path, row in it, table, key


class Unequal(NamedTuple):
    """A key that is not on both sides with the same item. `how` is missing, extra or different, the last with items."""

    entity: str
    key: str
    how: str
    source: bytes = b""
    target: bytes = b""


def unequal(db: duckdb.DuckDBPyConnection, folder: Path) -> Iterator[Unequal]:
    """What the table `unequal` names, by entity and key; views `source` and `target` say where the items are.

    Copies of the items that differ are made in `folder`; they stay there.
    """
    with (folder / "source.items").open("w+b") as source, (folder / "target.items").open("w+b") as target:
        ours = _copied(db, "source", "_item", "s._table", "s._key", source, folder)
        theirs = _copied(db, "target", "item", 's."table"', "s.key", target, folder)
        ordered = db.sql(
            f"""
            SELECT u.entity, u.key, u.how, s.at, s.size, t.at, t.size FROM unequal u
            LEFT JOIN read_parquet({literal(str(ours))}) s ON s."table" = u."table" AND s.key = u.key
            LEFT JOIN read_parquet({literal(str(theirs))}) t ON t."table" = u."table" AND t.key = u.key
            WHERE u.how IN ('missing', 'extra', 'different') ORDER BY u.entity, u.key, u."table"
            """  # noqa: S608  paths of ours
        )
        for entity, key, how, at, size, other_at, other_size in _rows(ordered):
            if how == "different":
                item = os.pread(source.fileno(), size, at)
                yield Unequal(entity, key, how, item, os.pread(target.fileno(), other_size, other_at))
            else:
                yield Unequal(entity, key, how)


def _copied(
    db: duckdb.DuckDBPyConnection, view: str, column: str, table: str, key: str, copy: IO[bytes], folder: Path
) -> Path:
    """Append the differing items of a view to `copy`; the file that says where each is."""
    located = db.sql(
        f"""
        SELECT s.filename, s.file_row_number, u."table", u.key FROM {view} s
        JOIN unequal u ON u."table" = {table} AND u.key = {key} WHERE u.how = 'different' ORDER BY 1, 2
        """  # noqa: S608  names of ours
    )
    places = folder / f"{view}.places.parquet"
    spool(_places(_rows(located), column, copy), places, _PLACES)
    copy.flush()
    return places


def _places(located: Iterable[Place], column: str, copy: IO[bytes]) -> Iterator[pa.Table]:
    rows: list[tuple[str, str, int, int]] = []
    for path, places in groupby(located, key=lambda place: place[0]):
        for (_, _, table, key), item in _items(path, column, places):
            rows.append((table, key, copy.tell(), copy.write(item)))
            if len(rows) == _AT_ONCE:
                yield pa.table([list(each) for each in zip(*rows, strict=True)], _PLACES)
                rows = []
    if rows:
        yield pa.table([list(each) for each in zip(*rows, strict=True)], _PLACES)


def _items(path: str, column: str, places: Iterable[Place]) -> Iterator[tuple[Place, bytes]]:
    """Each place, in the order of rows, with what `column` holds there; one row group at a time."""
    with pq.ParquetFile(path) as file:
        group, start, end = -1, 0, 0
        items = pa.array([], pa.binary())
        for place in places:
            wanted = place[1] >= end
            while place[1] >= end:
                group, start = group + 1, end
                end += file.metadata.row_group(group).num_rows
            if wanted:
                items = file.read_row_group(group, columns=[column]).column(0).combine_chunks()
            yield place, items[place[1] - start].as_py()


def _rows(relation: duckdb.DuckDBPyRelation) -> Iterator[Any]:
    for batch in relation.to_arrow_reader(_AT_ONCE):
        yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)
