"""Run a schema's steps against a target: one DDL per transaction, repeatable, and safe when two do it at once.

Every step asks the catalog before it acts and again after it: a step whose object is there is recorded and left alone,
so that a process killed between a DDL and its row, or another doing the same, changes nothing. Nothing that holds rows
is ever dropped; an index left invalid by a failed build is.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import psycopg
from psycopg import sql

from billio_pipeline.errors import TargetError, TargetFull, UnfitTarget
from billio_pipeline.model.entity import System
from billio_pipeline.stores.retry import BACKOFF, Retries
from billio_pipeline.stores.sql import jobs
from billio_pipeline.stores.sql.ddl import MIGRATIONS, Phase, Step, drop_index, qualified
from billio_pipeline.stores.sql.drift import Spelling
from billio_pipeline.stores.sql.retry import fault, pause_after, repeat, run_transaction
from billio_pipeline.stores.sql.steps import StepState, ask_states
from billio_pipeline.stores.sql.target import Target

# A statement that ran without error and left nothing in the catalog (a view has the table's name) is not run for ever.
TRIES_UNSEEN = 2

# duplicate_table, duplicate_object: another process made it between our question and our statement.
_MADE_MEANWHILE = ("42P07", "42710")

Outcome = Literal["applied", "present", "different", "failed"]


@dataclass(frozen=True)
class StepResult:
    """What became of one step. `message`: why it failed or what differs; `job`: DSQL's; `sqlstate`: the error's."""

    step: Step
    outcome: Outcome
    seconds: float
    message: str = ""
    job: str | None = None
    sqlstate: str | None = None

    @property
    def ok(self) -> bool:
        return self.outcome in ("applied", "present")


@dataclass(frozen=True)
class _Started:
    """A step whose job is under way."""

    step: Step
    job: str | None
    since: float


class Run:
    """One call of `up`: the target, what was learnt of its spelling, the retries it counts."""

    def __init__(
        self, target: Target, system: System, retries: Retries, progress: Callable[[StepResult], None]
    ) -> None:
        self.target, self.system, self.retries, self.progress = target, system, retries, progress
        self.spelling = Spelling()
        self.changed = False  # whether this run made anything yet

    def steps(self, phase: Phase | Literal["all"]) -> tuple[StepResult, ...]:
        everything = self._states()
        lacking = [each.step.table for each in everything if each.step.kind == "table" and each.state == "pending"]
        if phase == "finish" and lacking:
            raise TargetError(
                f"{self.target.name}: no table {', '.join(lacking)}", remedy="Run `billio schema up` first."
            )
        states = [state for state in everything if phase in ("all", state.step.phase)]
        for state in states:
            if state.blocking:  # before anything is made
                raise UnfitTarget(
                    f"{self.target.name}: table {state.step.table} can't take the rows: {state.why}",
                    remedy="Move that table away, or alter it to what `billio schema plan` shows; nothing was changed.",
                    migration=state.step.name,
                )
        results: dict[str, StepResult] = {}
        # Constraints are added before any is validated, and all jobs run while we wait for the first.
        started: list[_Started] = []
        for state in states:
            outcome = self._start(state.step, state)
            if isinstance(outcome, _Started):
                started.append(outcome)
            else:
                results[state.step.name] = self._told(outcome)
        for each in started:
            results[each.step.name] = self._told(self._finish(each))
        return tuple(results[state.step.name] for state in states)

    def _told(self, result: StepResult) -> StepResult:
        if result.outcome == "failed" and result.sqlstate == psycopg.errors.DiskFull.sqlstate:
            message = f"{self.target.name}: no space is left for {result.step.name}: {result.message}"
            raise TargetFull(message, sqlstate=result.sqlstate)
        if result.outcome == "failed" and result.step.kind == "table" and not self.changed:
            raise UnfitTarget(f"{self.target.name}: {result.step.name}: {result.message}", sqlstate=result.sqlstate)
        self.changed = self.changed or result.outcome == "applied"
        if result.outcome == "failed" and result.step.kind == "table":
            raise TargetError(
                f"{self.target.name}: {result.step.name}: {result.message}",
                remedy="Give the role the right to create tables in schema public, or free the name.",
                sqlstate=result.sqlstate,
            )
        self.progress(result)
        return result

    def _states(self) -> tuple[StepState, ...]:
        return ask_states(self.target, self.system, self.spelling, self.retries)[0]

    def _state(self, step: Step) -> StepState:
        return next(state for state in self._states() if state.step.name == step.name)

    def _start(self, step: Step, state: StepState) -> StepResult | _Started:
        """Run the step's statement unless the catalog shows it is not needed; settle all but a job under way."""
        since = time.monotonic()
        ran = failures = 0
        while True:
            if state.there:
                self._record(state)
                return StepResult(step, "applied" if ran else "present", time.monotonic() - since)
            if state.state == "different":
                return self._different(state, since)
            if ran == TRIES_UNSEEN:
                return StepResult(step, "failed", time.monotonic() - since, f"it ran, yet: {state.why}")
            try:
                with self.target.connection() as connection:
                    if state.state == "invalid":
                        job = jobs.building(connection, step.object) if self.target.profile.async_ddl else None
                        if job is not None:
                            return _Started(step, job, since)
                        connection.execute(drop_index(step.object))
                    cursor = connection.execute(sql.SQL(step.sql))
                    ran += 1
                    if self.target.profile.async_ddl and step.kind in ("validate", "index"):
                        return _Started(step, jobs.started(cursor), since)
            except psycopg.Error as error:
                failures += 1
                if fault(error):
                    pause_after(error, failures, retries=self.retries, what=f"{self.target.name}: {step.name}")
                elif _made_meanwhile(error) and failures < BACKOFF.tries:
                    time.sleep(BACKOFF.pause(failures))
                else:
                    return StepResult(step, "failed", time.monotonic() - since, _message(error), None, error.sqlstate)
            state = self._state(step)

    def _finish(self, started: _Started) -> StepResult:
        """Wait for the job, then ask the catalog: only what it confirms counts as done."""
        step, job_id, said = started.step, started.job, "no job was started"
        while True:
            if job_id is not None:
                job = jobs.wait(self.target, job_id, self.retries)
                said = f"job {job_id} {job.status}: {job.details}" if job else f"job {job_id} is no longer listed"
            state = self._state(step)
            seconds = time.monotonic() - started.since
            if state.there:
                self._record(state)
                return StepResult(step, "applied", seconds, job=job_id)
            # Another process may be building it, and our IF NOT EXISTS have found its index.
            other = self._building(step) if state.state == "invalid" else None
            if other in (None, job_id):
                message = f"{said.rstrip(': ')}; {state.why}"
                return StepResult(step, "failed", seconds, message, job_id)
            job_id = other

    def _building(self, step: Step) -> str | None:
        def ask() -> str | None:
            with self.target.connection() as connection:
                return jobs.building(connection, step.object)

        return repeat(ask, retries=self.retries, what=self.target.name)

    def _different(self, state: StepState, since: float) -> StepResult:
        if state.blocking:
            raise TargetError(
                f"{self.target.name}: table {state.step.table} can't take the rows: {state.why}",
                remedy="Move that table away, or alter it to what `billio schema plan` shows; nothing was changed.",
                migration=state.step.name,
            )
        return StepResult(state.step, "different", time.monotonic() - since, state.why)

    def _record(self, state: StepState) -> None:
        """Record a step whose object is there; one recorded with another statement, but made the same, anew."""
        if state.recorded is not None and not state.changed:
            return
        name = state.recorded.name if state.recorded else state.step.name
        insert = sql.SQL(
            "INSERT INTO {} (name, checksum) VALUES (%s, %s) "
            "ON CONFLICT (name) DO UPDATE SET checksum = excluded.checksum"
        ).format(qualified(MIGRATIONS))

        def write(connection: psycopg.Connection) -> None:
            connection.execute(insert, (name, state.step.checksum))

        run_transaction(self.target, write, retries=self.retries)


def _made_meanwhile(error: psycopg.Error) -> bool:
    # Two at once collide in the catalog's own unique indexes, or on one of its rows, not in any table of ours.
    in_catalog = error.sqlstate == "23505" and (error.diag.constraint_name or "").startswith("pg_")
    same_row = error.sqlstate == "XX000" and "concurrently" in str(error)
    return in_catalog or same_row or error.sqlstate in _MADE_MEANWHILE


def _message(error: psycopg.Error) -> str:
    return ": ".join(text for text in (error.diag.message_primary or str(error), error.diag.message_detail) if text)
