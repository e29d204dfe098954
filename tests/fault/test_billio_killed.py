"""`billio migrate`, SIGKILLed at moments of its load and run again: the same target as if nothing had been."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import orjson
import psycopg
import pytest
from exports import write_export

from assets.billio.generator import generate
from billio_pipeline.settings import Settings

BILLIO = Path(sys.executable).with_name("billio")
ITEMS = 9_000
SECONDS = 90.0

Moment = Callable[[psycopg.Connection], bool]


def _tables_made(connection: psycopg.Connection) -> bool:
    return connection.execute("SELECT to_regclass('public.items')").fetchone() != (None,)


def _some_batches_committed(connection: psycopg.Connection) -> bool:
    if not _tables_made(connection):
        return False
    return connection.execute("SELECT 1 FROM _billio_ledger LIMIT 1").fetchone() is not None


def _indexes_begun(connection: psycopg.Connection) -> bool:
    query = "SELECT count(*) > 1 FROM pg_indexes WHERE tablename = 'items'"
    return connection.execute(query).fetchone() == (True,)


@pytest.fixture
def environment(settings: Settings, dsql_database: str) -> dict[str, str]:
    return {
        **os.environ,
        "BILLIO_HOME": str(settings.home),
        "DAGSTER_HOME": str(settings.dagster_home),
        "BILLIO_POSTGRES_DSN": dsql_database,
        "BILLIO_LOADERS": "1",
    }


def _start(export: Path, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    command = [BILLIO, "migrate", "billio", "--export", export, "--json"]
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
    )


def _killed_at(moment: Moment, process: subprocess.Popen[bytes], connection: psycopg.Connection) -> None:
    deadline = time.monotonic() + SECONDS
    while not moment(connection):
        assert process.poll() is None, "it ended before the moment came"
        assert time.monotonic() < deadline
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL


@pytest.fixture
def watch(dsql_database: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(dsql_database, autocommit=True) as connection:
        yield connection


@pytest.mark.slow
def test_a_run_killed_three_times_over_ends_with_the_same_rows(
    environment: dict[str, str], watch: psycopg.Connection, tmp_path: Path
) -> None:
    items = {item["id"]["S"]: item for item in generate(ITEMS, seed=11)}
    lines = [orjson.dumps({"Item": item}) for item in items.values()]
    export = write_export(tmp_path, [lines[: ITEMS // 2], lines[ITEMS // 2 :]])
    for moment in (_tables_made, _some_batches_committed, _indexes_begun):
        _killed_at(moment, _start(export, environment), watch)

    process = _start(export, environment)
    answer = json.loads(process.communicate(timeout=SECONDS)[0])
    assert process.returncode == 0
    assert sum(counts["loaded"] for counts in answer["entities"].values()) == len(items)
    # Counted without us: every id once, its title as the item has it.
    titles = dict(watch.execute("SELECT id::text, title FROM items").fetchall())
    assert watch.execute("SELECT count(*) FROM items").fetchone() == (len(items),)
    assert titles == {key: item["title"]["S"] for key, item in items.items()}
    indexes = watch.execute("SELECT count(*) FROM pg_indexes WHERE tablename = 'items'").fetchone()
    assert indexes == (10,)
