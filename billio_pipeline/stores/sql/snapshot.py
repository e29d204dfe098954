"""A PostgreSQL source copied to Parquet as it was at one moment: all its tables in one REPEATABLE READ transaction.

folder/<table>/NNNNNN.parquet   the rows in key order, all columns under their own names (source_table.py: types)
folder/snapshot.json            written last: what was copied, when, and fingerprints of it
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import psycopg
from psycopg import errors, sql

from billio_pipeline.errors import ConfigurationError, InputError
from billio_pipeline.room import room
from billio_pipeline.stores.retry import Backoff, Retries
from billio_pipeline.stores.sql.columns import identifier
from billio_pipeline.stores.sql.retry import repeat
from billio_pipeline.stores.sql.snapshot_table import Progress, TableSnapshot, copy_table
from billio_pipeline.stores.sql.source_table import describe
from billio_pipeline.stores.sql.target import Target

Connection = psycopg.Connection[Any]

CHUNK_ROWS = 250_000
PAGE_ROWS = 20_000
# A snapshot that lost its connection begins anew: worth few tries, with time for a server to restart between them.
BACKOFF = Backoff(tries=5, first=1.0, most=15.0)
# How long somebody else's ALTER TABLE is waited for before the try counts as failed.
_LOCK_SECONDS = 5
_SUMMARY = "snapshot.json"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_$]*", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# A count by a scan of the table: that as many rows were read by the primary key's index says that the index is whole.
_COUNT_BY = {"enable_seqscan": "on", "enable_indexonlyscan": "off"}


@dataclass(frozen=True)
class Snapshot:
    """A finished snapshot. `as_of` is its transaction's time in microseconds since 1970, `server` names no secret.

    `id` stands for the rows of all tables and nothing else: the same on every run until a value changes.
    """

    as_of: int
    server: str
    id: str
    tables: tuple[TableSnapshot, ...]

    @property
    def as_of_iso(self) -> str:
        """`2025-06-01T12:00:00.000000Z`."""
        moment = _EPOCH + timedelta(microseconds=self.as_of)
        return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")

    def __getitem__(self, table: str) -> TableSnapshot:
        return {each.name: each for each in self.tables}[table]

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON; `as_of_iso` added."""
        return {"as_of_iso": self.as_of_iso, **msgspec.to_builtins(self)}


def snapshot(
    target: Target,
    tables: Sequence[str],
    folder: Path,
    *,
    chunk: int = CHUNK_ROWS,
    page: int = PAGE_ROWS,
    progress: Progress | None = None,
    retries: Retries | None = None,
    backoff: Backoff = BACKOFF,
) -> Snapshot:
    """Copy `tables` of schema public into `folder`, at most `chunk` rows a file, `page` rows a statement.

    The rows of all tables are those of one moment, whatever is committed meanwhile; tables can't be altered or
    truncated until the end. Replaces an earlier snapshot in `folder`, but only when finished; one at a time. A lost
    connection loses the moment: all is read again, from the first table, and `progress` told so again. Times no other
    store holds (infinite, years beyond 9999) are kept and counted in `odd_times`, to be refused row by row later.
    Raises ConfigurationError for tables that can't be read, InputError for a count that disagrees with the rows read
    or a value Arrow can't hold, TransientError when the tries are used up.
    """
    _check_names(tables)
    unfinished = folder / ".unfinished"
    try:
        taken = repeat(
            lambda: _attempt(target, tables, unfinished, chunk, page, progress),
            retries=retries or Retries(),
            backoff=backoff,
            what=target.name,
        )
        _finish(taken, unfinished, folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return taken


def read_snapshot(folder: Path) -> Snapshot:
    """What `snapshot` returned when it filled `folder`. Raises InputError when it holds no finished one."""
    try:
        return msgspec.json.decode((folder / _SUMMARY).read_bytes(), type=Snapshot)
    except (OSError, msgspec.MsgspecError) as error:
        raise InputError(f"{folder} holds no complete snapshot: {error}", remedy="Take the snapshot first.") from error


def _check_names(tables: Sequence[str]) -> None:
    for name in tables:
        if not _NAME.fullmatch(name):  # it becomes a folder's name
            raise ConfigurationError(f"{name!r} is no table name", remedy="Use letters, digits and _; no schema.")
    if len(set(tables)) != len(tables) or not tables:
        raise ConfigurationError("tables are named twice, or none is", remedy="Name each table once.")


def _finish(taken: Snapshot, unfinished: Path, folder: Path) -> None:
    """Put what was taken in the place of the last snapshot. Killed in between, neither is there: its summary is not."""
    with room(folder):
        (unfinished / _SUMMARY).write_bytes(msgspec.json.encode(taken.as_dict()))
    (folder / _SUMMARY).unlink(missing_ok=True)
    for table in taken.tables:
        if (folder / table.name).exists():
            shutil.rmtree(folder / table.name)
        os.replace(unfinished / table.name, folder / table.name)
    os.replace(unfinished / _SUMMARY, folder / _SUMMARY)


def _attempt(
    target: Target, tables: Sequence[str], unfinished: Path, chunk: int, page: int, progress: Progress | None
) -> Snapshot:
    shutil.rmtree(unfinished, ignore_errors=True)
    with target.connection() as connection, connection.transaction():
        _begin(connection, tables)
        query = "SELECT (extract(epoch FROM transaction_timestamp()) * 1000000)::bigint"
        (as_of,) = connection.execute(query).fetchone() or (0,)
        described = describe(connection, tables)
        counts = _count(connection, tables)
        taken = []
        for table in described:
            with _explained(table.name):
                taken.append(copy_table(connection, table, counts[table.name], unfinished, chunk, page, progress))
    return Snapshot(as_of, target.name, _id(taken), tuple(taken))


def _begin(connection: Connection, tables: Sequence[str]) -> None:
    """Set the transaction up and lock the tables. Nothing here is a query: the moment comes with the first, when no
    table can be altered or truncated any more (TRUNCATE would empty a table for older snapshots, too)."""
    connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
    limits = ["statement_timeout", "idle_in_transaction_session_timeout"]
    limits += ["transaction_timeout"] if connection.info.server_version >= 170_000 else []
    # A role's limits are for its application; row_security off makes a policy that hides rows an error.
    settings = {**dict.fromkeys(limits, "0"), "lock_timeout": f"{_LOCK_SECONDS}s", "row_security": "off"}
    for name, value in {**settings, "extra_float_digits": "1"}.items():
        connection.execute(sql.SQL("SET LOCAL {} = {}").format(sql.Identifier(name), sql.Literal(value)))
    for name in tables:
        with _explained(name):
            connection.execute(sql.SQL("LOCK TABLE {} IN ACCESS SHARE MODE").format(identifier(name)))


@contextmanager
def _explained(table: str) -> Iterator[None]:
    """Errors about `table` that the user has to see to, as such."""
    try:
        yield
    except errors.UndefinedTable:
        raise ConfigurationError(
            f"the source has no table {table}", remedy="Check the DSN's database and the table's name.", table=table
        ) from None
    except errors.WrongObjectType:
        raise ConfigurationError(f"{table} is not a table", remedy="Name a table.", table=table) from None
    except errors.InsufficientPrivilege as error:
        raise ConfigurationError(
            f"table {table} can't be read: {error.diag.message_primary}",
            remedy=f"GRANT SELECT ON {table} to the DSN's role, and let it bypass row security where there is any.",
            table=table,
        ) from error
    except (errors.CharacterNotInRepertoire, errors.UntranslatableCharacter) as error:
        raise InputError(
            f"table {table} holds text that has no UTF-8 form: {error.diag.message_primary}",
            remedy="Correct the text; the database's encoding let in bytes that are no characters.",
            table=table,
        ) from error


def _count(connection: Connection, tables: Sequence[str]) -> dict[str, int]:
    for name, value in _COUNT_BY.items():
        connection.execute(sql.SQL("SET LOCAL {} = {}").format(sql.Identifier(name), sql.Literal(value)))
    counts = {}
    for table in tables:
        with _explained(table):
            row = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(identifier(table))).fetchone()
            counts[table] = row[0] if row else 0
    for name in _COUNT_BY:
        connection.execute(sql.SQL("SET LOCAL {} TO DEFAULT").format(sql.Identifier(name)))
    return counts


def _id(tables: Sequence[TableSnapshot]) -> str:
    prints = "".join(f"{each.name} {each.rows} {each.fingerprint}\n" for each in sorted(tables, key=lambda t: t.name))
    return hashlib.blake2b(prints.encode(), digest_size=16).hexdigest()
