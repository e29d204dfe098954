"""Runs a system's Dagster job in this process, recorded in DAGSTER_HOME, with progress bars for who watches."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from billio_pipeline import logs, progress
from billio_pipeline.cli.output import Output
from billio_pipeline.errors import ConfigurationError, Interrupted
from billio_pipeline.model.entity import AnySystem
from billio_pipeline.settings import Settings

# Where each repeated transaction is logged.
RETRIES = "billio_pipeline.stores.sql.retry"

if TYPE_CHECKING:
    from dagster import DagsterInstance

    from resources.run_result import RunResult


class Rate(ProgressColumn):
    """Units per second: of late while a stage runs, over all of it once it is done."""

    def render(self, task: Task) -> Text:
        elapsed = task.finished_time if task.finished else task.elapsed
        speed = None if task.finished else task.speed
        if speed is None:
            speed = task.completed / elapsed if elapsed else None
        return Text("" if speed is None else f"{speed:,.0f}/s", style="progress.data.speed")


T = TypeVar("T")


@contextmanager
def bars(console: Console) -> Iterator[None]:
    """One bar per stage, appearing as the stage begins: units done, units/s, time left (then taken), retries."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        Rate(),
        TimeRemainingColumn(elapsed_when_finished=True),
        TextColumn("{task.fields[retries]}", style="yellow"),
    )
    tasks: dict[str, TaskID] = {}
    retries = 0
    with Progress(*columns, console=console) as shown:

        def listen(stage: str, done: int, total: int | None) -> None:
            if stage not in tasks:
                tasks[stage] = shown.add_task(stage, total=total, retries="")
            shown.update(tasks[stage], advance=done)

        def retried() -> None:
            nonlocal retries
            retries += 1
            if tasks:  # the stage that began last is the one that meets them
                text = f"{retries:,} {'retry' if retries == 1 else 'retries'}"
                shown.update(list(tasks.values())[-1], retries=text)

        with progress.listening(listen), logs.heard(RETRIES, retried):
            yield
        for task in tasks.values():
            shown.update(task, total=shown.tasks[task].completed)


@contextmanager
def recorded(settings: Settings) -> Iterator[DagsterInstance]:
    """The Dagster instance that records runs. Raises ConfigurationError when DAGSTER_HOME can't be used."""
    from dagster import DagsterInstance

    os.environ["DAGSTER_HOME"] = str(settings.dagster_home)
    try:
        settings.dagster_home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(
            f"can't write to {settings.dagster_home}: {error}", remedy="Set DAGSTER_HOME to a folder you can write to."
        ) from error
    with DagsterInstance.get() as instance:
        yield instance


def run_job(
    job: str,
    system: AnySystem,
    instance: DagsterInstance,
    out: Output,
    *,
    environment: dict[str, str],
    migration: dict[str, Any],
) -> RunResult:
    """Execute `{job}_{system}` in this process. Addresses go by `environment`: a run's configuration is recorded."""
    from billio_pipeline.definitions import defs
    from resources.run_result import run_result

    os.environ.update(environment)
    config = {
        "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
        "resources": {"migration": {"config": migration}},
    }
    definition = defs.resolve_job_def(f"{job}_{system.name}")
    with bars(out.console):
        done = _stoppable(
            lambda: definition.execute_in_process(instance=instance, run_config=config, raise_on_error=False)
        )
        if progress.stopped():
            raise Interrupted("stopped before the end")
    return run_result(instance, done.run_id, system)


def _stoppable(work: Callable[[], T]) -> T:
    """Run `work` in a thread, so that Ctrl-C reaches us wherever it is: it stops at its next safe point.

    In the main thread the signal can be lost in a callback that swallows it, or break a library halfway.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="run") as pool:
        running = pool.submit(work)
        while True:
            try:
                return running.result(timeout=0.5)
            except TimeoutError:
                if running.done():
                    raise
            except KeyboardInterrupt:
                progress.stop()


def absolute(location: str) -> str:
    """A location as a run records it: URIs as they are, folders made absolute."""
    return location if "://" in location or not location else str(Path(location).expanduser().absolute())
