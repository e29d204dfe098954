"""Rate limits and counters under concurrency: a limit is never passed, a count never lost, and none is ever lowered."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from assets.algoitny.model import PLAN, SYSTEM, USER
from assets.algoitny.repository import Repository, SourceCounts, Tables, seed_counters, source_counts
from assets.algoitny.repository.moments import DAY, micros
from benchmarks.algoitny_patterns import made_tables
from billio_pipeline.errors import TargetError, TransientError
from billio_pipeline.settings import Settings
from billio_pipeline.stores.dynamodb import dynamodb_client

NOW = datetime(2025, 6, 1, 12, 0, 0, 654_321, UTC)
TODAY = "2025-06-01"
USER_ID, LIMIT, LOGGERS = 7, 10, 30
EMPTY = SourceCounts({}, dict.fromkeys(SYSTEM.by_name, 0))


@pytest.fixture
def tables(client: Any) -> Iterator[Tables]:
    names = made_tables(client)
    yield names
    for table in (names.main, names.users, names.plans):
        client.delete_table(TableName=table)


@pytest.fixture
def client(ministack: str) -> Any:
    return dynamodb_client(replace(Settings.from_env({}), dynamodb_endpoint=ministack))


@pytest.fixture
def repository(client: Any, tables: Tables) -> Repository:
    """With a plan of 10 hints a day and its one user, and no counter of usage yet."""
    made = Repository(client, tables, lambda: NOW)
    seed_counters(client, EMPTY, tables)
    plan = made.upsert_plan("Ten", max_hints_per_day=LIMIT)
    row = {
        "id": USER_ID, "password": "", "last_login": None, "is_superuser": False, "email": "A@Example.com", "name": "",
        "picture": None, "google_id": None, "is_active": True, "is_staff": False, "subscription_plan_id": plan["id"],
        "created_at": micros(NOW), "updated_at": micros(NOW), "plan.name": "Ten",
    }  # fmt: skip
    assert made.items.create(USER, row)
    return made


def at_once(repository: Repository, user_id: int | None, times: int) -> list[Any]:
    with ThreadPoolExecutor(times) as pool:
        return list(pool.map(lambda _: repository.log_usage(user_id, "hint"), range(times)))


def logs(repository: Repository) -> int:
    return repository.counters.logged(f"USER#{USER_ID}", TODAY, "hint")


def test_a_limit_holds_when_thirty_log_at_once(repository: Repository) -> None:
    passed = [row for row in at_once(repository, USER_ID, LOGGERS) if row]
    assert len(passed) == LIMIT
    assert len({row["id"] for row in passed}) == LIMIT
    assert repository.usage_count(USER_ID, "hint") == logs(repository) == LIMIT


def test_the_first_counter_of_a_day_counts_the_logs_that_are_there(
    repository: Repository, client: Any, tables: Tables
) -> None:
    """As after a load without counters: the limit counts what was logged before."""
    assert len([row for row in at_once(repository, USER_ID, 4) if row]) == 4
    key = {"PK": {"S": f"USER#{USER_ID}"}, "SK": {"S": f"COUNTER#{TODAY}#hint"}}
    client.delete_item(TableName=tables.main, Key=key)
    assert repository.usage_count(USER_ID, "hint") == 4
    assert len([row for row in at_once(repository, USER_ID, LOGGERS) if row]) == LIMIT - 4
    assert repository.usage_count(USER_ID, "hint") == logs(repository) == LIMIT


def test_thirty_who_are_not_signed_in_all_pass_and_are_all_counted(repository: Repository) -> None:
    assert all(at_once(repository, None, LOGGERS))
    assert repository.usage_count(None, "hint") == LOGGERS


def test_a_seeded_count_is_what_the_limit_begins_with(repository: Repository, client: Any, tables: Tables) -> None:
    seed_counters(client, SourceCounts({(f"USER#{USER_ID}", TODAY, "hint"): LIMIT - 1}, EMPTY.highest), tables)
    assert len([row for row in at_once(repository, USER_ID, 5) if row]) == 1


def test_seeding_again_or_meanwhile_never_lowers_a_counter(repository: Repository, client: Any, tables: Tables) -> None:
    counts = SourceCounts({(f"USER#{USER_ID}", TODAY, "hint"): 2}, {**EMPTY.highest, "UsageLog": 100})
    with ThreadPoolExecutor(12) as pool:
        seeding = [pool.submit(seed_counters, client, counts, tables) for _ in range(4)]
        logging = [pool.submit(repository.log_usage, USER_ID, "hint") for _ in range(8)]
        written = sum(each.result() for each in seeding)
        rows = [row for each in logging if (row := each.result())]
    used = repository.usage_count(USER_ID, "hint")
    # Whoever wrote the counter first, the seed or the first log, it began with 2 or with no log.
    assert used in (len(rows), len(rows) + 2)
    assert len(rows) == min(8, LIMIT - (used - len(rows)))
    assert written == 1 + (used - len(rows)) // 2
    assert seed_counters(client, counts, tables) == 0
    assert repository.usage_count(USER_ID, "hint") == used
    assert len({row["id"] for row in rows}) == len(rows)


def test_ids_never_repeat_and_go_on_behind_those_of_the_source(
    repository: Repository, client: Any, tables: Tables
) -> None:
    seed_counters(client, SourceCounts({}, {**EMPTY.highest, "ScriptGenerationJob": 500}), tables)
    with ThreadPoolExecutor(8) as pool:
        jobs = list(pool.map(lambda n: repository.create_job("script_generation", "p", str(n)), range(24)))
    assert sorted(job["id"] for job in jobs) == list(range(501, 525))
    seed_counters(client, SourceCounts({}, {**EMPTY.highest, "ScriptGenerationJob": 510}), tables)
    assert repository.create_job("script_generation", "p", "1")["id"] == 525


def test_without_seeded_ids_nothing_is_written(client: Any, tables: Tables) -> None:
    unseeded = Repository(client, tables, lambda: NOW)
    with pytest.raises(TargetError, match="no counter"):
        unseeded.create_job("script_generation", "p", "1")
    assert client.scan(TableName=tables.main)["Count"] == 0


def test_two_changes_of_one_item_at_once_are_both_kept(repository: Repository) -> None:
    job = repository.create_job("script_generation", "p", "1")
    changes = [{"status": "FAILED"}, {"error_message": "Boom"}, {"celery_task_id": "t"}, {"generator_code": "x"}]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda change: repository.update_job(job["id"], **change), changes))
    found = repository.job_by_id(job["id"])
    for change in changes:
        assert found is not None
        assert change.items() <= found.items()


def test_two_who_make_a_plan_at_once_make_one(repository: Repository) -> None:
    with ThreadPoolExecutor(8) as pool:
        plans = list(pool.map(lambda n: repository.upsert_plan("Gold", max_problems=n), range(8)))
    assert len({plan["id"] for plan in plans}) == 1
    assert len([plan for plan in repository.all_plans() if plan["name"] == "Gold"]) == 1


def test_a_plan_change_is_refused_when_the_plan_is_another_by_then(
    repository: Repository, client: Any, tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The plan's row is read, then replaced before the transaction is sent: the user keeps their plan."""
    other = repository.upsert_plan("Other")
    stale = repository.items.get_row(PLAN, "PLAN#Other")
    assert stale is not None
    key = {"PK": {"S": "PLAN#Other"}, "SK": {"S": "METADATA"}}
    client.delete_item(TableName=tables.plans, Key=key)
    read = repository.items.get_row
    monkeypatch.setattr(
        repository.items, "get_row", lambda entity, pk: stale if pk == "PLAN#Other" else read(entity, pk)
    )
    with pytest.raises(TransientError, match="changed meanwhile"):
        repository.change_plan("a@example.com", "Other")
    assert other["id"] not in [user["subscription_plan_id"] for user in repository.all_users().rows]


def test_counts_of_rows_leave_out_what_has_expired_and_spread_those_not_signed_in() -> None:
    now = micros(NOW)
    rows = [
        {"id": 1, "user_id": 7, "action": "hint", "created_at": now},
        {"id": 2, "user_id": 7, "action": "hint", "created_at": now - 1},
        {"id": 3, "user_id": 7, "action": "execution", "created_at": now},
        {"id": 20, "user_id": None, "action": "hint", "created_at": now},
        {"id": 99, "user_id": 7, "action": "hint", "created_at": now - 90 * DAY},
    ]
    counts = source_counts({"UsageLog": rows, "Problem": []}, now)
    assert counts.highest == {"UsageLog": 99, "Problem": 0}
    assert counts.usage == {
        ("USER#7", TODAY, "hint"): 2,
        ("USER#7", TODAY, "execution"): 1,
        ("USER#anonymous#4", TODAY, "hint"): 1,
    }
