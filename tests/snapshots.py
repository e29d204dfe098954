"""Rows put into a source, and taken out of a snapshot of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
from psycopg import sql

from assets.algoitny.source import Row, json_text
from billio_pipeline.model.canonical import parse_jsonb
from billio_pipeline.stores.sql.snapshot import Snapshot
from billio_pipeline.stores.sql.source_table import TIME

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def numbers(source: psycopg.Connection[Any], rows: int, table: str = "t") -> None:
    name = sql.Identifier(table)
    source.execute(sql.SQL("CREATE TABLE {} (id int PRIMARY KEY, said text)").format(name))
    source.execute(sql.SQL("INSERT INTO {} SELECT n, 'row ' || n FROM generate_series(1, %s) n").format(name), [rows])


def read(folder: Path, taken: Snapshot, table: str) -> pa.Table:
    return pa.concat_tables(pq.ParquetFile(folder / name).read() for name in taken[table].files).combine_chunks()


def plain(value: Any) -> Any:
    """A generated or fixture value as it should come back: documents parsed, times in microseconds."""
    if isinstance(value, dict | list):
        return parse_jsonb(json_text(value))
    if value in ("infinity", None):
        return None if value is None else 2**63 - 1
    if isinstance(value, datetime):
        return (value - EPOCH) // timedelta(microseconds=1)
    return value


def returned(folder: Path, taken: Snapshot, table: str) -> list[Row]:
    """Rows of a table out of the snapshot, in the form of `plain`."""
    found = read(folder, taken, table)
    documents = {column.name for column in taken[table].columns if column.sql == "jsonb"}
    times = [number for number, field in enumerate(found.schema) if field.type == TIME]
    for number in times:
        found = found.set_column(number, found.schema.names[number], found.column(number).cast(pa.int64()))
    return [
        {name: parse_jsonb(value) if name in documents and value is not None else value for name, value in row.items()}
        for row in found.to_pylist()
    ]
