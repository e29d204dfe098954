"""ThriveCalc's records as items and back; and words the two systems don't use, as a toy has them."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from item_rows import FIXTURES, staged_rows

from assets.algoitny.source import json_text
from assets.thrivecalc.model import RECORD
from assets.thrivecalc.model import SYSTEM as THRIVE
from assets.thrivecalc.records import record_bytes, record_row
from billio_pipeline.codec.items import ItemCodec
from billio_pipeline.codec.rebuild import rows_again
from billio_pipeline.model.canonical import canonical_item
from billio_pipeline.model.entity import Entity, RowSystem
from billio_pipeline.model.refusal import Reason, Refusal
from billio_pipeline.model.tables import DynamoTable, SqlTable
from billio_pipeline.model.types import Integer, Text
from billio_pipeline.model.words import Derived, Field, Rest, fields

RECORDS = ItemCodec(THRIVE)
TREE = FIXTURES / "thrive_s3"

Item = dict[str, dict[str, Any]]


def refused(found: object) -> tuple[Reason, str]:
    assert isinstance(found, Refusal), found
    return found.reason, found.message


def objects() -> list[tuple[str, bytes]]:
    return sorted((path.relative_to(TREE).as_posix(), path.read_bytes()) for path in TREE.rglob("*.json"))


@pytest.mark.parametrize(("key", "body"), objects(), ids=lambda each: each[:30] if isinstance(each, str) else "")
def test_every_record_becomes_the_designs_item_and_the_same_object_again(key: str, body: bytes) -> None:
    designed = [json.loads(line)["Item"] for line in (FIXTURES / "thrive.ddb-export.jsonl").read_text().splitlines()]
    row = record_row(key, body)
    assert isinstance(row, dict)
    item = RECORDS.to_item(RECORD, row)
    assert isinstance(item, dict)
    assert item in designed
    assert len(designed) == len(objects())
    assert RECORDS.to_row(RECORD, item) == dict(row)
    assert rows_again(RECORDS, RECORD)(row, canonical_item(item))
    back, written = record_bytes(row)
    assert (back, json.loads(written)) == (key, json.loads(body))


def record(**members: Any) -> dict[str, Any]:
    body = {"userId": "u", "dataType": "account", "recordId": "r", "data": {}, "createdAt": "2025-11-17T10:00:00.000Z",
            "updatedAt": "2025-11-17T10:00:00+00:00"}  # fmt: skip
    row = record_row("users/u/account/r.json", json.dumps(body | members).encode())
    assert not isinstance(row, Refusal), row
    return row


@pytest.mark.parametrize("extra", [{}, {"tags": ["a", {"b": None}], "v": 2}, {"x": ""}, {"ttl": "never"}])
def test_members_nobody_documented_are_attributes_of_their_own(extra: dict[str, Any]) -> None:
    row = record(**extra)
    item = RECORDS.to_item(RECORD, row)
    assert not isinstance(item, Refusal)
    assert set(extra) < item.keys()
    assert RECORDS.to_row(RECORD, item) == row
    assert (item["createdAt"], item["updatedAt"]) == (
        {"S": "2025-11-17T10:00:00.000Z"}, {"S": "2025-11-17T10:00:00+00:00"},
    )  # fmt: skip


@pytest.mark.parametrize("name", ["recordKey", "userId", "createdAt"])
def test_a_member_named_like_an_attribute_of_ours_is_refused(name: str) -> None:
    row = record() | {"extra": json.dumps({name: "x"})}
    reason, message = refused(RECORDS.to_item(RECORD, row))
    assert (reason, message.startswith(name)) == (Reason.DUPLICATE_ATTRIBUTE, True)


@pytest.mark.parametrize("ttl", [1_800_000_000, 10**30, -5, 1.5])
def test_a_record_that_dynamodb_would_delete_is_refused(settings: Any, ttl: Any) -> None:
    row = record() | {"extra": json_text({"ttl": Decimal(ttl)})}
    stage = staged_rows(settings, THRIVE, {"record": [row]})
    assert stage.summary["counts"]["record"]["quarantined"] == 1


# ── words the two systems don't use together

TOYS = DynamoTable("toys", ("PK", "S"))
TOY = Entity(
    "Toy",
    SqlTable("toys", key="id"),
    {},
    fields(
        Field("id", Text()),
        Field("image.url", Text(), row="image_url", optional=True),
        Field("count", Integer(), inside="rest", optional=True),
        Rest("rest"),
        Derived("PK", "TOY#{id}"),
    ),
    items=TOYS,
)
TOY_CODEC = ItemCodec(RowSystem("toys", (TOY,)))


@pytest.mark.parametrize(
    "row",
    [
        {"id": "1", "image_url": None, "rest": "{}"},
        {"id": "1", "image_url": "", "rest": '{"count": 3}'},
        {"id": "1", "image_url": "u", "rest": '{"more": {"url": null}, "count": 0}'},
    ],
)
def test_a_part_of_a_map_and_a_field_inside_the_rest_come_back(row: dict[str, Any]) -> None:
    item = TOY_CODEC.to_item(TOY, row)
    assert not isinstance(item, Refusal), item
    assert TOY_CODEC.to_row(TOY, item) == row


def test_what_stands_beside_a_read_part_of_a_map_is_refused_not_cut() -> None:
    item: Item = {"PK": {"S": "TOY#1"}, "id": {"S": "1"}, "image": {"M": {"url": {"S": "u"}, "width": {"N": "1"}}}}
    assert refused(TOY_CODEC.to_row(TOY, item))[0] is Reason.UNKNOWN_TYPE
    item["image"]["M"].pop("width")
    assert TOY_CODEC.to_row(TOY, item) == {"id": "1", "image_url": "u", "rest": "{}"}
    assert refused(TOY_CODEC.to_item(TOY, {"id": "1", "image_url": None, "rest": '{"image": {}}'}))[0] is (
        Reason.DUPLICATE_ATTRIBUTE
    )
