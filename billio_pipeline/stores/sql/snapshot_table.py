"""One table of a snapshot: its rows into Parquet files, fingerprinted and counted on the way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.compute as pc
from psycopg import sql

from billio_pipeline.errors import InputError
from billio_pipeline.room import room
from billio_pipeline.stores.sql.columns import identifier
from billio_pipeline.stores.sql.contents import Contents
from billio_pipeline.stores.sql.parts import Parts
from billio_pipeline.stores.sql.source_table import TIME, SourceColumn, SourceTable

Connection = psycopg.Connection[Any]
Progress = Callable[[str, int, int], None]  # table, rows read since the last call, rows of the table

# Years 1 to 9999, what Python, ISO 8601 and most readers hold, in microseconds and days.
_YEARS = {
    TIME: (pa.int64(), -62_135_596_800_000_000, 253_402_300_799_999_999),
    pa.date32(): (pa.int32(), -719_162, 2_932_896),
}


@dataclass(frozen=True)
class TableSnapshot:
    """One table. `bytes` are its files' on disk, `files` their names below the snapshot's folder.

    `odd_times`: columns that hold times infinite or outside the years 1 to 9999, and how many rows.
    """

    name: str
    columns: tuple[SourceColumn, ...]
    key: tuple[str, ...]
    rows: int
    bytes: int
    fingerprint: str
    files: tuple[str, ...]
    odd_times: Mapping[str, int]


def copy_table(
    connection: Connection,
    table: SourceTable,
    counted: int,
    folder: Path,
    chunk: int,
    page: int,
    progress: Progress | None,
) -> TableSnapshot:
    """Copy the table, of which a scan counted so many rows, into `folder`/<its name>, which must not exist.

    Raises InputError when the rows read by its primary key are not as many, or a time has no Arrow form.
    """
    contents, odd, rows = Contents(table.schema), Counter[str](), 0
    with room(folder), Parts(folder / table.name, table.schema, chunk) as parts:
        for block in table.rows(connection, page):
            contents.add(block)
            odd.update(_odd_times(block))
            parts.write(block)
            rows += block.num_rows
            if progress is not None:
                progress(table.name, block.num_rows, counted)
    if rows != counted:
        raise InputError(
            f"table {table.name}: {rows} rows were read by primary key, a scan counts {counted}",
            remedy=f"The key's index is damaged: REINDEX TABLE {table.name}, then take the snapshot again.",
            table=table.name,
        )
    for column in odd:
        _check_far(connection, table, column)
    return TableSnapshot(
        table.name,
        table.columns,
        table.key,
        rows,
        sum(path.stat().st_size for path in parts.files),
        contents.fingerprint,
        tuple(path.relative_to(folder).as_posix() for path in parts.files),
        dict(odd),
    )


def _odd_times(block: pa.Table) -> dict[str, int]:
    found: dict[str, int] = {}
    for field, column in zip(block.schema, block.columns, strict=True):
        if field.type in _YEARS:
            stored, first, last = _YEARS[field.type]
            numbers = column.cast(stored)
            odd = pc.sum(pc.or_(pc.less(numbers, first), pc.greater(numbers, last))).as_py()
            found |= {field.name: odd} if odd else {}
    return found


def _check_far(connection: Connection, table: SourceTable, column: str) -> None:
    """Raise InputError for a finite time that reads as infinity."""
    if table.schema.field(column).type != TIME:
        return
    query = sql.SQL("SELECT ({})::text FROM {} WHERE isfinite({c}) AND {c} >= '294247-01-01 00:00:00+00' LIMIT 1")
    keys = sql.SQL(", ").join(map(sql.Identifier, table.key))
    found = connection.execute(query.format(keys, identifier(table.name), c=sql.Identifier(column))).fetchone()
    if found:
        raise InputError(
            f"{table.name}.{column} of {found[0]} is beyond the year 294246, the last that fits",
            remedy="Correct the row; no application wrote such a time.",
            table=table.name,
            column=column,
            key=found[0],
        )
