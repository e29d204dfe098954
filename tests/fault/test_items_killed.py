"""A load of staged items SIGKILLed at random writes and run again: the tables hold what was staged, each item once."""

from __future__ import annotations

import os
import pickle
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import servers
from flaky_dynamodb import Faults, flaky
from item_runs import Migration, counted, migration

from assets.algoitny.generator import generate
from assets.algoitny.model import SYSTEM
from assets.algoitny.source import load_source
from billio_pipeline.migrate.sql_source import SqlSource
from billio_pipeline.migrate.stage import ItemStage
from billio_pipeline.settings import Settings
from billio_pipeline.stores.dynamodb import ledger, tables

RUNS = int(os.environ.get("KILLS", "10"))  # KILLS=100 is what was published
USERS = 40  # some 1,200 rows, more than a thousand of which become items
LOAD = """
import pickle, sys
from pathlib import Path
from billio_pipeline.migrate.load_items import load_table
from billio_pipeline.migrate.stage import stage_at
from billio_pipeline.settings import Settings
from billio_pipeline.stores.dynamodb import writing_client

system = pickle.loads(Path(sys.argv[1]).read_bytes())
stage, client = stage_at(Path(sys.argv[2]), system), writing_client(Settings.from_env())
tell = lambda items: None
done = [load_table(client, stage, table, "insert", max_wcu=None, progress=tell) for table in system.tables]
print(sum(each.items for each in done), sum(each.present for each in done), sum(each.conflicts for each in done))
"""


@pytest.fixture(scope="module")
def made(
    postgres_server: servers.TestPostgres, ministack: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Migration, ItemStage]]:
    home, name = tmp_path_factory.mktemp("home"), postgres_server.create("template_plain")
    settings = Settings.from_env({"BILLIO_HOME": str(home), "BILLIO_WORKERS": "1"})
    dsn = postgres_server.dsn(name)
    load_source(dsn, generate(USERS, as_of=datetime.now(UTC)))
    run = migration(settings, ministack, SYSTEM, SqlSource(dsn, SYSTEM, settings))
    yield run, run.stage()
    postgres_server.drop(name)


class Killer:
    """Kills the process that loads when the endpoint is asked for its n-th write since it was armed."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[str] | None = None
        self.left = 0

    def __call__(self, operation: str) -> None:
        if operation in ("BatchWriteItem", "PutItem"):
            self.left -= 1
            if self.left == 0 and self.process is not None:
                os.kill(self.process.pid, signal.SIGKILL)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, RUNS + 1))
def test_a_load_killed_at_a_random_write_and_resumed_holds_what_was_staged(
    made: tuple[Migration, ItemStage], ministack: str, seed: int, tmp_path: Path
) -> None:
    run, stage = made
    for table in run.system.tables:  # the last seed's
        if tables.live(run.client, table.name):
            run.client.delete_table(TableName=table.name)
        tables.create(run.client, table)
    ledger.create(run.client)
    system, items, killer = tmp_path / "system", counted(stage, "accepted"), Killer()
    system.write_bytes(pickle.dumps(run.system))
    assert items >= 1_000

    def load(writes: int) -> tuple[int, str]:
        """Load, to be killed at this write; the return code and what was said."""
        killer.left = writes
        command = [sys.executable, "-c", LOAD, str(system), str(stage.path)]
        environment = {**os.environ, "BILLIO_DYNAMODB_ENDPOINT": endpoint.url}
        killer.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, env=environment, start_new_session=True
        )
        said, _ = killer.process.communicate(timeout=120)
        return killer.process.returncode, said

    with flaky(ministack, Faults(), seed=seed, before=killer) as endpoint:
        code, said = load(random.Random(seed).randint(1, items // 25))
        assert (code, said) == (-signal.SIGKILL, "")
        code, said = load(1 << 40)
    written, present, conflicts = map(int, said.split())
    assert (code, written + present, conflicts) == (0, items, 0)
    verdict = run.judge(stage)
    assert (verdict.equal, verdict.compared) == (True, items)
