"""Rows of a real PostgreSQL, and a tree of records, into a real DynamoDB API: what can arrive does, and is proven."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import psycopg
import pyarrow.parquet as pq
import pytest
from item_rows import source_row
from item_runs import ALL, Migration, counted, impatient, migration, quarantined

from assets.algoitny.archive import archive_usage, unarchived
from assets.algoitny.generator import generate, poisoned
from assets.algoitny.model import SYSTEM
from assets.algoitny.source import load_source
from assets.thrivecalc import generator as records
from assets.thrivecalc.model import SYSTEM as THRIVE
from assets.thrivecalc.source import RecordSource
from billio_pipeline.errors import ConfigurationError
from billio_pipeline.migrate.refused import RefusedItem, add_refused_items
from billio_pipeline.migrate.sql_source import SqlSource
from billio_pipeline.model.canonical import parse_jsonb
from billio_pipeline.model.refusal import Reason, Refusal
from billio_pipeline.settings import Settings
from billio_pipeline.stores.dynamodb import tables
from billio_pipeline.stores.objects import open_store
from billio_pipeline.stores.objects.local import LocalStore

USERS = 3
BY_TABLE = {entity.table.name: entity for entity in SYSTEM.entities}


@pytest.fixture
def algoitny(postgres_database: str, settings: Settings, ministack: str) -> Migration:
    return migration(settings, ministack, SYSTEM, SqlSource(postgres_database, SYSTEM, settings))


@pytest.fixture
def filled(algoitny: Migration, postgres_database: str) -> Migration:
    load_source(postgres_database, generate(USERS, as_of=datetime.now(UTC)))
    return algoitny


def change(dsn: str, statement: str, *values: Any) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        assert connection.execute(statement.encode(), values).rowcount == 1


# ── what arrives, and what is refused

REASONS = {
    "an item over 400 KB": "over_dynamodb_limit",
    "over 400 KB in UTF-8 only": "over_dynamodb_limit",
    "a number of 39 digits": "over_dynamodb_limit",
    "a number beyond 9.9E+125": "over_dynamodb_limit",
    "nested deeper than 32 levels": "over_dynamodb_limit",
    "an e-mail that differs in case only": "key_conflict",
    "a time without an ISO form": "time_out_of_range",
}


def test_exactly_the_poison_is_quarantined_and_all_else_loaded_and_proven(
    algoitny: Migration, postgres_database: str
) -> None:
    now = datetime.now(UTC)
    load_source(postgres_database, generate(USERS, as_of=now, poison=True))
    stage = algoitny.stage()
    bad = [each for each in poisoned(USERS, as_of=now) if each.refused]
    found = {(each["entity"], parse_jsonb(each["original"])["id"]): each for each in quarantined(stage)}
    assert {at: each["reason"] for at, each in found.items()} == {
        (BY_TABLE[each.table].name, each.row["id"]): REASONS[each.why] for each in bad
    }
    for each in bad:
        entity = BY_TABLE[each.table]
        kept, row = parse_jsonb(found[entity.name, each.row["id"]]["original"]), source_row(entity, each.row)
        documents = {column.name for column in entity.columns if column.sql == "jsonb"}
        assert kept.keys() == row.keys()
        assert {n: v for n, v in kept.items() if n not in documents} == {
            n: v for n, v in row.items() if n not in documents
        }
        assert all(parse_jsonb(kept[name]) == parse_jsonb(row[name]) for name in documents if row[name])
    assert {each["file"] for each in found.values()} == {f"{each.table}/000000.parquet" for each in bad}

    done = algoitny.load(stage)
    assert sum(each.items for each in done.values()) == counted(stage, "accepted")
    assert counted(stage, "source") == sum(counted(stage, what) for what in ("accepted", "quarantined", "excluded"))
    assert counted(stage, "excluded") == stage.summary["expired"]["UsageLog"] > 0
    assert algoitny.failed(stage, ALL) == {"item_sizes"}, "the test case of 400,000 bytes, which fits"

    again = algoitny.load(stage)
    assert [(each.items, each.units, each.conflicts) for each in again.values()] == [(0, 0, 0)] * 3
    assert sum(each.present for each in again.values()) == counted(stage, "accepted")


def test_exactly_the_planted_records_are_quarantined_with_their_own_bytes(
    settings: Settings, ministack: str, tmp_path: Path
) -> None:
    store = open_store(tmp_path / "tree", settings)
    written = records.write(store, 10, poison=True)
    thrive = migration(settings, ministack, THRIVE, RecordSource(store))
    stage = thrive.stage()
    planted = records.planted()
    assert sorted((each["reason"], each["original"]) for each in quarantined(stage)) == sorted(
        (str(plant.reason), plant.body) for plant in planted
    )
    assert counted(stage, "source") == written
    (done,) = thrive.load(stage).values()
    assert done.items == written - len(planted) == counted(stage, "accepted")
    assert thrive.failed(stage, ALL) == set()


def test_what_the_table_itself_refuses_joins_the_quarantine_once(filled: Migration) -> None:
    stage = filled.stage()
    name, accepted = "subscription_plans/000000.parquet", stage.summary["counts"]["SubscriptionPlan"]["accepted"]
    ((_, rows),) = stage.batches("SubscriptionPlan", also=("_item",))
    refusal = Refusal(Reason.TARGET_REFUSED, "ValidationException: not today")
    add_refused_items(stage, [RefusedItem("SubscriptionPlan", name, orjson.loads(rows["_item"][1].as_py()), refusal)])
    (refused,) = quarantined(stage)
    assert (refused["reason"], refused["file"], refused["line"]) == ("target_refused", name, 2)
    assert parse_jsonb(refused["original"])["id"] == rows["id"][1].as_py()
    assert refused["key"] == f"PLAN#{rows['name'][1].as_py()} / METADATA"
    counts = stage.summary["counts"]["SubscriptionPlan"]
    assert (counts["accepted"], counts["quarantined"]) == (accepted - 1, 1)
    filled.load(stage)
    assert filled.failed(stage) == set()
    plans = filled.system.by_name["SubscriptionPlan"].items
    assert plans is not None
    assert filled.client.scan(TableName=plans.name)["Count"] == accepted - 1


def test_a_source_of_no_rows_makes_empty_tables(algoitny: Migration, postgres_database: str) -> None:
    load_source(postgres_database, {})
    stage = algoitny.stage()
    algoitny.load(stage)
    assert algoitny.failed(stage) == set()
    assert algoitny.judge(stage).compared == 0


def test_rows_that_refer_to_tables_without_rows_arrive(algoitny: Migration, postgres_database: str) -> None:
    rows = generate(USERS, as_of=datetime.now(UTC))
    loose = [row | {"problem_id": None, "user_id": None} for row in rows["usage_logs"]]
    load_source(postgres_database, {"usage_logs": loose})
    stage = algoitny.stage()
    assert (counted(stage, "quarantined"), counted(stage, "source")) == (0, len(loose))


# ── again, after the source has changed


def test_a_changed_row_is_a_conflict_and_stays_or_replaces_by_policy(filled: Migration, postgres_database: str) -> None:
    filled.load(filled.stage("one"))
    change(postgres_database, "UPDATE problems SET title = %s WHERE id = 1", "changed")
    stage = filled.stage("two")
    main = filled.system.by_name["Problem"].items
    assert main is not None
    kept = filled.load(stage)[main.name]
    assert (kept.items, kept.conflicts, len(kept.conflict_keys)) == (0, 1, 1)
    (difference,) = filled.judge(stage).differences
    assert (difference["column"], difference["source"], difference["key"]) == (
        "Title",
        "changed",
        kept.conflict_keys[0],
    )
    assert filled.failed(stage) == {"rows_equal"}

    replaced = filled.load(stage, "replace")[main.name]
    assert (replaced.items, replaced.conflicts) == (1, 0)
    assert filled.failed(stage) == set()


def test_a_row_whose_key_changed_leaves_its_old_item_and_that_is_told(
    filled: Migration, postgres_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    impatient(monkeypatch)
    filled.load(filled.stage("one"))
    change(postgres_database, "UPDATE users SET email = %s WHERE id = 1", "new@example.com")
    stage = filled.stage("two")
    done = filled.load(stage, "replace")
    assert sum(each.items for each in done.values()) == 1
    assert [each["source"] for each in filled.judge(stage).differences] == [None]
    assert filled.failed(stage) == {"count", "keys", "gsi_members"}


def test_a_run_that_loads_only_what_is_missing_leaves_what_is_there(filled: Migration) -> None:
    stage = filled.stage()
    first = filled.load(stage)
    main = filled.system.tables[0]
    for _, rows in list(stage.batches("TestCase", also=("_item",)))[:1]:
        for item in rows["_item"].to_pylist()[:3]:
            key = {name: parse_jsonb(item)[name] for name in ("PK", "SK")}
            filled.client.delete_item(TableName=main.name, Key=key)
    again = filled.load(stage)
    assert (again[main.name].items, again[main.name].present) == (3, first[main.name].items - 3)
    assert filled.failed(stage) == set()


def test_a_table_that_holds_what_we_did_not_load_is_refused(filled: Migration) -> None:
    stage, users = filled.stage(), filled.system.by_name["User"].items
    assert users is not None
    tables.create(filled.client, users)
    filled.client.put_item(TableName=users.name, Item={"PK": {"S": "a"}, "SK": {"S": "b"}})
    with pytest.raises(Exception, match="holds items that were not loaded from here"):
        filled.load(stage)


# ── expiry


def aged(dsn: str, hours: Sequence[float]) -> datetime:
    """Usage logs that expired so many hours ago, and nothing else; the time now."""
    now = datetime.now(UTC)
    rows = generate(USERS, as_of=now)
    made = [
        rows["usage_logs"][0]
        | {"id": n, "user_id": None, "problem_id": None, "created_at": now - timedelta(90, 3600 * h)}
        for n, h in enumerate(hours, 1)
    ]
    load_source(dsn, {"usage_logs": made})
    return now


def test_an_item_that_expired_since_it_was_copied_is_expired_not_missing(
    algoitny: Migration, postgres_database: str
) -> None:
    now = aged(postgres_database, [9, 1, 1.5, -1])
    copied = algoitny.copy()
    earlier = replace(copied, as_of=copied.as_of - 2 * 3_600_000_000)
    stage = algoitny.stage(copied=earlier)
    assert stage.summary["counts"]["UsageLog"] == {"source": 4, "quarantined": 0, "excluded": 1, "accepted": 3}
    algoitny.load(stage)
    assert algoitny.failed(stage) == set()
    main = algoitny.system.tables[0]
    expired = [
        item for item in algoitny.client.scan(TableName=main.name)["Items"] if int(item["TTL"]["N"]) < now.timestamp()
    ]
    assert len(expired) == 2
    for item in expired:
        algoitny.client.delete_item(TableName=main.name, Key={name: item[name] for name in ("PK", "SK")})
    assert algoitny.failed(stage) == set()
    counts = algoitny.judge(stage).counts["UsageLog"]
    assert (counts["expired"], counts["missing"], counts["loaded"]) == (2, 0, 1)


def test_what_expired_is_neither_missing_nor_extra_in_a_later_run(algoitny: Migration, postgres_database: str) -> None:
    """Loaded before its time, past its time now, and DynamoDB takes up to two days to remove it."""
    aged(postgres_database, [1, -1])
    copied = algoitny.copy("one")
    algoitny.load(algoitny.stage("one", replace(copied, as_of=copied.as_of - 2 * 3_600_000_000)))
    stage = algoitny.stage("two")
    assert stage.summary["counts"]["UsageLog"]["excluded"] == 1
    algoitny.load(stage)
    assert algoitny.failed(stage) == set()


def test_the_archive_check_names_the_old_logs_the_archive_lacks(
    algoitny: Migration, postgres_database: str, tmp_path: Path
) -> None:
    now = aged(postgres_database, [24, 0, -24, -24 * 9, -24 * 11])
    copied, store = algoitny.copy(), LocalStore(tmp_path)
    assert unarchived(copied, store, now) == [1, 2, 3, 4], "not the one of 79 days"
    assert archive_usage(copied, store, now) == 4
    assert unarchived(copied, store, now) == []
    (path,) = tmp_path.rglob("*.parquet")
    held = pq.read_table(path)
    pq.write_table(held.filter(held["id"].to_numpy() != 3), path)
    assert unarchived(copied, store, now) == [3]
    assert unarchived(copied, store, now - timedelta(days=11)) == [], "it was young then"


# ── a source that is not as declared


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("ALTER TABLE problems ADD difficulty text", "table problems: columns difficulty are not declared"),
        (
            "ALTER TABLE problems DROP solution_code",
            "table problems: columns solution_code are declared, but not there",
        ),
        ("ALTER TABLE users RENAME picture TO photo", "table users: columns photo, picture are not declared"),
        ("DROP TABLE task_results", "no table task_results"),
    ],
)
def test_a_column_without_a_carrier_ends_the_run_before_anything_of_the_target(
    algoitny: Migration, postgres_database: str, statement: str, says: str
) -> None:
    load_source(postgres_database, {})
    with psycopg.connect(postgres_database, autocommit=True) as connection:
        connection.execute(statement.encode())
    with pytest.raises(ConfigurationError) as caught:
        algoitny.copy()
    assert (caught.value.exit_code, says in caught.value.message) == (2, True), caught.value.message
    assert caught.value.remedy
    assert not (algoitny.settings.home / "source" / "algoitny" / "run").exists(), "nothing is left of the copy"
    assert all(tables.live(algoitny.client, table.name) is None for table in algoitny.system.tables)


def test_an_archived_tables_columns_are_its_own_affair(filled: Migration, postgres_database: str) -> None:
    with psycopg.connect(postgres_database, autocommit=True) as connection:
        connection.execute("ALTER TABLE task_results ADD more text")
    copied = filled.copy()
    assert {file.entity for file in copied.files if file.name.startswith("task_results/")} == {None}
    assert copied.rows == counted(filled.stage(copied=copied), "source")
