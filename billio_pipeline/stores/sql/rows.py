"""Rows in and out of a target inside a transaction: copy, upsert, and read by key, all in the staged Arrow types."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from weakref import WeakSet

import psycopg
import pyarrow as pa
from psycopg import sql
from psycopg.adapt import Dumper
from psycopg.pq import Format, TransactionStatus

from billio_pipeline.errors import TargetError
from billio_pipeline.stores.sql.columns import ColumnLike, check, csv_type, identifier, selected, staged, types
from billio_pipeline.stores.sql.copy_binary import ENCODINGS, encode, encode_array
from billio_pipeline.stores.sql.retry import CopyRefused

Connection = psycopg.Connection[Any]

# Connections whose server refused COPY: AWS pages disagree on whether Aurora DSQL has it.
_without_copy: WeakSet[Connection] = WeakSet()


def copy_rows(connection: Connection, table: str, rows: pa.Table) -> int:
    """Insert rows by COPY BINARY; how many. Columns are matched by name, the others get their defaults.

    Where COPY is refused (0A000) the connection is marked and CopyRefused raised: `run_transaction` repeats the
    transaction at once, now with INSERT. Outside of a transaction the INSERT follows directly.
    Raises TargetError for a column the table lacks, ValueError for a value without an exact form.
    """
    if connection in _without_copy:
        return _insert(connection, table, rows, sql.SQL(""))
    names = _types(connection, table, rows)
    copy = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT binary)").format(identifier(table), _list(rows.column_names))
    try:
        with connection.cursor() as cursor:
            with cursor.copy(copy) as stream:
                for block in encode(rows, names):
                    stream.write(block)
            return cursor.rowcount
    except psycopg.errors.FeatureNotSupported as error:
        _without_copy.add(connection)
        if connection.info.transaction_status == TransactionStatus.INERROR:
            raise CopyRefused(str(error)) from error
        return _insert(connection, table, rows, sql.SQL(""))


def upsert_rows(connection: Connection, table: str, key: str, rows: pa.Table) -> int:
    """Insert rows, or overwrite every given column of the row with the same key; how many rows were written.

    `rows` must not hold one key twice (21000).
    """
    others = [name for name in rows.column_names if name != key]
    sets = sql.SQL(", ").join(sql.SQL("{0} = excluded.{0}").format(sql.Identifier(name)) for name in others)
    clause = sql.SQL(" ON CONFLICT ({}) DO UPDATE SET {}").format(sql.Identifier(key), sets)
    if not others:
        clause = sql.SQL(" ON CONFLICT ({}) DO NOTHING").format(sql.Identifier(key))
    return _insert(connection, table, rows, clause)


def read_rows(
    connection: Connection, table: str, columns: Sequence[ColumnLike], key: str, keys: Sequence[str]
) -> pa.Table:
    """The rows that have one of `keys`, in the staged Arrow types and any order; keys without a row are left out.

    Raises TargetError naming a column that is missing or of a type that doesn't compare.
    """
    check(connection, table, columns)
    typname = types(connection, table)[key]
    query = sql.SQL("SELECT {} FROM {} WHERE {} = ANY(%s)").format(
        sql.SQL(", ").join(map(selected, columns)), identifier(table), sql.Identifier(key)
    )
    wanted = BinaryArray(pa.chunked_array([pa.array(keys, pa.string())]), typname)
    return fetch(connection, query, columns, [wanted])


def fetch(
    connection: Connection, query: sql.Composed, columns: Sequence[ColumnLike], parameters: Sequence[object] = ()
) -> pa.Table:
    """The rows of a query over `selected(columns)` in the staged types."""
    found = connection.execute(query, parameters).fetchall()
    texts = {pa.string(): lambda value: None if value is None else str(value)}
    arrays = []
    for place, column in enumerate(columns):
        spell = texts.get(csv_type(column), lambda value: value)
        arrays.append(pa.array([spell(row[place]) for row in found], csv_type(column)))
    return staged(pa.table(arrays, names=[column.name for column in columns]), columns)


class BinaryArray:
    """Arrow values as one array parameter in binary form."""

    def __init__(self, values: pa.ChunkedArray, typname: str) -> None:
        self.oid = ENCODINGS[typname].array_oid
        self.content = encode_array(values, typname)


class _BinaryArrayDumper(Dumper):
    format = Format.BINARY

    def dump(self, obj: BinaryArray) -> bytes:
        return obj.content

    def get_key(self, obj: BinaryArray, format: Any) -> Any:
        return (self.cls, obj.oid)

    def upgrade(self, obj: BinaryArray, format: Any) -> Dumper:
        dumper = _BinaryArrayDumper(self.cls)
        dumper.oid = obj.oid
        return dumper


psycopg.adapters.register_dumper(BinaryArray, _BinaryArrayDumper)


def _insert(connection: Connection, table: str, rows: pa.Table, clause: sql.Composable) -> int:
    if rows.num_rows == 0:
        return 0
    names = _types(connection, table, rows)
    query = sql.SQL("INSERT INTO {} ({}) SELECT * FROM unnest({}){}").format(
        identifier(table), _list(rows.column_names), sql.SQL(", ").join([sql.SQL("%s")] * rows.num_columns), clause
    )
    arrays = [BinaryArray(column, names[name]) for name, column in zip(rows.column_names, rows.columns, strict=True)]
    return connection.execute(query, arrays).rowcount


def _types(connection: Connection, table: str, rows: pa.Table) -> dict[str, str]:
    """The types of the columns that `rows` has. Raises TargetError for one the table lacks or that can't be sent."""
    found = types(connection, table)
    for name in rows.column_names:
        if found.get(name) not in ENCODINGS:
            what = f"is {found[name]}, which rows aren't staged as" if name in found else "is missing"
            raise TargetError(f"column {table}.{name} {what}", table=table, column=name)
    return found


def _list(names: Sequence[str]) -> sql.Composable:
    return sql.SQL(", ").join(map(sql.Identifier, names))
