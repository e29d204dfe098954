"""A PostgreSQL database filled from nothing, in one transaction: all its tables with all their rows, or no change.

Never touches a database that holds a row of any of these tables.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.compute as pc
from psycopg import errors, sql

from billio_pipeline.errors import ConfigurationError, TargetError
from billio_pipeline.stores.retry import Backoff, Retries
from billio_pipeline.stores.sql.catalog import read_names
from billio_pipeline.stores.sql.columns import MOST_MICROS, identifier
from billio_pipeline.stores.sql.profiles import POSTGRES
from billio_pipeline.stores.sql.retry import repeat, run_transaction
from billio_pipeline.stores.sql.rows import copy_rows
from billio_pipeline.stores.sql.target import Target

Connection = psycopg.Connection[Any]
Blocks = Callable[[], Iterable[pa.Table]]  # a table's rows, from the first each time it is called

# A try that lost its connection begins anew, so few are worth it.
BACKOFF = Backoff(tries=5, first=1.0, most=15.0)


@dataclass(frozen=True)
class Layout:
    """The tables, each behind those it refers to, all with a whole number `key` that a sequence counts; what makes
    them, and what stands behind the rows: foreign keys and indexes, a statement each."""

    tables: tuple[str, ...]
    create: str
    finish: tuple[str, ...]
    key: str = "id"


@dataclass
class Refilled:
    """Rows per table. `invalid`: foreign keys left NOT VALID, for rows refer to rows that aren't there."""

    rows: dict[str, int] = field(default_factory=dict)
    invalid: list[str] = field(default_factory=list)


def check_vacant(target: Target, layout: Layout) -> None:
    """Raise ConfigurationError unless the tables can be made, or are all there and empty. Changes nothing."""
    if target.profile is not POSTGRES:
        raise ConfigurationError(
            f"{target.name} is not a plain PostgreSQL", remedy="Name one: identity keys and foreign keys are wanted."
        )

    def ask() -> None:
        with target.connection() as connection:
            _vacant(connection, target.name, layout, lock=False)

    repeat(ask, retries=Retries(), backoff=BACKOFF, what=target.name)


def refill(
    target: Target,
    layout: Layout,
    rows: Mapping[str, Blocks],
    *,
    highest: Mapping[str, int] | None = None,
    progress: Callable[[int], None] = lambda rows: None,
) -> Refilled:
    """Make the tables where they aren't there, fill them, then finish them; sequences continue behind the greatest key
    and behind what `highest` says of a table.

    Raises ConfigurationError as `check_vacant` does, TargetError when the database refuses a row; then nothing changed.
    """

    def work(connection: Connection) -> Refilled:
        # Names in the layout's statements mean our schema, whatever the role's search path is.
        connection.execute("SET LOCAL search_path = public, pg_catalog")
        done = Refilled()
        made = _vacant(connection, target.name, layout, lock=True)
        if made:
            with _permitted(target.name):
                connection.execute(layout.create.encode())
        for table in layout.tables:
            greatest = _fill(connection, table, layout.key, rows[table](), done, progress)
            _continue(connection, table, layout.key, max(greatest, (highest or {}).get(table, 0)))
        for statement in layout.finish if made else ():
            _finish(connection, statement, done)
        _refers(connection, target.name)
        return done

    return run_transaction(target, work, retries=Retries(), backoff=BACKOFF)


def _vacant(connection: Connection, name: str, layout: Layout, *, lock: bool) -> bool:
    """Whether the tables have yet to be made."""
    there = read_names(connection, layout.tables)
    if not there:
        return True
    if missing := [table for table in layout.tables if table not in there]:
        raise ConfigurationError(
            f"{name} has some of the tables, and lacks {', '.join(missing)}",
            remedy="Name a database that has none of them, or all of them, empty.",
        )
    with _permitted(name):
        for table in layout.tables:
            if lock:
                connection.execute(sql.SQL("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE").format(identifier(table)))
            query = sql.SQL("SELECT EXISTS (SELECT FROM {})").format(identifier(table))
            if (connection.execute(query).fetchone() or (False,))[0]:
                raise ConfigurationError(
                    f"{name}: table {table} holds rows", remedy="Name an empty database; nothing was touched."
                )
    return False


@contextmanager
def _permitted(name: str) -> Iterator[None]:
    """Turn a lack of rights, or a name taken by what is no table, into an error that says so."""
    try:
        yield
    except (errors.InsufficientPrivilege, errors.WrongObjectType) as error:
        raise ConfigurationError(
            f"{name}: {error.diag.message_primary}",
            remedy="Name a database whose role may create tables in schema public.",
        ) from error


def _fill(
    connection: Connection,
    table: str,
    key: str,
    blocks: Iterable[pa.Table],
    done: Refilled,
    progress: Callable[[int], None],
) -> int:
    """Copy all rows; the greatest key among them, 0 for none."""
    greatest = 0
    done.rows[table] = 0
    for block in blocks:
        if block.num_rows == 0:
            continue
        finite, infinite = _finite(block, key)
        try:
            copy_rows(connection, table, finite)
        except (errors.DataError, errors.IntegrityError) as error:
            raise _refused(table, block[key], error) from error
        except ValueError as error:
            raise TargetError(f"table {table}: {error}", remedy=_CORRECT) from error
        for column, text, keys in infinite:
            statement = sql.SQL("UPDATE {} SET {} = %s::timestamptz WHERE {} = ANY(%s)")
            names = identifier(table), sql.Identifier(column), sql.Identifier(key)
            connection.execute(statement.format(*names), [text, keys])
        greatest = max(greatest, pc.max(block[key]).as_py())
        done.rows[table] += block.num_rows
        progress(block.num_rows)
    return greatest


def _finite(block: pa.Table, key: str) -> tuple[pa.Table, list[tuple[str, str, list[int]]]]:
    """The rows with 1970 in place of infinite times, and of these the column, the time's text and the rows' keys: no
    number stands for them in COPY's binary form that Arrow's could be."""
    found = []
    for place, column in enumerate(block.schema):
        if not pa.types.is_timestamp(column.type):
            continue
        micros = block.column(place).cast(pa.int64())
        for number, text in ((MOST_MICROS, "infinity"), (-MOST_MICROS, "-infinity")):
            here = pc.fill_null(pc.equal(micros, number), False)
            if pc.any(here).as_py():
                found.append((column.name, text, block[key].filter(here).to_pylist()))
                micros = pc.if_else(here, 0, micros)
        block = block.set_column(place, column, micros.cast(column.type))
    return block, found


def _refused(table: str, keys: pa.ChunkedArray, error: psycopg.Error) -> TargetError:
    """What the database says of a row, and which one it means."""
    diag = error.diag
    line = re.search(r"line (\d+)", diag.context or "")
    row = int(line[1]) - 1 if line else -1
    return TargetError(
        f"table {table} can't hold the rows: {diag.message_primary}",
        remedy=_CORRECT,
        table=table,
        column=diag.column_name or (found[1] if (found := re.search(r"column (\w+)", diag.context or "")) else None),
        key=keys[row].as_py() if 0 <= row < len(keys) else None,
        detail=diag.message_detail,
    )


_CORRECT = "Correct what the row comes from, then run the same command again; nothing was changed."


def _continue(connection: Connection, table: str, key: str, greatest: int) -> None:
    if greatest > 0:
        named = f'"public"."{table}"'  # a name of ours, as pg_get_serial_sequence parses it
        connection.execute("SELECT setval(pg_get_serial_sequence(%s, %s), %s)", [named, key, greatest])


def _finish(connection: Connection, statement: str, done: Refilled) -> None:
    try:
        with connection.transaction():
            connection.execute(statement.encode())
    except errors.ForeignKeyViolation as error:
        connection.execute(f"{statement} NOT VALID".encode())
        done.invalid.append(f"{error.diag.table_name}.{error.diag.constraint_name}: {error.diag.message_detail}")


def _refers(connection: Connection, name: str) -> None:
    """Check deferred foreign keys now, where it can be told what is wrong."""
    try:
        connection.execute("SET CONSTRAINTS ALL IMMEDIATE")
    except errors.ForeignKeyViolation as error:
        raise TargetError(
            f"{name}: {error.diag.message_primary}",
            remedy="Name a database without these tables: there such a key is left NOT VALID. Nothing was changed.",
            detail=error.diag.message_detail,
        ) from error


def layout_of(text: str, tables: Sequence[str], behind: str) -> Layout:
    """The layout a SQL file describes: what is above the line that begins with `behind` makes the tables."""
    create, _, finish = text.partition(behind)
    statements = [each.strip() for each in finish.partition("\n")[2].split(";")]
    return Layout(tuple(tables), create, tuple(each for each in statements if each))
