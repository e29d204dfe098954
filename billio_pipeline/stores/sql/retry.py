"""Transactions repeated until they commit: which errors are worth it, how long to wait, what COMMIT left unknown."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import psycopg
from psycopg.pq import TransactionStatus
from psycopg_pool import PoolTimeout

from billio_pipeline.errors import TransientError
from billio_pipeline.stores.retry import BACKOFF, Backoff, Retries
from billio_pipeline.stores.sql.target import Target

log = logging.getLogger(__name__)
T = TypeVar("T")
Connection = psycopg.Connection[Any]

# Set by COPY's own downgrade (rows.py): the transaction repeats at once, by another statement.
REPEAT_AT_ONCE = "0A000"


@dataclass(frozen=True)
class Fault:
    """A class of errors worth another try. `undecided`: met at COMMIT, it doesn't say whether the commit happened."""

    sqlstate: str
    why: str
    undecided: bool = False
    says: str = ""


_MARKER = re.compile(r"\bOC\d{3}\b")

# First match by prefix. Aurora DSQL's guide and dsql.md: OC000 data conflict, OC001 schema changed, both 40001.
FAULTS = (
    Fault("40001", "conflict with another transaction"),
    Fault("40P01", "deadlock"),
    Fault("55P03", "lock not available"),
    Fault("53300", "too many connections"),
    Fault("53400", "limit of the server's configuration"),
    Fault("57P0", "server is shutting down or starting, or ended the session", undecided=True),
    Fault("08", "connection lost", undecided=True),
    Fault("XX000", "service unavailable", undecided=True, says="unavailable"),
)


class CopyRefused(psycopg.errors.FeatureNotSupported):
    """The target refused COPY; the connection has been marked, and the transaction repeats with INSERT."""


def sqlstate(error: BaseException) -> str | None:
    """The error's SQLSTATE; 08001 or 08006 where the driver noticed on its own that there is no connection."""
    if isinstance(error, PoolTimeout):
        return "08001"
    if not isinstance(error, psycopg.Error):
        return None
    if error.sqlstate is None and (
        isinstance(error, psycopg.OperationalError)
        or (isinstance(error, psycopg.InterfaceError) and "connection is" in str(error))
    ):
        return "08006"
    return error.sqlstate


def fault(error: BaseException) -> Fault | None:
    """The class of transient errors it belongs to, or None: it would fail again."""
    state = sqlstate(error) or ""
    said = str(error).lower()
    return next((each for each in FAULTS if state.startswith(each.sqlstate) and each.says in said), None)


def run_transaction(
    target: Target,
    work: Callable[[Connection], T],
    *,
    retries: Retries,
    outcome: Callable[[Connection], T | None] | None = None,
    backoff: Backoff = BACKOFF,
) -> T:
    """BEGIN, `work(connection)`, COMMIT, repeated while errors are transient; what `work` returned.

    A connection lost during COMMIT leaves open whether it happened: `outcome`, asked on a new connection, answers with
    the result, or None for "not committed". Without `outcome` the work is repeated, so it must be idempotent.
    Raises TransientError when the tries are used up, any other error at once.
    """
    asking: Callable[[Connection], T | None] | None = None

    def once() -> T:
        nonlocal asking
        with target.connection() as connection:
            if asking is not None:
                known = asking(connection)
                asking = None
                if known is not None:
                    return known
            committing = False
            try:
                with connection.transaction():
                    result = work(connection)
                    if connection.info.transaction_status == TransactionStatus.INERROR:
                        # COMMIT would answer ROLLBACK without an error, and the rows would be gone.
                        raise psycopg.errors.InFailedSqlTransaction("an error inside the transaction was passed over")
                    committing = True
            except psycopg.Error as error:
                found = fault(error)
                if committing and found and (found.undecided or connection.closed):
                    asking = outcome
                raise
            return result

    return repeat(once, retries=retries, backoff=backoff, what=target.name)


def repeat(once: Callable[[], T], *, retries: Retries, backoff: Backoff = BACKOFF, what: str) -> T:
    """Call `once` until it returns. Raises TransientError after `backoff.tries`, any terminal error at once."""
    failures = 0
    while True:
        try:
            return once()
        except CopyRefused:
            retries.count(REPEAT_AT_ONCE)
        except psycopg.Error as error:
            failures += 1
            pause_after(error, failures, retries=retries, backoff=backoff, what=what)


def pause_after(
    error: psycopg.Error, failures: int, *, retries: Retries, backoff: Backoff = BACKOFF, what: str
) -> None:
    """Count and log a transient error and sleep; raise it when terminal, TransientError when the tries are used up."""
    found = fault(error)
    if found is None:
        raise error
    state = sqlstate(error) or ""
    if failures >= backoff.tries:
        raise TransientError(
            f"{what}: {found.why} ({state}) {failures} times in a row; the last: {_first_line(error)}",
            target=what,
            sqlstate=state,
            tries=failures,
        ) from error
    retries.count(state)
    pause = backoff.pause(failures)
    marker = _MARKER.search(str(error))
    told = f"{state} {marker[0]}" if marker else state
    log.info("%s: %s (%s), try %d, again in %.0f ms", what, found.why, told, failures, pause * 1000)
    time.sleep(pause)


def _first_line(error: BaseException) -> str:
    """The message without DETAIL, which quotes rows."""
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
