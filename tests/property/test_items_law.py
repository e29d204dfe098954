"""The law of the reverse direction: any row of the declared types becomes its item, and the item that row again.

Rows are made from the declared types; what their items must be is said by an oracle that knows the design and no codec.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from boto3.dynamodb.types import TypeDeserializer
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from assets.algoitny.model import SYSTEM as ALGOITNY
from assets.thrivecalc.model import RECORD
from assets.thrivecalc.model import SYSTEM as THRIVE
from billio_pipeline.codec.items import ItemCodec
from billio_pipeline.model.canonical import jsonb_text
from billio_pipeline.model.entity import Entity
from billio_pipeline.model.refusal import Reason, Refusal
from billio_pipeline.model.scalars import Boolean, IdText, IsoMicros, IsoText, Json
from billio_pipeline.model.tables import DynamoTable
from billio_pipeline.model.types import MAX_TIME, MIN_TIME, Integer, LogicalType, Text
from billio_pipeline.model.words import Field
from billio_pipeline.stores.dynamodb.size import holdable

Row = dict[str, Any]
Item = dict[str, Any]

CODECS = {"algoitny": ItemCodec(ALGOITNY), "thrivecalc": ItemCodec(THRIVE)}
ENTITIES = [*((ALGOITNY.name, entity) for entity in ALGOITNY.entities), (THRIVE.name, RECORD)]
named = pytest.mark.parametrize(("system", "entity"), ENTITIES, ids=lambda each: getattr(each, "name", each))
few = settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])

TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12) | st.sampled_from(
    ["", "#", "a#b", " padded ", "e\u0301", "İ", "ẞ", "null", "true", "📚", "x" * 300]
)
IDS = st.integers(-(2**63), 2**63 - 1) | st.integers(0, 40) | st.just(2**53 + 1)
MICROS = st.integers(MIN_TIME, MAX_TIME) | st.integers(0, 4_000) | st.sampled_from([MIN_TIME, MAX_TIME, -1])
# What DynamoDB holds: at most 38 digits, between 1E-130 and 9.99…E+125; 30 of each leave room for an exponent.
NUMBERS = st.integers(-(10**30), 10**30) | st.builds(
    lambda digits, places: Decimal(digits).scaleb(-places), st.integers(-(10**20), 10**20), st.integers(0, 17)
)
DOCUMENTS = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS.filter(bool), inner, max_size=3),
    max_leaves=8,
)
SPELT = st.builds(
    lambda time, width, zone: time.isoformat(timespec=width) + zone,
    st.datetimes(min_value=datetime(2, 1, 1), max_value=datetime(9998, 1, 1)),
    st.sampled_from(["seconds", "milliseconds", "microseconds"]),
    st.sampled_from(["Z", "+00:00", "-03:30", "+14:00"]),
)


def json_of(value: Any) -> str:
    return jsonb_text(value)


VALUES: dict[type[LogicalType], st.SearchStrategy[Any]] = {
    Text: TEXTS,
    IdText: IDS,
    Boolean: st.booleans(),
    Integer: st.integers(-(2**31), 2**31 - 1),
    IsoMicros: MICROS,
    IsoText: SPELT,
    Json: DOCUMENTS.map(json_of),
}
TAKEN = {each.attribute for each in RECORD.fields} | {each.attribute for each in RECORD.derived}
REST = st.dictionaries(TEXTS.filter(lambda name: name and name not in TAKEN), DOCUMENTS, max_size=3)


@st.composite
def rows(draw: st.DrawFn, entity: Entity) -> Row:
    """A row of the entity's declared types, and what its lookups find."""
    row = {str(each.column): draw(values(each)) for each in entity.fields}
    if entity.has_rest:
        row[entity.rest.column] = json_of(draw(REST))
    return row | draw(looked(entity, row))


def values(each: Field) -> st.SearchStrategy[Any]:
    found = VALUES[type(each.type)]
    return st.none() | found if each.optional else found


def looked(entity: Entity, row: Row) -> st.SearchStrategy[Row]:
    return st.fixed_dictionaries(
        {
            f"{lookup.name}.{each.column}": VALUES[type(each.type)] if row[lookup.by] is not None else st.none()
            for lookup in entity.lookups
            for each in lookup.entity.fields
            if not each.optional and not isinstance(each.type, Json)
        }
    )


# ── the oracle: what the design says of an item, in plain Python


def iso(micros: int) -> str:
    seconds, fraction = divmod(micros, 1_000_000)
    time = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    year, *rest = time.year, time.month, time.day, time.hour, time.minute, time.second
    return "{:04d}-{:02d}-{:02d}T{:02d}:{:02d}:{:02d}.{:06d}Z".format(year, *rest, fraction)


def problem(row: Row) -> Row:
    at = iso(row["created_at"])
    found = {"PK": f"PROBLEM#{row['platform']}#{row['problem_id']}", "SK": "METADATA", "UpdatedAt": at}
    if not row["is_deleted"]:
        found |= {"GSI1PK": f"PLATFORM#{row['platform']}", "GSI1SK": at}
        found |= {"GSI2PK": "COMPLETED#true" if row["is_completed"] else "COMPLETED#false", "GSI2SK": at}
        if row["language"] is not None:
            found |= {"GSI3PK": f"LANGUAGE#{row['language']}", "GSI3SK": at}
    return found


def case(row: Row) -> Row:
    pk = f"PROBLEM#{row['problem.platform']}#{row['problem.problem_id']}"
    return {"PK": pk, "SK": f"TESTCASE#{iso(row['created_at'])}#{row['id']}"}


def whose(row: Row) -> str:
    return f"USER#anonymous#{row['id'] % 16}" if row["user_id"] is None else f"USER#{row['user_id']}"


def history(row: Row) -> Row:
    at = iso(row["created_at"])
    found = {"PK": whose(row), "SK": f"HISTORY#{at}#{row['id']}"}
    found |= {"ProblemPK": f"PROBLEM#{row['platform']}#{row['problem_number']}"}
    found |= {"GSI2PK": f"PLATFORM#{row['platform']}", "GSI2SK": at}
    if row["is_code_public"]:
        found |= {"GSI1PK": "PUBLIC#true", "GSI1SK": at}
    if row["language"] is not None:
        found |= {"GSI3PK": f"LANGUAGE#{row['language']}", "GSI3SK": at}
    return found


def usage(row: Row) -> Row:
    at = iso(row["created_at"])
    found: Row = {"PK": whose(row), "SK": f"USAGE#{at[:10]}#{row['action']}#{at}#{row['id']}"}
    found["TTL"] = {"N": str(row["created_at"] // 1_000_000 + 7_776_000)}
    if row["problem_id"] is not None:
        found["ProblemPK"] = f"PROBLEM#{row['problem.platform']}#{row['problem.problem_id']}"
    return found


def job(row: Row) -> Row:
    found = {"PK": f"JOB#{row['id']}", "SK": "METADATA"}
    found |= {"GSI1PK": f"JOBTYPE#{row['job_type']}", "GSI1SK": iso(row["created_at"])}
    found |= {"GSI2PK": f"STATUS#{row['status']}", "GSI2SK": iso(row["updated_at"])}
    if row["celery_task_id"] is not None:
        found |= {"GSI3PK": f"TASK#{row['celery_task_id']}", "GSI3SK": "METADATA"}
    return found


def user(row: Row) -> Row:
    found = {"PK": f"USER#{row['email'].lower()}", "SK": "METADATA"}
    found |= {"GSI3PK": f"USERID#{row['id']}", "GSI3SK": "METADATA"}
    if row["google_id"] is not None:
        found |= {"GSI1PK": f"GOOGLEID#{row['google_id']}", "GSI1SK": "METADATA"}
    if row["subscription_plan_id"] is not None:
        found |= {"GSI2PK": f"PLAN#{row['subscription_plan_id']}", "GSI2SK": iso(row["created_at"])}
        found |= {"SubscriptionPlanName": row["plan.name"]}
    return found


def plan(row: Row) -> Row:
    active = "ACTIVE#true" if row["is_active"] else "ACTIVE#false"
    return {"PK": f"PLAN#{row['name']}", "SK": "METADATA", "GSI1PK": active, "GSI1SK": row["name"]}


def record(row: Row) -> Row:
    return {"recordKey": f"{row['data_type']}#{row['record_id']}"}


KEYS: dict[str, Callable[[Row], Row]] = {
    "Problem": problem, "TestCase": case, "SearchHistory": history, "UsageLog": usage, "ScriptGenerationJob": job,
    "User": user, "SubscriptionPlan": plan, "record": record,
}  # fmt: skip


def plain_value(wire: Any) -> Any:
    """A wire value as JSON has it, numbers exact, read by no code of ours."""
    ((tag, held),) = wire.items()
    if tag == "L":
        return [plain_value(each) for each in held]
    if tag == "M":
        return {name: plain_value(each) for name, each in held.items()}
    return Decimal(held) if tag == "N" else None if tag == "NULL" else held


def expected(entity: Entity, row: Row) -> Row:
    """The item's attributes as plain values; documents as their JSON text."""
    found: Row = {}
    for each in entity.fields:
        value = row[str(each.column)]
        if value is None:
            continue
        if isinstance(each.type, IdText):
            value = str(value)
        elif isinstance(each.type, IsoMicros):
            value = iso(value)
        elif isinstance(each.type, Integer):
            value = Decimal(value)
        found[each.attribute] = value
    derived = KEYS[entity.name](row)
    found |= {name: Decimal(value["N"]) if isinstance(value, dict) else value for name, value in derived.items()}
    return found | ({"EntityType": entity.name} if entity.when else {})


def grammatical(wire: Any, depth: int = 0) -> bool:
    """One typed value, as DynamoDB's API reference has them; of the types rows can become."""
    ((tag, held),) = wire.items()
    match tag:
        case "S":
            return isinstance(held, str) and bool(held.encode() or True)
        case "N":
            number = Decimal(held)
            return number.is_finite() and len(number.as_tuple().digits) <= 38 and isinstance(held, str)
        case "BOOL":
            return isinstance(held, bool)
        case "NULL":
            return held is True
        case "L":
            return depth < 32 and all(grammatical(each, depth + 1) for each in held)
        case "M":
            return depth < 32 and all(isinstance(n, str) and grammatical(each, depth + 1) for n, each in held.items())
    return False


@few
@named
@given(data=st.data())
def test_a_row_becomes_the_designs_item_and_the_item_that_row(system: str, entity: Entity, data: st.DataObject) -> None:
    row, codec = data.draw(rows(entity)), CODECS[system]
    item = codec.to_item(entity, row)
    assert not isinstance(item, Refusal), item
    documents = {each.attribute for each in entity.fields if isinstance(each.type, Json)}
    found = {name: jsonb_text(plain_value(wire)) if name in documents else plain_value(wire)
             for name, wire in item.items()}  # fmt: skip
    rest = found.keys() - expected(entity, row).keys()
    assert {name: value for name, value in found.items() if name not in rest} == expected(entity, row)
    if entity.has_rest:
        assert jsonb_text({name: plain_value(item[name]) for name in rest}) == row[entity.rest.column]
    else:
        assert not rest
    assert codec.to_row(entity, item) == {column.name: row[column.name] for column in entity.columns}
    assert codec.entity_of(item) is entity
    _held(entity, item)


def _held(entity: Entity, item: Item) -> None:
    """Assert that DynamoDB can hold the item, or that it is refused because a key of it is too long, or empty."""
    assert all(name and grammatical(wire) for name, wire in item.items())
    TypeDeserializer().deserialize({"M": item})
    table = entity.items
    assert table is not None
    refusal = holdable(table, item)
    keys = [(name, tag) for name, tag in _keys(table) if name in item]
    sizes = {name: len(item[name][tag].encode()) for name, tag in keys if tag == "S"}
    if refusal is None:
        assert all(0 < size <= 2048 for size in sizes.values())
        assert {name for name, _ in table.key} <= item.keys()
    else:
        assert refusal.reason is Reason.OVER_DYNAMODB_LIMIT
        assert min(sizes.values()) == 0 or max(sizes.values()) > 1024


def _keys(table: DynamoTable) -> set[tuple[str, str]]:
    places = [(table.partition, table.sort), *((index.partition, index.sort) for index in table.indexes)]
    return {key for place in places for key in place if key}


# What the source holds to be unique, as the item's key may rely on. Where two texts are joined by a hash, none is in
# the first: else two rows may have one key, of which both are refused (test_items_codec.py).
UNIQUE: dict[str, Callable[[Row], object]] = {
    "User": lambda row: row["email"].lower(),  # declared: addresses that differ in case are one user
    "SubscriptionPlan": lambda row: row["name"],
    "Problem": lambda row: (row["platform"], row["problem_id"]),
    "record": lambda row: (row["user_id"], row["data_type"], row["record_id"]),
}
FIRST = {"Problem": "platform", "record": "data_type"}


@few
@named
@given(data=st.data())
def test_two_rows_never_get_one_key(system: str, entity: Entity, data: st.DataObject) -> None:
    one = data.draw(rows(entity))
    other = dict(one)
    for each in data.draw(st.sets(st.sampled_from(entity.fields), min_size=1)):
        other[str(each.column)] = data.draw(values(each))
    other |= data.draw(looked(entity, other))
    unique = UNIQUE.get(entity.name, lambda row: row["id"])
    assume(unique(one) != unique(other))
    assume("#" not in one.get(FIRST.get(entity.name, ""), "") + other.get(FIRST.get(entity.name, ""), ""))
    codec = CODECS[system]
    items = [codec.to_item(entity, row) for row in (one, other)]
    assert entity.items is not None
    keys = [tuple(str(item[name]) for name, _ in entity.items.key) for item in items if isinstance(item, dict)]
    assert len(keys) == 2
    assert keys[0] != keys[1]


@few
@given(data=st.data())
def test_items_of_two_entities_of_one_table_never_get_one_key(data: st.DataObject) -> None:
    main = [entity for entity in ALGOITNY.entities if entity.items == ALGOITNY.entities[0].items]
    first, second = data.draw(st.lists(st.sampled_from(main), min_size=2, max_size=2, unique_by=lambda e: e.name))
    codec = CODECS["algoitny"]
    items = [codec.to_item(entity, data.draw(rows(entity))) for entity in (first, second)]
    keys = [(item["PK"]["S"], item["SK"]["S"]) for item in items if isinstance(item, dict)]
    assert keys[0] != keys[1]
