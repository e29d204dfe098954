"""DSQL mode: an ordinary PostgreSQL that refuses what Aurora DSQL refuses, and the connection that speaks DSQL to it.

guard*.sql holds the rules; the connection translates ASYNC statements, which PostgreSQL can't parse, and refuses those
no trigger sees. A guard, not an emulator: docs/dsql.md lists what it can't show.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import resources
from typing import Any, TypeVar

import psycopg
from psycopg import errors, sql
from psycopg.pq import TransactionStatus

F = TypeVar("F", bound=Callable[..., Any])

_SCRIPTS = ("guard.sql", "guard_jobs.sql", "guard_ddl.sql")
# One lock for all installations into a database, whoever runs them: CREATE OR REPLACE doesn't bear company.
_INSTALL_LOCK = 0x6473716C

_IGNORED = r"^(?:\s|--[^\n]*\n|/\*.*?\*/)*"
_ASYNC_INDEX = re.compile(_IGNORED + r"CREATE\s+(?:UNIQUE\s+)?INDEX\s+(ASYNC)\b", re.IGNORECASE | re.DOTALL)
_ASYNC_TABLE = re.compile(_IGNORED + r"ALTER\s+TABLE\s+(ASYNC)\b(?=.*\bVALIDATE\b)", re.IGNORECASE | re.DOTALL)
# Statements that fire no trigger of the guard. From the list of unsupported commands in dsql.md.
_REFUSED = re.compile(
    _IGNORED + r"(SAVEPOINT|RELEASE|ROLLBACK\s+(?:WORK\s+|TRANSACTION\s+)?TO|LOCK|DECLARE|FETCH|MOVE|CLOSE|MERGE"
    r"|PREPARE\s+TRANSACTION|LISTEN|NOTIFY|UNLISTEN|VACUUM|CLUSTER|DISCARD|DEALLOCATE|DO|LOAD)\b",
    re.IGNORECASE | re.DOTALL,
)
_ADVISORY_LOCK = re.compile(r"\bpg_(?:try_)?advisory_(?:xact_)?(?:un)?lock", re.IGNORECASE)
_JOB_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"


def install_guard(connection: psycopg.Connection[Any]) -> None:
    """Put the connected database into DSQL mode, over an ordinary connection of a superuser (event triggers need one).

    May be repeated at any time; waits for transactions that write at the moment.
    """
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [_INSTALL_LOCK])
        for script in _SCRIPTS:
            connection.execute(resources.files(__package__).joinpath(script).read_text("utf-8").encode())


@dataclass(frozen=True)
class Faults:
    """Failures a connection brings about by itself, as its session's settings say (ALTER DATABASE … SET dsql.…)."""

    lifetime: float | None = None
    """Seconds (`dsql.lifetime`) after which the server ends the connection: DSQL does after an hour."""
    drop_rate: float = 0.0
    """Share (`dsql.drop_rate`) of COMMITs that succeed while the connection breaks before the client hears of it."""
    copy: bool = True
    """Off (`dsql.copy = off`) plays a cluster without COPY: AWS's pages disagree on whether there are any."""


class DsqlModeCursor(psycopg.Cursor[Any]):
    """A cursor that takes ASYNC statements, refuses unsupported ones, and reports lock waits as conflicts."""

    def execute(self, query: Any, params: Any = None, **options: Any) -> DsqlModeCursor:
        self.connection.expire()
        text = _text(query, self.connection)
        refuse(text)
        with _conflicts():
            for pattern, kind in ((_ASYNC_INDEX, "INDEX_BUILD"), (_ASYNC_TABLE, "VALIDATE_CONSTRAINT")):
                if found := pattern.match(text):
                    return self._start_job(text[: found.start(1)], text[found.end(1) :], kind)
            super().execute(query, params, **options)
        return self

    def executemany(self, query: Any, params_seq: Any, **options: Any) -> None:
        self.connection.expire()
        refuse(_text(query, self.connection))
        with _conflicts():
            super().executemany(query, params_seq, **options)

    @contextmanager
    def copy(self, statement: Any, params: Any = None, **options: Any) -> Iterator[psycopg.Copy]:
        self.connection.expire()
        if not self.connection.faults.copy:
            super().execute("SELECT dsql_guard.refuse('unsupported statement: Copy')")
        with _conflicts(), super().copy(statement, params, **options) as copy:
            yield copy

    def _start_job(self, before: str, after: str, kind: str) -> DsqlModeCursor:
        """Run the statement under a job id, then leave a result with column job_id: no row if nothing was started.

        Rows that stand against an index or a constraint don't fail the statement but its job, as on DSQL.
        """
        job = "".join(secrets.choice(_JOB_ALPHABET) for _ in range(26))
        try:
            super().execute(f"{before}/* dsql:async {job} */{after}".encode())
        except errors.IntegrityError as error:
            if self.connection.info.transaction_status != TransactionStatus.IDLE:
                raise
            what = error.diag.constraint_name or error.diag.table_name
            super().execute(
                "INSERT INTO sys.jobs VALUES (%s, 'failed', %s, %s, NULL, NULL, %s, now(), now())",
                [job, error.diag.message_primary, kind, what],
            )
        super().execute("SELECT job_id FROM sys.jobs WHERE job_id = %s", [job])
        return self

    connection: DsqlModeConnection


class DsqlModeConnection(psycopg.Connection[Any]):
    """A connection to a PostgreSQL in DSQL mode. The session's settings come from connect.py."""

    faults = Faults()
    _born = 0.0

    @classmethod
    def connect(cls, conninfo: str = "", **options: Any) -> DsqlModeConnection:
        connection = super().connect(conninfo, **{"cursor_factory": DsqlModeCursor, **options})
        connection._born = time.monotonic()
        row = connection.execute(
            "SELECT nullif(current_setting('dsql.lifetime', true), '')::float8,"
            " coalesce(nullif(current_setting('dsql.drop_rate', true), '')::float8, 0),"
            " coalesce(nullif(current_setting('dsql.copy', true), '')::bool, true)"
        ).fetchone()
        if not connection.autocommit:
            connection.rollback()
        connection.faults = Faults(*row) if row else Faults()
        return connection

    def cursor(self, name: str = "", *args: Any, **options: Any) -> Any:
        if name:
            raise errors.FeatureNotSupported("unsupported statement: DeclareCursor")
        return super().cursor(*args, **options)

    @contextmanager
    def transaction(self, savepoint_name: str | None = None, force_rollback: bool = False) -> Iterator[Any]:
        if savepoint_name or self.info.transaction_status != TransactionStatus.IDLE:
            raise errors.FeatureNotSupported("unsupported statement: Savepoint")
        self.expire()
        with _conflicts(), super().transaction(force_rollback=force_rollback) as transaction:
            yield transaction
        if not force_rollback:
            self._maybe_drop()

    def commit(self) -> None:
        writing = self.info.transaction_status == TransactionStatus.INTRANS
        with _conflicts():
            super().commit()
        if writing:
            self._maybe_drop()

    def expire(self) -> None:
        """End the connection if it is past its lifetime. Raises AdminShutdown (57P01), as the server's end would."""
        if self.faults.lifetime is not None and time.monotonic() - self._born > self.faults.lifetime:
            self.close()
            raise errors.AdminShutdown("terminating connection: its lifetime is over")

    def _maybe_drop(self) -> None:
        if self.faults.drop_rate and secrets.SystemRandom().random() < self.faults.drop_rate:
            self.close()
            raise errors.OperationalError("the connection is lost: COMMIT was sent, its answer never arrived")


def refuse(text: str) -> None:
    """Raise FeatureNotSupported (0A000) for a statement DSQL doesn't have and no trigger of the guard would see."""
    if found := _REFUSED.match(text):
        raise errors.FeatureNotSupported(f"unsupported statement: {found[1].title()}")
    if _ADVISORY_LOCK.search(text):
        raise errors.FeatureNotSupported("advisory locks are not supported")


@contextmanager
def _conflicts() -> Iterator[None]:
    """Lock waits and deadlocks don't exist on DSQL: there the loser's COMMIT fails with 40001."""
    try:
        yield
    except (errors.LockNotAvailable, errors.DeadlockDetected) as error:
        raise errors.SerializationFailure(f"change conflicts with another transaction: (OC000): {error}") from error


def _text(query: Any, connection: psycopg.Connection[Any]) -> str:
    if isinstance(query, sql.Composable):
        return query.as_string(connection)
    return query.decode() if isinstance(query, bytes) else str(query)
