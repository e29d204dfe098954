"""AlgoItny's and ThriveCalc's rows as items and back: the fixtures whole, and every trap of the design by name."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow.parquet as pq
import pytest
from item_rows import EPOCH, FIXTURES, RELATIONAL, fixture, joined, micros, source_row, staged_rows

from assets.algoitny.model import (  # fmt: skip
    HISTORY,
    JOB,
    PLAN,
    PROBLEM,
    SYSTEM,
    TEST_CASE,
    USAGE,
    USER,
)
from assets.algoitny.source import JsonText
from assets.thrivecalc.model import SYSTEM as THRIVE
from billio_pipeline.codec.items import ItemCodec
from billio_pipeline.codec.rebuild import rows_again
from billio_pipeline.model.canonical import canonical_item
from billio_pipeline.model.entity import Entity
from billio_pipeline.model.refusal import Reason, Refusal
from billio_pipeline.model.scalars import IsoMicros
from billio_pipeline.model.types import MAX_TIME, MIN_TIME
from billio_pipeline.model.words import Field

CODEC, RECORDS = ItemCodec(SYSTEM), ItemCodec(THRIVE)
TREE = FIXTURES / "thrive_s3"
DESIGN = [json.loads(line)["Item"] for line in (FIXTURES / "algoitny_v1.ddb-export.jsonl").read_text().splitlines()]
BY_KIND = {item["EntityType"]["S"]: item for item in DESIGN}

Item = dict[str, dict[str, Any]]


def made(entity: Entity, row: dict[str, Any]) -> Item:
    item = CODEC.to_item(entity, row)
    assert not isinstance(item, Refusal), item
    return item


def of(entity: Entity, number: int, /, **changes: Any) -> Item:
    return made(entity, fixture(entity, number, **changes))


def refused(found: object) -> tuple[Reason, str]:
    assert isinstance(found, Refusal), found
    return found.reason, found.message


def read(entity: Entity, item: Item) -> dict[str, Any]:
    row = CODEC.to_row(entity, item)
    assert not isinstance(row, Refusal), row
    return row


def widened(value: Any) -> Any:
    """A design's item with its times as wide as ours."""
    return json.loads(re.sub(r"(\dT\d\d:\d\d:\d\d)Z", r"\1.000000Z", json.dumps(value)))


def rows() -> Iterator[tuple[Entity, dict[str, Any]]]:
    for entity in SYSTEM.entities:
        for row in RELATIONAL[entity.table.name]:
            yield entity, joined(entity, source_row(entity, row), RELATIONAL)


@pytest.mark.parametrize(("entity", "row"), rows(), ids=lambda each: getattr(each, "name", str(each)[:10]))
def test_every_row_of_the_fixture_becomes_an_item_and_the_same_row_again(entity: Entity, row: dict[str, Any]) -> None:
    item = made(entity, row)
    assert CODEC.entity_of(item) is entity
    assert read(entity, item) == {column.name: row[column.name] for column in entity.columns}
    assert rows_again(CODEC, entity)(row, canonical_item(item))


def test_rows_again_tells_an_item_that_says_less_than_its_row() -> None:
    row = fixture(PROBLEM, 1)
    for damage in ({"SolutionCode": None}, {"Title": {"S": "a+b"}}, {"EntityType": {"S": "TestCase"}}):
        item = {name: wire for name, wire in (made(PROBLEM, row) | damage).items() if wire}
        assert not rows_again(CODEC, PROBLEM)(row, canonical_item(item)), damage


@pytest.mark.parametrize(("entity", "id"), [(USER, 7), (PLAN, 2)])
def test_items_are_those_of_the_design_with_times_to_the_microsecond(entity: Entity, id: int) -> None:
    assert of(entity, id) == widened(BY_KIND[entity.name])


@pytest.mark.parametrize(
    ("entity", "id", "changes"),
    [
        (PROBLEM, 1, {}), (TEST_CASE, 11, {}), (HISTORY, 501, {}), (USAGE, 9001, {}),
        (JOB, 31, {"status": "COMPLETED", "celery_task_id": "celery-xyz", "created_at": "2025-01-15T10:00:00Z",
                   "updated_at": "2025-01-15T10:05:00Z"}),
    ],
)  # fmt: skip
def test_keys_index_keys_and_expiry_are_the_designs(entity: Entity, id: int, changes: dict[str, Any]) -> None:
    derived = {each.attribute for each in entity.derived}
    wanted = {name: wire for name, wire in widened(BY_KIND[entity.name]).items() if name in derived}
    assert {name: wire for name, wire in of(entity, id, **changes).items() if name in derived} == wanted
    assert len(wanted) >= 3


@pytest.mark.parametrize("kind", sorted(BY_KIND.keys() - {"TestCase"}))
def test_items_of_the_design_with_whole_seconds_and_nulls_are_read(kind: str) -> None:
    entity, item = SYSTEM.by_name[kind], BY_KIND[kind]
    row = read(entity, item)
    assert row["created_at"] == micros(item["CreatedAt"]["S"])
    by_attribute = {each.attribute: each.column for each in entity.fields}
    nulls = {by_attribute[name] for name, wire in item.items() if wire == {"NULL": True}}
    assert {row[column] for column in nulls if column} <= {None}
    assert bool(nulls) == (kind in ("Problem", "ScriptGenerationJob"))


def test_the_designs_test_case_which_does_not_say_whose_it_is_is_refused() -> None:
    item = BY_KIND["TestCase"]
    assert refused(CODEC.to_row(TEST_CASE, item)) == (Reason.MISSING_ATTRIBUTE, "ProblemInternalId: absent")
    assert read(TEST_CASE, item | {"ProblemInternalId": {"S": "1"}})["problem_id"] == 1


def test_an_attribute_nothing_carries_is_refused_where_there_is_no_rest() -> None:
    item = of(PLAN, 2) | {"Note": {"S": "x"}}
    assert refused(CODEC.to_row(PLAN, item)) == (Reason.UNKNOWN_TYPE, "Note: no SubscriptionPlan has such attributes")


# ── the traps, by name


def test_empty_strings_stay_empty_and_nulls_absent() -> None:
    user = of(USER, 8)
    assert (user["PasswordHash"], user["Name"], user["Picture"]) == ({"S": ""}, {"S": ""}, {"S": ""})
    assert not {"LastLogin", "GoogleId", "SubscriptionPlanId", "SubscriptionPlanName"} & user.keys()
    assert of(TEST_CASE, 12)["Input"] == {"S": ""}
    assert of(JOB, 31)["Constraints"] == {"S": ""}


def test_a_hash_in_an_id_stays_in_keys_and_attributes() -> None:
    item = of(PROBLEM, 2)
    assert (item["PK"], item["ProblemId"]) == ({"S": "PROBLEM#codeforces#1520#E"}, {"S": "1520#E"})
    case = joined(TEST_CASE, fixture(TEST_CASE, 11, problem_id=2), RELATIONAL)
    assert made(TEST_CASE, case)["PK"] == item["PK"], "its test cases are in its partition"
    assert of(USAGE, 9001, action="hint#2")["SK"]["S"].startswith("USAGE#2025-01-15#hint#2#2025-01-15T14:30:00")


def test_a_mixed_case_email_is_a_lower_case_key_and_itself_an_attribute() -> None:
    item = of(USER, 8)
    assert (item["PK"], item["Email"]) == ({"S": "USER#mixed.case@example.com"}, {"S": "Mixed.Case@Example.com"})
    assert read(USER, item)["email"] == "Mixed.Case@Example.com"
    other = of(USER, 8, id=99, email="MIXED.CASE@example.com")
    assert (other["PK"], other["SK"]) == (item["PK"], item["SK"])


@pytest.mark.parametrize(
    ("entity", "id", "column", "lost"),
    [
        (USER, 7, "google_id", {"GoogleId", "GSI1PK", "GSI1SK"}),
        (USER, 7, "subscription_plan_id", {"SubscriptionPlanId", "SubscriptionPlanName", "GSI2PK", "GSI2SK"}),
        (PROBLEM, 1, "language", {"Language", "GSI3PK", "GSI3SK"}),
        (HISTORY, 501, "language", {"Language", "GSI3PK", "GSI3SK"}),
        (USAGE, 9001, "problem_id", {"ProblemId", "ProblemPK"}),
    ],
)
def test_a_null_gives_no_attribute_and_no_key_of_an_index(entity: Entity, id: int, column: str, lost: set[str]) -> None:
    full, bare = of(entity, id), made(entity, fixture(entity, id) | {column: None})
    assert full.keys() - bare.keys() == lost
    assert not {"GSI1PK", "GSI2PK", "GSI3PK", "PK"} & lost or all(wire != {"S": ""} for wire in bare.values())


def test_a_job_without_a_task_is_not_in_the_index_of_tasks() -> None:
    assert "GSI3PK" not in of(JOB, 31)
    assert of(JOB, 31, celery_task_id="t")["GSI3PK"] == {"S": "TASK#t"}
    assert of(JOB, 31, celery_task_id="")["GSI3PK"] == {"S": "TASK#"}, "empty is a value"


def test_usage_of_the_same_second_and_of_the_same_microsecond_has_keys_of_its_own() -> None:
    same = {"created_at": "2025-01-15T14:30:00.400Z"}
    items = [of(USAGE, 9001), of(USAGE, 9001, **same), of(USAGE, 9002, **same)]
    assert {item["PK"]["S"] for item in items} == {"USER#7"}
    assert [item["SK"]["S"] for item in items] == [
        "USAGE#2025-01-15#hint#2025-01-15T14:30:00.000000Z#9001",
        "USAGE#2025-01-15#hint#2025-01-15T14:30:00.400000Z#9001",
        "USAGE#2025-01-15#hint#2025-01-15T14:30:00.400000Z#9002",
    ]


def test_seconds_milliseconds_and_microseconds_are_read_alike_and_written_at_one_width() -> None:
    spelt = ["2025-01-15T14:30:00Z", "2025-01-15T14:30:00.000Z", "2025-01-15T14:30:00.000000Z",
             "2025-01-15T23:30:00+09:00"]  # fmt: skip
    item = of(HISTORY, 501)
    assert {read(HISTORY, item | {"CreatedAt": {"S": text}})["created_at"] for text in spelt} == {micros(spelt[0])}
    times = [EPOCH + timedelta(microseconds=each) for each in (0, 1, 1_000, 999_999, 1_000_000, 1_001_000)]
    keys = [of(HISTORY, 501, created_at=time.isoformat())["SK"]["S"] for time in times]
    assert keys == sorted(keys)
    assert {len(key) for key in keys} == {len("HISTORY#1970-01-01T00:00:00.000000Z#501")}


@pytest.mark.parametrize("completed", [True, False])
def test_a_deleted_problem_loses_every_key_of_an_index_and_keeps_the_item(completed: bool) -> None:
    kept = of(PROBLEM, 1, is_completed=completed)
    gone = of(PROBLEM, 1, is_completed=completed, is_deleted=True, deleted_at="2025-02-01T00:00:00Z")
    indexed = {f"GSI{n}{part}" for n in (1, 2, 3) for part in ("PK", "SK")}
    assert kept.keys() - gone.keys() == indexed
    assert gone == {name: wire for name, wire in kept.items() if name not in indexed} | {
        "IsDeleted": {"BOOL": True}, "DeletedAt": {"S": "2025-02-01T00:00:00.000000Z"},
    }  # fmt: skip
    assert kept["GSI2PK"] == {"S": f"COMPLETED#{str(completed).lower()}"}


def test_private_history_is_not_in_the_public_index_and_is_in_the_others() -> None:
    private = of(HISTORY, 501, is_code_public=False)
    assert of(HISTORY, 501).keys() - private.keys() == {"GSI1PK", "GSI1SK"}
    assert private["GSI2PK"] == {"S": "PLATFORM#baekjoon"}


@pytest.mark.parametrize(
    ("created", "expires"),
    [
        ("2025-01-15T14:30:00Z", "1744727400"),
        ("2025-01-15T14:30:00.999999Z", "1744727400"),
        ("1969-12-31T23:59:59.5Z", str(90 * 86_400 - 1)),
    ],
)
def test_usage_expires_ninety_days_after_its_creation_in_whole_seconds(created: str, expires: str) -> None:
    assert of(USAGE, 9001, created_at=created)["TTL"] == {"N": expires}
    assert datetime.fromisoformat(created) + timedelta(days=90) - EPOCH >= timedelta(seconds=int(expires))


def test_anonymous_history_is_spread_over_sixteen_partitions_by_its_id() -> None:
    found = [of(HISTORY, 502, id=id)["PK"]["S"] for id in (*range(40), 2**53 + 1)]
    assert found == [f"USER#anonymous#{id % 16}" for id in (*range(40), 2**53 + 1)]
    assert len(set(found)) == 16
    assert of(HISTORY, 502, user_id=7)["PK"] == {"S": "USER#7"}
    assert of(USAGE, 9001, user_id=None)["PK"] == {"S": f"USER#anonymous#{9001 % 16}"}


@pytest.mark.parametrize("seconds", ["0.002", "0.1", "0.30000000000000004", "1E-5", "1.0", "12", "-0.0", "9" * 38])
def test_an_execution_time_is_exact(seconds: str) -> None:
    row = fixture(HISTORY, 501, test_results=[{"execution_time": Decimal(seconds)}])
    item = made(HISTORY, row)
    (result,) = item["TestResults"]["L"]
    assert Decimal(result["M"]["execution_time"]["N"]) == Decimal(seconds)
    assert read(HISTORY, item)["test_results"] == row["test_results"]


def test_json_null_sql_null_and_an_absent_attribute_are_three_things() -> None:
    null, absent = of(HISTORY, 501, test_results=JsonText("null")), of(HISTORY, 501, test_results=None)
    assert null["TestResults"] == {"NULL": True}
    assert "TestResults" not in absent
    assert read(HISTORY, null)["test_results"] == "null"
    assert read(HISTORY, absent)["test_results"] is None
    assert of(PROBLEM, 1, metadata=JsonText("null"))["Metadata"] == {"NULL": True}, "where SQL NULL may not be"


def test_the_old_title_of_a_renamed_problem_stays_in_its_history() -> None:
    assert of(HISTORY, 502)["ProblemTitle"] == {"S": "A+B (old title)"}


# ── what no item can be made of


@pytest.mark.parametrize(
    ("entity", "id", "by"),
    [(TEST_CASE, 11, "problem_id"), (USAGE, 9001, "problem_id"), (USER, 7, "subscription_plan_id")],
)
def test_a_reference_to_no_row_is_refused(entity: Entity, id: int, by: str) -> None:
    row = joined(entity, fixture(entity, id) | {by: 404}, RELATIONAL)
    reason, message = refused(CODEC.to_item(entity, row))
    assert reason is Reason.REFERENCE_MISSING
    assert message == f"{by} 404 is no row of {entity.lookups[0].entity.table.name}"


REQUIRED = [(entity, each) for entity in SYSTEM.entities for each in entity.fields if not each.optional]


@pytest.mark.parametrize(("entity", "each"), REQUIRED, ids=lambda e: getattr(e, "name", getattr(e, "row", "")))
def test_null_in_a_required_column_is_refused(entity: Entity, each: Field) -> None:
    row = fixture(entity, RELATIONAL[entity.table.name][0]["id"]) | {str(each.column): None}
    reason, message = refused(CODEC.to_item(entity, row))
    assert (reason, message) == (Reason.MISSING_ATTRIBUTE, f"{each.column}: NULL, but {each.attribute} must be there")


TIMES = [(entity, f.column) for entity in SYSTEM.entities for f in entity.fields if isinstance(f.type, IsoMicros)]


@pytest.mark.parametrize(("entity", "column"), TIMES, ids=lambda e: getattr(e, "name", e))
def test_an_infinite_or_out_of_range_time_is_refused(entity: Entity, column: str) -> None:
    row = fixture(entity, RELATIONAL[entity.table.name][0]["id"])
    for time in (2**63 - 1, -(2**63) + 1, MAX_TIME + 1, MIN_TIME - 1):
        reason, message = refused(CODEC.to_item(entity, row | {column: time}))
        assert (reason, message.startswith(f"{column}: the time is infinite")) == (Reason.TIME_OUT_OF_RANGE, True)
    for time in (MAX_TIME, MIN_TIME):
        assert read(entity, made(entity, row | {column: time}))[column] == time


def test_documents_nested_far_too_deep_are_refused_one_by_one(settings: Any) -> None:
    rows = [fixture(PROBLEM, 1) | {"id": n, "problem_id": str(n)} for n in range(4)]
    depths = (29, 31, 400, 100_000)
    for row, depth in zip(rows, depths, strict=True):
        row["metadata"] = '{"a": ' + "[" * depth + "]" * depth + "}"
    stage = staged_rows(settings, SYSTEM, {"Problem": rows[:3]})
    assert stage.summary["counts"]["Problem"] == {"source": 3, "quarantined": 1, "excluded": 0, "accepted": 2}
    stage = staged_rows(settings, SYSTEM, {"Problem": rows[3:]})
    (refusal,) = pq.read_table(stage.quarantine).to_pylist()
    assert (refusal["reason"], refusal["original"]) == ("over_dynamodb_limit", b"row 1")


def test_two_problems_whose_parts_join_to_one_key_are_both_refused_and_counted(settings: Any) -> None:
    """`PROBLEM#{platform}#{id}` can't tell a hash in the platform from one in the id: no item overwrites another."""
    rows = [fixture(PROBLEM, 1) | {"id": 1, "platform": "a#b", "problem_id": "c"},
            fixture(PROBLEM, 1) | {"id": 2, "platform": "a", "problem_id": "b#c"}, fixture(PROBLEM, 1)]  # fmt: skip
    stage = staged_rows(settings, replace(SYSTEM, entities=(PROBLEM,)), {"Problem": rows})
    assert stage.summary["counts"]["Problem"] == {"source": 3, "quarantined": 2, "excluded": 0, "accepted": 1}
    assert [each["key"] for each in pq.read_table(stage.quarantine).to_pylist()] == ["PROBLEM#a#b#c / METADATA"] * 2
