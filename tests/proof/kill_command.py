"""Row 1, through the command: `billio migrate` SIGKILLed with all it started, at moments seen from the target."""

from __future__ import annotations

import shutil
import time
from collections import Counter
from collections.abc import Callable
from random import Random

import psycopg

from proof import command, faults, inputs, settled
from proof.outcome import Outcome, Workspace

ITEMS, FILES = 3_000, 4

Moment = Callable[[psycopg.Connection], bool]


def _is_true(query: str) -> Moment:
    def ask(connection: psycopg.Connection) -> bool:
        try:
            found = connection.execute(query.encode()).fetchone()
        except psycopg.errors.UndefinedTable:
            return False
        return bool(found and found[0])

    return ask


MOMENTS: dict[str, Moment] = {
    "connected": _is_true(
        "SELECT count(*) > 1 FROM pg_stat_activity"
        " WHERE datname = current_database() AND backend_type = 'client backend'"
    ),
    "tables made": _is_true("SELECT to_regclass('public.items') IS NOT NULL"),
    "first batch": _is_true("SELECT count(*) > 0 FROM _billio_ledger"),
    "half the batches": _is_true("SELECT count(*) > 9 FROM _billio_ledger"),
    "first index": _is_true("SELECT count(*) > 1 FROM pg_indexes WHERE tablename = 'items'"),
    "half the indexes": _is_true("SELECT count(*) > 5 FROM pg_indexes WHERE tablename = 'items'"),
}


def run(n: int, seed: int, workspace: Workspace) -> Outcome:
    """`n` commands, each killed once or twice up to 50 ms after a moment, then run to their end."""
    random = Random(seed)
    export = inputs.generated(workspace.folder / "export", ITEMS, seed, FILES)
    killed: Counter[str] = Counter()
    failures: list[str] = []
    names = list(MOMENTS)
    for number in range(n):
        with workspace.database() as dsn, psycopg.connect(dsn, autocommit=True) as watch:
            home = workspace.home()
            for attempt in range(random.choice((1, 1, 1, 2))):
                name = names[(number + attempt) % len(names)]
                killed[name] += _killed(MOMENTS[name], random.uniform(0, 0.05), export, dsn, home, watch)
            told = command.finish(command.start(export.path, dsn, home))
            trouble = told.trouble(ITEMS)
            found = [trouble] if trouble else settled.counted(dsn, export)
            failures += [f"run {number}: {each}" for each in found]
            shutil.rmtree(home)
    if killed.total() < n * 0.9:
        failures.append(f"only {killed.total()} kills struck")
    figure = f"{killed.total()} kills of the command in {n} runs: 0 lost, 0 duplicated, 0 wrong"
    return Outcome.of(failures, n, figure, kills=dict(killed), items=ITEMS)


def _killed(moment: Moment, delay: float, export: inputs.Export, dsn: str, home, watch: psycopg.Connection) -> bool:
    process = command.start(export.path, dsn, home)
    deadline = time.monotonic() + command.PATIENCE
    while not moment(watch) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)
    time.sleep(delay)
    faults.kill_tree(process.pid)
    process.communicate()
    return process.returncode < 0
