"""A secondary index of a real table is held against the staged items: what it lacks or has too much is named."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from staged_items import Item, staged

from billio_pipeline.errors import InputError
from billio_pipeline.model.tables import DynamoTable, Gsi
from billio_pipeline.settings import Settings
from billio_pipeline.stores.dynamodb import dynamodb_client, put_items, tables
from billio_pipeline.stores.dynamodb.members import members
from billio_pipeline.verify.members import SHOWN, Membership, gsi_difference
from billio_pipeline.verify.survey import survey

NOW = 1_700_000_000
PAUSES = (0.5, 1.0)
SPARSE = Gsi("GSI1", ("GSI1PK", "S"), ("GSI1SK", "S"))
BY_TIME = Gsi("GSI2", ("PK", "S"), ("at", "N"), projects="KEYS_ONLY")


@pytest.fixture
def client(settings: Settings, ministack: str) -> Any:
    return dynamodb_client(replace(settings, dynamodb_endpoint=ministack))


@pytest.fixture
def table(client: Any) -> DynamoTable:
    made = DynamoTable(f"m-{secrets.token_hex(6)}", ("PK", "S"), ("SK", "S"), indexes=(SPARSE, BY_TIME), ttl="TTL")
    tables.create(client, made)
    return made


def item(n: int, **more: Any) -> Item:
    """Every third one is private: it has no GSI1 attributes, nor has any but the second half a time."""
    public = {} if n % 3 == 0 else {"GSI1PK": {"S": "PUBLIC#true"}, "GSI1SK": {"S": f"{n:04d}"}}
    dated = {"at": {"N": f"{n}.50"}} if n >= 15 else {}
    return {"PK": {"S": f"HISTORY#{n % 4} / x"}, "SK": {"S": f"{n:04d}"}} | public | dated | more


ITEMS = [item(n) for n in range(30)]


def named(n: int) -> str:
    return f"HISTORY#{n % 4} // x / {n:04d}"


@pytest.fixture
def compared(client, table, tmp_path):
    """Load the items, do something to the table by hand, then compare an index."""

    def compare(
        index: Gsi,
        by_hand: Callable[[], Any] = lambda: None,
        items: list[Item] = ITEMS,
        wait: Callable[[float], Any] = lambda seconds: None,
    ) -> Membership:
        stage = staged(tmp_path, {"History": items}, lambda entity: table)
        survey([table], stage.rows, tmp_path / "survey.parquet")
        put_items(client, table, items)
        by_hand()
        return gsi_difference(
            table,
            index,
            tmp_path / "survey.parquet",
            stage.dropped,
            lambda: members(client, table, index),
            tmp_path / "work",
            now=NOW,
            pauses=PAUSES,
            wait=wait,
        )

    return compare


def key(n: int) -> dict[str, Any]:
    return {name: item(n)[name] for name in ("PK", "SK")}


def test_a_sparse_index_holds_the_items_that_have_its_keys_and_no_others(compared):
    waited: list[float] = []
    for index, size in ((SPARSE, 20), (BY_TIME, 15)):
        found = compared(index, wait=waited.append)
        assert found.equal
        assert (found.expected, found.found, found.index) == (size, size, index.name)
    assert waited == [], "nothing to wait for"


def test_an_item_whose_index_attribute_was_removed_by_hand_is_named(client, table, compared):
    waited: list[float] = []

    def remove() -> None:
        client.update_item(TableName=table.name, Key=key(7), UpdateExpression="REMOVE GSI1SK")

    found = compared(SPARSE, remove, wait=waited.append)
    assert not found.equal
    assert (found.missing_keys, found.extra_keys) == ((named(7),), ())
    assert (found.expected, found.found, found.missing, found.extra) == (20, 19, 1, 0)
    assert waited == list(PAUSES), "the index was given its time first"


def test_an_item_that_was_given_index_attributes_by_hand_is_named(client, table, compared):
    def give() -> None:
        client.put_item(TableName=table.name, Item=ITEMS[8] | key(9))

    found = compared(SPARSE, give)
    assert (found.missing_keys, found.extra_keys) == ((), (named(9),))


def test_an_index_that_follows_its_table_late_is_no_difference(client, table, compared):
    def remove() -> None:
        client.delete_item(TableName=table.name, Key=key(7))

    def arrive(seconds: float) -> None:
        client.put_item(TableName=table.name, Item=ITEMS[7])

    assert compared(SPARSE, remove, wait=arrive).equal


def test_an_item_its_time_removed_is_expired_and_not_missing(client, table, compared):
    items = [item(n, TTL={"N": str(NOW - 10 + n)}) for n in range(30)]

    def expire() -> None:
        for n in (1, 2, 20):
            client.delete_item(TableName=table.name, Key=key(n))

    found = compared(SPARSE, expire, items)
    assert (found.expired, found.missing_keys) == (2, (named(20),))


def test_the_first_of_many_missing_are_named_and_all_are_counted(compared, client, table):
    def remove() -> None:
        for n in range(15, 30):
            client.delete_item(TableName=table.name, Key=key(n))

    items = [*ITEMS, *(item(n) for n in range(30, 45))]
    found = compared(BY_TIME, remove, items)
    assert (found.missing, found.missing_keys) == (15, tuple(sorted(named(n) for n in range(15, 30))))
    assert found.missing < SHOWN


def test_an_index_of_several_pages_is_read_to_its_end(client, table):
    items = [item(n, text={"S": "x" * 100_000}) for n in range(30)]
    put_items(client, table, items)
    pages = list(members(client, table, SPARSE))
    assert len(pages) > 1
    assert sorted(key for page in pages for key in page) == sorted(named(n) for n in range(30) if n % 3)


def test_an_index_that_is_not_there_says_so(client, table):
    with pytest.raises(InputError, match=f"table {table.name}, index GSI9"):
        list(members(client, table, replace(SPARSE, name="GSI9")))
