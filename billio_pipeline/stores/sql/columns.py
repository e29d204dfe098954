"""A target table's columns as the catalog has them, and how each is read back into the types rows are staged in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol
from weakref import WeakKeyDictionary

import psycopg
import pyarrow as pa
import pyarrow.compute as pc
from psycopg import sql

from billio_pipeline.errors import TargetError
from billio_pipeline.stores.sql.ddl import SCHEMA

Connection = psycopg.Connection[Any]

# Per SQL type as declared: the catalog types whose values compare the same. A profile may store JSON as text.
_READABLE: Mapping[str, tuple[str, ...]] = {
    "uuid": ("uuid",),
    "text": ("text", "varchar"),
    "varchar": ("text", "varchar"),
    "integer": ("int4", "int2"),
    "bigint": ("int8", "int4", "int2"),
    "timestamptz": ("timestamptz",),
    "jsonb": ("jsonb", "json", "text"),
    "boolean": ("bool",),
}

# A time is read as seconds with six decimals, whose unscaled value is the microseconds. Arrow's int64 ends in the year
# 294247: what PostgreSQL holds from there on, infinity included, reads as ±MOST_MICROS, which no staged row has.
MOST_MICROS = 2**63 - 1
_SECONDS = pa.decimal128(25, 6)
_TIME = sql.SQL(
    "CASE WHEN {0} >= timestamptz '294247-01-01 00:00:00+00' THEN 9223372036854.775807"
    " WHEN {0} = timestamptz '-infinity' THEN -9223372036854.775807 ELSE extract(epoch FROM {0}) END"
)


class ColumnLike(Protocol):
    """What reading needs of a column: model.entity.Column has it."""

    @property
    def name(self) -> str: ...
    @property
    def sql(self) -> str: ...


_known: WeakKeyDictionary[Connection, dict[str, dict[str, str]]] = WeakKeyDictionary()


def identifier(table: str) -> sql.Identifier:
    """`table`, in the schema everything of ours lives in whatever the search path says, or `schema.table`; quoted."""
    schema, _, name = table.rpartition(".")
    return sql.Identifier(schema or SCHEMA, name)


def types(connection: Connection, table: str) -> dict[str, str]:
    """The table's columns and their pg_type names, remembered per connection. Raises TargetError without the table."""
    known = _known.setdefault(connection, {})
    if table not in known:
        schema, _, name = table.rpartition(".")
        found = connection.execute(
            "SELECT a.attname, t.typname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            " JOIN pg_attribute a ON a.attrelid = c.oid JOIN pg_type t ON t.oid = a.atttypid"
            " WHERE c.relname = %s AND n.nspname = %s"
            " AND c.relkind IN ('r', 'p', 'v') AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum",
            [name, schema or SCHEMA],
        ).fetchall()
        if not found:
            raise TargetError(
                f"the target has no table {table}", remedy="Run `billio schema up`.", table=table, column=None
            )
        known[table] = dict(found)
    return known[table]


def forget(connection: Connection) -> None:
    """Read the catalog again: the schema may have changed since."""
    _known.pop(connection, None)


def check(connection: Connection, table: str, columns: Sequence[ColumnLike]) -> None:
    """Raise TargetError naming the first column that is missing or whose values wouldn't compare."""
    forget(connection)
    found = types(connection, table)
    for column in columns:
        declared = column.sql.partition("(")[0]
        if column.name not in found:
            what = "is missing"
        elif found[column.name] not in _READABLE.get(declared, (declared,)):
            what = f"is {found[column.name]}, expected {column.sql}"
        else:
            continue
        raise TargetError(
            f"column {table}.{column.name} {what}",
            remedy="`billio schema status` lists every difference; repair the table, or load into a new one.",
            table=table,
            column=column.name,
        )


def selected(column: ColumnLike) -> sql.Composable:
    """The expression that reads a column in a form Arrow takes without loss."""
    name = sql.Identifier(column.name)
    if column.sql == "timestamptz":
        return seconds(column)
    if column.sql == "jsonb":
        return sql.SQL("{}::text").format(name)
    return name


def seconds(column: ColumnLike) -> sql.Composed:
    """The expression for a time's seconds since 1970, a numeric whose six decimals are its microseconds."""
    return _TIME.format(sql.Identifier(column.name))


def csv_type(column: ColumnLike) -> pa.DataType:
    """The Arrow type in which `selected` arrives as CSV."""
    declared = column.sql.partition("(")[0]
    return {
        "integer": pa.int32(),
        "bigint": pa.int64(),
        "timestamptz": _SECONDS,
        "boolean": pa.bool_(),
    }.get(declared, pa.string())


def staged_type(column: ColumnLike) -> pa.DataType:
    """The Arrow type rows are staged in."""
    return pa.timestamp("us", tz="UTC") if column.sql == "timestamptz" else csv_type(column)


def staged(read: pa.Table, columns: Sequence[ColumnLike]) -> pa.Table:
    """`read` in the `csv_type`s, turned into the staged types."""
    arrays = []
    for column, values in zip(columns, read.columns, strict=True):
        if column.sql == "timestamptz":
            values = pa.chunked_array([_times(chunk) for chunk in values.chunks], staged_type(column))
        arrays.append(values)
    return pa.table(arrays, schema=pa.schema([pa.field(column.name, staged_type(column)) for column in columns]))


def _times(seconds: pa.Decimal128Array) -> pa.TimestampArray:
    """decimal(·, 6) seconds as timestamps: the unscaled 128-bit integer is shifted into an int64 of microseconds."""
    scaled = pc.multiply(seconds, pa.scalar(1_000_000, pa.decimal128(7, 0)))
    return scaled.cast(pa.decimal128(38, 6)).cast(pa.int64()).cast(pa.timestamp("us", tz="UTC"))
