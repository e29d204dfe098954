"""The writer against an endpoint that fails in every way the real one does: none lost, none twice, in bounded time."""

from __future__ import annotations

import json
import secrets
import time
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from flaky_dynamodb import BAD_DAY, THROTTLES, Faults, FlakyDynamoDb, flaky

from billio_pipeline.errors import InputError, TransientError
from billio_pipeline.model.tables import DynamoTable
from billio_pipeline.settings import Settings
from billio_pipeline.stores.dynamodb import Writer, ledger, tables, writing_client
from billio_pipeline.stores.dynamodb.put_live import LiveWriter
from billio_pipeline.stores.dynamodb.read_back import absent, read_back
from billio_pipeline.stores.dynamodb.retry import UNPROCESSED, Budget
from billio_pipeline.stores.retry import Backoff, Retries

ANSWER_SECONDS = 0.5
QUICK = Backoff(first=0.002, most=0.05)
SOON = Budget(tries=5, seconds=0.5)
pytestmark = pytest.mark.slow


@pytest.fixture
def local(settings: Settings, ministack: str) -> Settings:
    return replace(settings, dynamodb_endpoint=ministack)


@pytest.fixture
def table(local: Settings) -> DynamoTable:
    made = DynamoTable(f"t-{secrets.token_hex(6)}", ("pk", "S"), ("sk", "N"))
    tables.create(writing_client(local), made)
    return made


def client(local: Settings, endpoint: FlakyDynamoDb) -> Any:
    return writing_client(replace(local, dynamodb_endpoint=endpoint.url), answer_seconds=ANSWER_SECONDS)


def items(number: int) -> list[dict[str, dict[str, Any]]]:
    return [
        {"pk": {"S": f"p{n % 97}"}, "sk": {"N": str(n)}, "text": {"S": f"{n} naïve"}, "raw": {"B": "AP8="}}
        for n in range(number)
    ]


def held(local: Settings, table: DynamoTable) -> Counter[str]:
    """What the table holds, asked past the faults."""
    lines = (line for page in read_back(writing_client(local), table.name) for line in page)
    return Counter(json.dumps(json.loads(line)["Item"], sort_keys=True) for line in lines)


def expected(number: int) -> Counter[str]:
    return Counter(json.dumps(each, sort_keys=True) for each in items(number))


@pytest.mark.parametrize(("number", "seconds"), [(1_000, 180.0), (10_000, 600.0)])
def test_no_item_is_lost_or_doubled_on_a_bad_day(local, ministack, table, number, seconds):
    started = time.monotonic()
    with flaky(ministack, BAD_DAY, seed=7) as endpoint:
        with Writer(client(local, endpoint), table) as writer:
            assert writer.write(items(number)) == []
        retries = writer.tries.retries.as_dict()
        assert all(endpoint.met[fault] for fault in ("unprocessed", "throttled", "failed", "reset", "lost", "slow"))
    assert time.monotonic() - started < seconds
    assert held(local, table) == expected(number)
    assert writer.items == number
    # What was met is counted by its code, unless a busy machine timed out first; a lost answer and a reset look alike.
    hurried = retries["ReadTimeoutError"] - endpoint.met["slow"]
    throttled = sum(retries.get(name, 0) for name in THROTTLES)
    failed = retries["InternalServerError"] + retries["ServiceUnavailable"]
    assert 0 <= endpoint.met["throttled"] - throttled <= hurried
    assert 0 <= endpoint.met["failed"] - failed <= hurried
    assert retries["ConnectionClosedError"] >= endpoint.met["lost"]
    assert retries[UNPROCESSED] > 0
    assert set(endpoint.put) == set(expected(number)), "nothing was stored that was not asked for"


@pytest.mark.parametrize(
    "faults",
    [
        Faults(unprocessed=0.9), Faults(throttled=0.7), Faults(failed=0.7), Faults(reset=0.7), Faults(lost=0.7),
        Faults(slow=0.5),
    ],
    ids=["unprocessed", "throttled", "failed", "reset", "lost", "slow"],
)  # fmt: skip
def test_each_fault_alone_however_frequent_loses_nothing(local, ministack, table, faults):
    with flaky(ministack, faults, seed=3) as endpoint:
        with Writer(client(local, endpoint), table, backoff=QUICK) as writer:
            writer.write(items(200))
        assert writer.tries.retries.total > 0
    assert held(local, table) == expected(200)


def test_an_endpoint_that_never_gets_anything_done_ends_the_error_budget(local, ministack, table):
    with flaky(ministack, Faults(throttled=1.0)) as endpoint:
        started = time.monotonic()
        with (
            pytest.raises(TransientError, match=r"times in a row and no progress for \d+ s") as caught,
            Writer(client(local, endpoint), table, backoff=QUICK, budget=SOON) as writer,
        ):
            writer.write(items(100))
        assert time.monotonic() - started < 10
    assert caught.value.details["tries"] >= SOON.tries
    assert caught.value.details["error"] in THROTTLES
    assert held(local, table) == Counter()


def test_the_budget_is_not_used_up_while_anything_gets_through(local, ministack, table):
    # Nine of ten are left undone: the last ones of a request make no progress for many tries.
    with flaky(ministack, Faults(unprocessed=0.9), seed=5) as endpoint:
        with Writer(client(local, endpoint), table, backoff=QUICK, budget=Budget(tries=2, seconds=3.0)) as writer:
            writer.write(items(100))
        assert endpoint.asked["BatchWriteItem"] > 40
    assert held(local, table) == expected(100)


def test_what_can_never_succeed_is_not_tried_again(local, ministack, table):
    with flaky(ministack, Faults()) as endpoint:
        through = client(local, endpoint)
        with Writer(through, table) as writer:
            writing_client(local).delete_table(TableName=table.name)
            with pytest.raises(InputError, match="ResourceNotFoundException"):
                writer.write(items(10))
        assert endpoint.asked["BatchWriteItem"] == 1


def test_a_live_put_whose_answer_was_lost_is_no_conflict(local, ministack, table):
    with (
        flaky(ministack, Faults(lost=0.4, failed=0.2, throttled=0.1), seed=2) as endpoint,
        LiveWriter(client(local, endpoint), table, backoff=QUICK) as live,
    ):
        done = live.put(items(100))
        assert endpoint.met["lost"] > 20
    assert done.conflicts == 0
    assert done.items + done.present == 100
    assert done.present > 0
    assert held(local, table) == expected(100)


def test_ledger_and_read_back_are_tried_again_as_well(local, ministack, table):
    everywhere = ("PutItem", "Query", "Scan", "BatchGetItem", "DescribeTable")
    faults = Faults(throttled=0.1, failed=0.1, reset=0.05, operations=everywhere)
    with Writer(writing_client(local), table) as writer:
        writer.write(items(300))
    retries = Retries()
    with flaky(ministack, faults, seed=4) as endpoint:
        through = client(local, endpoint)
        ledger.create(writing_client(local))
        export = f"export-{secrets.token_hex(4)}"
        entries = [ledger.Entry(f"b{n:02d}", export, "Thing", "f", n, 1, "00") for n in range(10)]
        for entry in entries:
            ledger.record(through, entry, retries=retries)
        assert list(ledger.entries(through, export)) == entries
        assert absent(through, table, items(301), retries=retries) == items(301)[300:]
        lines = [line for page in read_back(through, table.name, retries=retries) for line in page]
    assert len(lines) == 300
    assert retries.total > 2
