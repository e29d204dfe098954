"""A schema migration killed after any step, between its DDL and its row, is finished by the next run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from assets.billio.model import SYSTEM
from billio_pipeline.stores.sql import schema
from billio_pipeline.stores.sql.apply import Run
from billio_pipeline.stores.sql.drift import drift
from billio_pipeline.stores.sql.target import Target

# The DDL of the n-th step is done when its row is about to be written.
KILLED = """
import os, signal, sys
from assets.billio.model import SYSTEM
from billio_pipeline.settings import Settings
from billio_pipeline.stores.sql import apply, schema
from billio_pipeline.stores.sql.target import Target
left = int(sys.argv[1])
record = apply.Run._record
def killed(self, state):
    global left
    left -= 1
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)
    record(self, state)
apply.Run._record = killed
with Target.open(os.environ["DSN"], Settings.from_env()) as target:
    schema.up(target, SYSTEM)
"""


class Killed(BaseException):
    """Stands for a signal nothing can catch: no handler of ours runs on it."""


@pytest.mark.parametrize("fixture", ["postgres_database", "dsql_database"])
def test_a_run_killed_between_any_ddl_and_its_row_is_finished_by_the_next(fixture, request, settings, monkeypatch):
    record = Run._record

    def stop(self, state):
        if state.recorded is None and state.step.name not in seen:
            seen.add(state.step.name)
            raise Killed
        record(self, state)

    seen: set[str] = set()
    monkeypatch.setattr(Run, "_record", stop)
    with Target.open(request.getfixturevalue(fixture), settings, connections=2) as target:
        for _ in range(16):
            with pytest.raises(Killed):
                schema.up(target, SYSTEM)
        assert all(result.ok for result in schema.up(target, SYSTEM))
        assert len(seen) == 16
        assert drift(target, SYSTEM) == []
        assert len(schema.status(target, SYSTEM).applied) == 16


@pytest.mark.parametrize("step", [1, 3, 9])
def test_a_process_killed_for_real_leaves_what_the_next_one_finishes(step, dsql_database, settings):
    run = subprocess.run(
        [sys.executable, "-c", KILLED, str(step)], env={**os.environ, "DSN": dsql_database}, timeout=60, check=False
    )
    assert run.returncode == -signal.SIGKILL
    with Target.open(dsql_database, settings, connections=2) as target:
        before = len(schema.status(target, SYSTEM).applied)
        assert before == step - 1
        assert all(result.ok for result in schema.up(target, SYSTEM))
        assert drift(target, SYSTEM) == []
