"""Asynchronous DDL jobs of Aurora DSQL: the one a statement started, the one still at work on an index, how they ended.

Polls sys.jobs in short statements: a blocking CALL sys.wait_for_job could outlive the 300 s a transaction may last.
A finished job's row is kept for about half an hour; a job that has none is judged by the catalog alone.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from psycopg import Connection, Cursor

from billio_pipeline.errors import TransientError
from billio_pipeline.stores.retry import Retries
from billio_pipeline.stores.sql.ddl import SCHEMA
from billio_pipeline.stores.sql.retry import repeat
from billio_pipeline.stores.sql.target import Target

ENDED = frozenset({"completed", "failed", "canceled", "cancelled"})
FIRST_POLL, LONGEST_POLL = 0.05, 2.0  # seconds; builds of 5–24 s on empty tables have been reported
PATIENCE = 6 * 3600.0  # seconds


@dataclass(frozen=True)
class Job:
    """A row of sys.jobs. `details` holds the message of a job that failed."""

    id: str
    status: str
    details: str

    @property
    def ended(self) -> bool:
        return self.status in ENDED

    @property
    def completed(self) -> bool:
        return self.status == "completed"


def started(cursor: Cursor) -> str | None:
    """The id of the job the statement just run has started; None if it started none (IF NOT EXISTS found it)."""
    row = cursor.fetchone() if cursor.description else None
    return str(row[0]) if row and row[0] is not None else None


def read_job(connection: Connection, job_id: str) -> Job | None:
    """The job, or None when it is no longer listed."""
    row = connection.execute("SELECT job_id, status, details FROM sys.jobs WHERE job_id = %s", (job_id,)).fetchone()
    return Job(str(row[0]), str(row[1]), str(row[2] or "")) if row else None


def building(connection: Connection, index: str) -> str | None:
    """The id of a job that is still building `index`, whoever started it."""
    rows = connection.execute(
        "SELECT job_id, status FROM sys.jobs WHERE job_type = 'INDEX_BUILD' AND object_name IN (%s, %s)",
        (index, f"{SCHEMA}.{index}"),
    ).fetchall()
    return next((str(job_id) for job_id, status in rows if status not in ENDED), None)


def wait(target: Target, job_id: str, retries: Retries, patience: float = PATIENCE) -> Job | None:
    """Wait until the job has ended, for at most `patience` seconds. None: it is no longer listed.

    Raises TransientError when it goes on for longer; the job itself is left to go on.
    """
    deadline = time.monotonic() + patience
    pause = FIRST_POLL

    def ask() -> Job | None:
        with target.connection() as connection:
            return read_job(connection, job_id)

    while True:
        job = repeat(ask, retries=retries, what=target.name)
        if job is None or job.ended:
            return job
        if time.monotonic() > deadline:
            raise TransientError(
                f"job {job_id} of {target.name} is still {job.status} after {patience:.0f} s",
                remedy="Run `billio schema up` again: it goes on waiting for the same job.",
                job=job_id,
            )
        time.sleep(pause)
        pause = min(pause * 1.5, LONGEST_POLL)
