"""A whole table read back page by page in key order, as COPY … TO STDOUT parsed by Arrow, to be compared.

Never crashes on what somebody wrote into the table by hand; columns.py says how values no staged row has are shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.csv as pc_csv
from psycopg import sql

from billio_pipeline.stores.retry import BACKOFF, Backoff, Retries
from billio_pipeline.stores.sql.columns import ColumnLike, check, csv_type, identifier, selected, staged
from billio_pipeline.stores.sql.retry import pause_after, repeat
from billio_pipeline.stores.sql.rows import fetch
from billio_pipeline.stores.sql.target import Target

Connection = psycopg.Connection[Any]

# CSV bytes parsed at a time; rows of many megabytes each come as a block of their own.
BLOCK_BYTES = 8 * 1024 * 1024
_FIRST_PAGE = 2_000


def read_table(
    target: Target,
    table: str,
    columns: Sequence[ColumnLike],
    key: str,
    *,
    page: int = 20_000,
    retries: Retries | None = None,
    backoff: Backoff = BACKOFF,
) -> Iterator[pa.Table]:
    """All rows in key order, in the staged Arrow types, as tables of at most `page` rows and about BLOCK_BYTES.

    A lost connection is retried from the last row handed out. Raises TargetError naming a column that is missing or
    of a type that doesn't compare.
    """
    retries = retries or Retries()

    def examine() -> None:
        with target.connection() as connection:
            check(connection, table, columns)

    repeat(examine, retries=retries, backoff=backoff, what=target.name)
    after: str | None = None
    copying, failures = True, 0
    while True:
        rows = 0
        query = page_query(table, [*map(selected, columns)], [key], None if after is None else [after], page)
        try:
            with target.connection() as connection:
                for block in copied(connection, query, columns) if copying else _selected(connection, query, columns):
                    rows += block.num_rows
                    after = block[key][-1].as_py()
                    failures = 0
                    yield block
        except psycopg.errors.FeatureNotSupported:
            if not copying:
                raise
            copying = False
            continue
        except psycopg.Error as error:
            failures += 1
            pause_after(error, failures, retries=retries, backoff=backoff, what=target.name)
            continue
        if rows < page:
            return


def page_query(
    table: str, expressions: Sequence[sql.Composable], keys: Sequence[str], after: Sequence[object] | None, page: int
) -> sql.Composed:
    """At most `page` rows behind the key `after`, in the order of the key's columns; None: from the first row."""
    names = sql.SQL(", ").join(map(sql.Identifier, keys))
    where: sql.Composable = sql.SQL("")
    if after is not None:
        # COPY takes no parameters: the last key, which came from the table itself, is quoted by the driver.
        where = sql.SQL(" WHERE ({}) > ({})").format(names, sql.SQL(", ").join(map(sql.Literal, after)))
    return sql.SQL("SELECT {} FROM {}{} ORDER BY {} LIMIT {}").format(
        sql.SQL(", ").join(expressions), identifier(table), where, names, sql.Literal(page)
    )


def copied(connection: Connection, query: sql.Composed, columns: Sequence[ColumnLike]) -> Iterator[pa.Table]:
    """The rows of a query over `selected(columns)`, in the staged types, as tables of about BLOCK_BYTES."""
    statement = sql.SQL("COPY ({}) TO STDOUT (FORMAT csv)").format(query)
    pending: list[bytes] = []
    size = 0
    with connection.cursor() as cursor, cursor.copy(statement) as stream:
        for line in stream:  # one row each, whatever newlines it holds
            pending.append(bytes(line))
            size += len(line)
            if size >= BLOCK_BYTES:
                yield _parse(pending, size, columns)
                pending, size = [], 0
    if pending:
        yield _parse(pending, size, columns)


def _parse(lines: list[bytes], size: int, columns: Sequence[ColumnLike]) -> pa.Table:
    names = [column.name for column in columns]
    read = pc_csv.read_csv(
        pa.py_buffer(b"".join(lines)),
        read_options=pc_csv.ReadOptions(column_names=names, block_size=size + 1, use_threads=False),
        parse_options=pc_csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
        convert_options=pc_csv.ConvertOptions(
            column_types={column.name: csv_type(column) for column in columns},
            null_values=[""],
            true_values=["t"],
            false_values=["f"],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,  # PostgreSQL quotes the empty string and leaves NULL bare
        ),
    )
    return staged(read, columns)


def _selected(connection: Connection, query: sql.Composed, columns: Sequence[ColumnLike]) -> Iterator[pa.Table]:
    block = fetch(connection, query, columns)
    if block.num_rows:
        yield block
