"""Dagster keeps its state where dagster_home/dagster.yaml and the environment say, for any process that asks."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

SHIPPED = Path(__file__).resolve().parents[2] / "dagster_home" / "dagster.yaml"

WRITE = """
import dagster as dg

@dg.asset
def counted() -> dg.MaterializeResult:
    return dg.MaterializeResult(metadata={"rows": 7})

with dg.DagsterInstance.get() as instance:
    assert dg.materialize([counted], instance=instance).success
"""
READ = """
import dagster as dg

with dg.DagsterInstance.get() as instance:
    event = instance.get_latest_materialization_event(dg.AssetKey("counted"))
    print(len(instance.get_runs()), event.asset_materialization.metadata["rows"].value)
    print(instance.get_ref())
"""


@pytest.fixture
def dagster_home(tmp_path: Path) -> Path:
    shutil.copy(SHIPPED, tmp_path)
    return tmp_path


def in_a_new_process(code: str, home: Path, **env: str) -> str:
    environment = os.environ | {"DAGSTER_HOME": str(home)} | env
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_runs_are_kept_in_sqlite_without_a_url(dagster_home: Path) -> None:
    in_a_new_process(WRITE, dagster_home)
    assert in_a_new_process(READ, dagster_home).startswith("1 7")
    assert (dagster_home / "history" / "runs.db").exists()


def test_runs_are_kept_in_postgresql_when_its_url_is_set(dagster_home: Path, postgres_database: str) -> None:
    url = {"BILLIO_DAGSTER_POSTGRES_URL": postgres_database}
    in_a_new_process(WRITE, dagster_home, **url)
    read = in_a_new_process(READ, dagster_home, **url)
    assert read.startswith("1 7")
    assert postgres_database not in read, "the password is in the reference handed to child processes"
    assert not (dagster_home / "history").exists()
    with psycopg.connect(postgres_database) as connection:
        assert connection.execute("SELECT count(*) FROM runs").fetchone() == (1,)
        events = connection.execute("SELECT count(*) FROM event_logs WHERE asset_key = '[\"counted\"]'").fetchone()
    assert events is not None
    assert events[0] > 0
