"""Dagster keeps its state where dagster_home/dagster.yaml and the environment say, for any process that asks."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import dagster as dg
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


@pytest.fixture
def dagster_home(tmp_path: Path) -> Path:
    shutil.copy(SHIPPED, tmp_path)
    return tmp_path


def write_in_a_new_process(home: Path, **env: str) -> None:
    environment = os.environ | {"DAGSTER_HOME": str(home)} | env
    done = subprocess.run([sys.executable, "-c", WRITE], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def read(home: Path, monkeypatch: pytest.MonkeyPatch, **env: str) -> tuple[int, object, str]:
    """Number of runs, the rows materialised last, and the instance's reference, as this process finds them."""
    for name, value in ({"DAGSTER_HOME": str(home)} | env).items():
        monkeypatch.setenv(name, value)
    with dg.DagsterInstance.get() as instance:
        event = instance.get_latest_materialization_event(dg.AssetKey("counted"))
        assert event is not None
        assert event.asset_materialization is not None
        rows = event.asset_materialization.metadata["rows"].value
        return instance.get_runs_count(), rows, str(instance.get_ref())


def test_runs_are_kept_in_sqlite_without_a_url(dagster_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_in_a_new_process(dagster_home)
    assert read(dagster_home, monkeypatch)[:2] == (1, 7)
    assert (dagster_home / "history" / "runs.db").exists()


def test_runs_are_kept_in_postgresql_when_its_url_is_set(
    dagster_home: Path, postgres_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = {"BILLIO_DAGSTER_POSTGRES_URL": postgres_database}
    write_in_a_new_process(dagster_home, **url)
    runs, rows, reference = read(dagster_home, monkeypatch, **url)
    assert (runs, rows) == (1, 7)
    assert postgres_database not in reference, "the password is in the reference handed to child processes"
    assert not (dagster_home / "history").exists()
    with psycopg.connect(postgres_database) as connection:
        assert connection.execute("SELECT count(*) FROM runs").fetchone() == (1,)
        events = connection.execute("SELECT count(*) FROM event_logs WHERE asset_key = '[\"counted\"]'").fetchone()
    assert events is not None
    assert events[0] > 0
