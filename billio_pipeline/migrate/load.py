"""Batches into a SQL table, each with its ledger row in one transaction; safe to repeat, to kill, to run twice at once.

A batch is copied blindly first. If a key is there already, the rows present are read and compared: what is missing is
copied, what differs stays (policy insert) and is reported, or becomes ours (policy replace). A transaction beyond the
target's limits is split; one the target refuses is halved until the refused row stands alone.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Literal

import psycopg
import pyarrow as pa
from psycopg import Connection
from psycopg import errors as pg

from billio_pipeline.clock import Clock
from billio_pipeline.errors import TargetError, TargetFull, TransientError
from billio_pipeline.migrate import ledger
from billio_pipeline.migrate.batch import Batch, compare
from billio_pipeline.model.entity import System
from billio_pipeline.model.refusal import Reason, Refusal
from billio_pipeline.stores.retry import Retries
from billio_pipeline.stores.sql.retry import run_transaction
from billio_pipeline.stores.sql.rows import copy_rows, read_rows, upsert_rows
from billio_pipeline.stores.sql.target import Target

Policy = Literal["insert", "replace"]
_KEPT = 100  # conflicting keys named in a report; all of them are found again by verify
_RACES = 10  # times another runner may win the same rows before we say so


@dataclass
class Loaded:
    """What loading one entity did. `rows` were written now, `present` were there already, `conflicts` differ."""

    entity: str
    batches: int = 0
    rows: int = 0
    present: int = 0
    replaced: int = 0
    conflicts: int = 0
    conflict_keys: list[str] = field(default_factory=list)
    refused: list[tuple[Batch, Refusal]] = field(default_factory=list)
    bytes: int = 0
    seconds: float = 0.0
    clock_jump: float = 0.0
    retries: dict[str, int] = field(default_factory=dict)


class Loader:
    """Loads one entity's batches over several connections. One use; `run` returns what was done."""

    def __init__(self, target: Target, system: System, entity: str, policy: Policy) -> None:
        self._target = target
        self._system = system
        self._policy = policy
        self._retries = Retries()
        self._lock = threading.Lock()
        self._done = Loaded(entity)

    def run(
        self,
        batches: Iterable[Batch],
        committed: set[str],
        *,
        loaders: int,
        progress: Callable[[int], None] | None = None,
    ) -> Loaded:
        """Load all batches. `committed` are ids the ledger lists; `progress` is told rows settled.

        Raises TransientError when retries are used up, TargetError when the table can't take these rows at all.
        """
        started, clock = time.perf_counter(), Clock()
        try:
            with ThreadPoolExecutor(loaders, thread_name_prefix="load") as pool:
                waiting: set[Future[None]] = set()
                try:
                    for batch in batches:
                        waiting.add(pool.submit(self._batch, batch, batch.id in committed, progress))
                        if len(waiting) >= 2 * loaders:
                            waiting = _checked(waiting)
                    while waiting:
                        waiting = _checked(waiting)
                finally:
                    for future in waiting:
                        future.cancel()
        except (pg.UndefinedTable, pg.UndefinedColumn, pg.DatatypeMismatch, pg.InsufficientPrivilege) as error:
            message = f"{self._system.target.name} can't take these rows: {error.diag.message_primary}"
            raise TargetError(message, remedy="Compare its schema: billio schema status.") from error
        except pg.DiskFull as error:
            message = f"no space is left for {self._system.target.name}: {error.diag.message_primary}"
            raise TargetFull(message) from error
        self._done.seconds = time.perf_counter() - started
        self._done.clock_jump = clock.jump("the load")
        self._done.retries = self._retries.as_dict()
        return self._done

    def _batch(self, batch: Batch, listed: bool, progress: Callable[[int], None] | None) -> None:
        self._place(batch, listed)
        with self._lock:
            self._done.batches += 1
            self._done.bytes += batch.columns().nbytes
        if progress:
            progress(batch.rows.num_rows)

    def _place(self, batch: Batch, listed: bool) -> None:
        """Commit one batch, or what of it the target takes."""
        try:
            if listed or not self._copied(batch):
                self._merged(batch)
        except (pg.ProgramLimitExceeded, pg.DataError, pg.IntegrityError) as error:
            if batch.rows.num_rows > 1:
                for half in batch.halves():
                    self._place(half, listed)
                return
            refusal = Refusal(Reason.TARGET_REFUSED, _said(error))
            with self._lock:
                self._done.refused.append((batch, refusal))

    def _copied(self, batch: Batch) -> bool:
        """Copy the batch as if nothing of it were there; False when some key is."""

        def copy(connection: Connection) -> int:
            copy_rows(connection, self._system.target.name, rows)
            ledger.record(connection, batch)
            return rows.num_rows

        rows = batch.columns()
        try:
            number = run_transaction(
                self._target,
                copy,
                retries=self._retries,
                outcome=lambda c: rows.num_rows if ledger.holds(c, batch) else None,
            )
        except pg.UniqueViolation:
            return False
        with self._lock:
            self._done.rows += number
        return True

    def _merged(self, batch: Batch) -> None:
        """Merge, again when another runner put the same rows there meanwhile."""
        for _ in range(_RACES):
            try:
                return self._merge(batch)
            except pg.UniqueViolation:
                continue
        raise TransientError(
            f"the rows of {batch.file} from line {batch.first_line} keep being written by someone else"
        )

    def _merge(self, batch: Batch) -> None:
        """Bring the target to hold the batch, starting from whatever is there."""
        rows = batch.columns()
        key = self._system.target.key

        def merge(connection: Connection) -> tuple[int, pa.Table]:
            columns = self._system.columns
            present = read_rows(connection, self._system.target.name, columns, key, rows[key].to_pylist())
            missing, different = compare(rows, present.select(rows.column_names), key)
            if missing.num_rows:
                copy_rows(connection, self._system.target.name, missing)
            if different.num_rows and self._policy == "replace":
                upsert_rows(connection, self._system.target.name, key, different)
            ledger.record(connection, batch)
            return missing.num_rows, different

        written, different = run_transaction(self._target, merge, retries=self._retries)
        with self._lock:
            self._done.rows += written
            self._done.present += rows.num_rows - written
            if self._policy == "replace":
                self._done.replaced += different.num_rows
            else:
                self._done.conflicts += different.num_rows
                room = _KEPT - len(self._done.conflict_keys)
                self._done.conflict_keys.extend(different[key].slice(0, max(room, 0)).to_pylist())


def _checked(waiting: set[Future[None]]) -> set[Future[None]]:
    """Wait for at least one; raise what any of the finished ones raised."""
    done, rest = wait(waiting, return_when=FIRST_COMPLETED)
    for future in done:
        future.result()
    return rest


def _said(error: psycopg.Error) -> str:
    """What the target said, without the row's values beyond what it chose to print."""
    return f"{error.sqlstate}: {error.diag.message_primary or type(error).__name__}"


def refusals(done: Iterable[Loaded]) -> Iterator[tuple[Batch, Refusal]]:
    """Rows the target itself refused, over several entities."""
    for each in done:
        yield from each.refused
