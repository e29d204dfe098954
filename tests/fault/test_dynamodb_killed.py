"""A load of ours SIGKILLed at random points and run again from the ledger, as often as it takes: the same table."""

from __future__ import annotations

import json
import os
import random
import secrets
import signal
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from flaky_dynamodb import Faults, FlakyDynamoDb, flaky

from billio_pipeline.model.tables import DynamoTable
from billio_pipeline.settings import Settings
from billio_pipeline.stores.dynamodb import ledger, tables, writing_client
from billio_pipeline.stores.dynamodb.read_back import read_back

ITEMS = 1_000
BATCH = 100
LOAD = """
import sys
from dataclasses import replace
from billio_pipeline.settings import Settings
from billio_pipeline.model.tables import DynamoTable
from billio_pipeline.stores.dynamodb import Writer, ledger, writing_client
from billio_pipeline.stores.dynamodb.load import Batch, load

url, name, number, size = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
table = DynamoTable(name, ("pk", "S"), ("sk", "N"))
client = writing_client(replace(Settings.from_env({}), dynamodb_endpoint=url), answer_seconds=5)

def batches():
    for first in range(0, number, size):
        items = [{"pk": {"S": f"p{n % 13}"}, "sk": {"N": str(n)}, "text": {"S": "t" * (n % 50)}}
                 for n in range(first, first + size)]
        yield Batch(ledger.Entry(f"{name}-{first}", name, "Thing", "file", first + 1, size, "00"), items)

ledger.claim(client, table)
with Writer(client, table, requests=4) as writer:
    done = load(writer, batches(), ledger.committed(client, name, "Thing"))
print(done.batches, done.items, done.present)
"""


@pytest.fixture
def local(settings: Settings, ministack: str) -> Settings:
    return replace(settings, dynamodb_endpoint=ministack)


class Killer:
    """Kills the process that loads once the endpoint was asked for so many writes, before or after doing that one."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.process: subprocess.Popen[bytes] | None = None
        self.left = 0

    def arm(self, requests: int) -> None:
        self.left = self.random.randint(1, requests)

    def __call__(self, operation: str) -> None:
        if operation in ("BatchWriteItem", "PutItem"):
            self.left -= 1
            if self.left == 0 and self.process is not None:
                os.kill(self.process.pid, signal.SIGKILL)


def _load(endpoint: FlakyDynamoDb, table: DynamoTable, killer: Killer, requests: int) -> tuple[int, str]:
    """Run the load, to be killed at one of its first `requests` writes; its return code and what it said."""
    killer.arm(requests)
    command = [sys.executable, "-c", LOAD, endpoint.url, table.name, str(ITEMS), str(BATCH)]
    killer.process = subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True)
    said, _ = killer.process.communicate(timeout=60)
    return killer.process.returncode, said.decode().strip()


def _held(local: Settings, table: DynamoTable) -> Counter[str]:
    lines = (line for page in read_back(writing_client(local), table.name) for line in page)
    return Counter(json.dumps(json.loads(line)["Item"], sort_keys=True) for line in lines)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 11))
def test_a_load_killed_at_a_random_write_and_resumed_leaves_the_same_table(local, ministack, seed, tmp_path: Path):
    client = writing_client(local)
    table = DynamoTable(f"t-{secrets.token_hex(6)}", ("pk", "S"), ("sk", "N"))
    tables.create(client, table)
    ledger.create(client)
    killer = Killer(seed)
    with flaky(ministack, Faults(unprocessed=0.2), seed=seed, before=killer) as endpoint:
        code, _ = _load(endpoint, table, killer, requests=ITEMS // 25)
        assert code == -signal.SIGKILL
        listed = ledger.committed(client, table.name, "Thing")
        assert len(listed) < ITEMS // BATCH
        code, said = _load(endpoint, table, killer, requests=1 << 40)
    assert code == 0
    batches, items, present = map(int, said.split())
    assert (batches, items + present) == (ITEMS // BATCH, ITEMS)
    assert present >= len(listed) * BATCH, "a listed batch is not written again"
    expected = [{"pk": {"S": f"p{n % 13}"}, "sk": {"N": str(n)}, "text": {"S": "t" * (n % 50)}} for n in range(ITEMS)]
    assert _held(local, table) == Counter(json.dumps(each, sort_keys=True) for each in expected)
    assert len(ledger.committed(client, table.name, "Thing")) == ITEMS // BATCH
