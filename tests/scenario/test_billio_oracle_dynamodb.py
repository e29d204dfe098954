"""The oracle against the DynamoDB API itself: same items, every index, every way of asking, the same answers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from uuid import uuid4

import pytest

from assets.billio.generator import generate, planted
from assets.billio.model import TABLE
from assets.billio.oracle import LiveTable, Oracle, keys_in
from billio_pipeline.model.canonical import canonical_item
from billio_pipeline.settings import Settings
from billio_pipeline.stores.dynamodb import put_items, tables
from billio_pipeline.stores.dynamodb.client import dynamodb_client

COUNT = 250
ITEMS = [*generate(COUNT), *(plant.item for plant in planted())]
INDEXES = [index.name for index in TABLE.indexes]


@dataclass(frozen=True)
class Both:
    oracle: Oracle
    live: LiveTable


@pytest.fixture(scope="module")
def both(ministack: str) -> Iterator[Both]:
    settings = replace(Settings.from_env({}), dynamodb_endpoint=ministack)
    client = dynamodb_client(settings)
    table = replace(TABLE, name=f"billio-{uuid4()}")
    tables.create(client, table)
    assert put_items(client, table, ITEMS) == len(ITEMS)  # every planted item too
    yield Both(Oracle(ITEMS), LiveTable(client, table.name))
    client.delete_table(TableName=table.name)


def ids(items: list[dict]) -> list[str]:
    return [item["type:id"]["S"] for item in items]


def same(index: str, old: list[dict], new: list[dict]) -> None:
    """Equal members, and the same order of sort keys; items of one sort key in any order."""
    declared = next(each for each in TABLE.indexes if each.name == index)
    assert sorted(ids(old)) == sorted(ids(new))
    assert [keys_in(declared, item) for item in old] == [keys_in(declared, item) for item in new]


def partitions(index: str) -> dict[str, list]:
    declared = next(each for each in TABLE.indexes if each.name == index)
    found: dict[str, list] = {}
    for item in ITEMS:
        if keys := keys_in(declared, item):
            found.setdefault(keys[0], []).append(keys[1])
    return dict(sorted(found.items(), key=lambda each: -len(each[1]))[:8])


def test_oracle_holds_what_the_table_returns(both: Both) -> None:
    for item in ITEMS:
        live = both.live.get(item["type:id"]["S"])
        assert live is not None
        assert canonical_item(live) == canonical_item(item)
    assert both.oracle.get("Book:none") is both.live.get("Book:none") is None


@pytest.mark.parametrize("index", INDEXES)
def test_every_index_answers_alike_both_ways(both: Both, index: str) -> None:
    assert len(partitions(index)) >= 1
    for partition in [*partitions(index), "no such partition"]:
        for forward in (True, False):
            old = both.live.query(index, partition, forward=forward)
            same(index, old, both.oracle.query(index, partition, forward=forward))


@pytest.mark.parametrize("index", INDEXES)
def test_ranges_answer_alike_bounds_included(both: Both, index: str) -> None:
    for partition, keys in partitions(index).items():
        low, *_, high = sorted([keys[0], keys[len(keys) // 2], max(keys, key=str)])
        if index == "title":
            low, high = min((low, high), key=str.encode), max((low, high), key=str.encode)
        old = both.live.query(index, partition, between=(low, high))
        same(index, old, both.oracle.query(index, partition, between=(low, high)))


def test_title_prefixes_answer_alike_case_sensitive(both: Both) -> None:
    for prefix in ("The", "the", "Q", "q", "é", "e\u0301", "静", "100%", "Planted", "\U0001f4da"):
        for kind in ("Book", "Movie", "TvSeason"):
            old = both.live.query("title", kind, begins_with=prefix)
            same("title", old, both.oracle.query("title", kind, begins_with=prefix))


def test_items_without_an_index_key_are_not_in_it(both: Both) -> None:
    lacking = [item["type:id"]["S"] for item in ITEMS if "movedAt" not in item]
    assert lacking
    assert not set(lacking) & set(ids(both.live.query("type", "Book")))
    assert not set(lacking) & set(ids(both.oracle.query("type", "Book")))
    assert set(lacking) <= set(ids(both.oracle.query("type-addedAt", "Book")))


def test_numbers_sort_by_value_not_as_text() -> None:
    def item(number: str) -> dict:
        return {"type:id": {"S": number}, "type": {"S": "Book"}, "movedAt": {"N": number}}

    oracle = Oracle(map(item, ("10", "9", "-5", "1E3", "9.5")))
    assert ids(oracle.query("type", "Book")) == ["-5", "9", "9.5", "10", "1E3"]
    assert ids(oracle.query("type", "Book", between=(Decimal(9), Decimal(10)))) == ["9", "9.5", "10"]
