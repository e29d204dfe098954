"""AlgoItny's writing patterns: from equal states both sides answer the same, and read the same afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
import servers
from algoitny_world import World, row_of, world

from assets.algoitny.generator import AS_OF
from assets.algoitny.repository.moments import micros
from billio_pipeline.errors import InputError, TargetError

NOW = micros(AS_OF)


@pytest.fixture(scope="module")
def moving(postgres_server: servers.TestPostgres, ministack: str) -> Iterator[World]:
    """Each test writes to rows of its own, the same on both sides."""
    yield from world(postgres_server, ministack, 8)


def test_creating_history_counts_it_in_its_problem_on_both_sides(moving: World) -> None:
    """Pattern 12."""
    problem = row_of(moving, "problems", "metadata ? 'execution_count'")
    key = problem["platform"], problem["problem_id"]
    user = row_of(moving, "users")["id"]
    given = {"code": "print(1)", "language": "python", "is_code_public": True, "test_results": [{"ok": True}]}
    row = moving.both(lambda side: side.create_history(*key, user_id=user, user_identifier="u", **given))
    assert (row["problem_title"], row["created_at"]) == (problem["title"], NOW)
    counted = moving.both(lambda side: side.problem_by_key(*key))["metadata"]["execution_count"]
    assert counted == problem["metadata"]["execution_count"] + 1
    for ask in ("user_history", "own_and_public_history"):
        assert moving.both(lambda side: getattr(side, ask)(user, limit=1)).rows == [row]  # noqa: B023
    assert moving.both(lambda side: side.public_history(limit=1)).rows == [row]
    anonymous = moving.both(lambda side: side.create_history(*key, user_id=None, user_identifier="anonymous"))
    assert moving.both(lambda side: side.user_history(None, limit=1)).rows == [anonymous]
    assert moving.both(lambda side: side.create_history("nowhere", "0", user_id=user, user_identifier="u")) is None


def test_history_is_not_created_when_its_problem_cannot_count_it(
    moving: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pattern 12, both or neither: the problem was read, then another one took its place."""
    row = row_of(moving, "problems", "is_deleted")
    key = row["platform"], row["problem_id"]
    repository = moving.repository
    stale = repository.problem_row(*key)
    assert stale is not None
    monkeypatch.setattr(repository, "problem_row", lambda *_: stale | {"id": 10**9})
    before = repository.user_history(None, limit=1000).rows
    with pytest.raises(TargetError):
        repository.create_history(*key, user_id=None, user_identifier="anonymous")
    assert repository.user_history(None, limit=1000).rows == before
    moving.connection.execute("SELECT nextval(pg_get_serial_sequence('search_history', 'id'))")  # it took an id


def test_logging_usage_counts_until_the_limit_on_both_sides(moving: World) -> None:
    """Patterns 14, 15 and 16."""
    user = row_of(moving, "users", "subscription_plan_id = 1")["id"]
    moving.both(lambda side: side.upsert_plan("Free", max_hints_per_day=12))
    assert moving.both(lambda side: side.plan_limits(user))["max_hints_per_day"] == 12
    problem = row_of(moving, "problems")
    used = moving.both(lambda side: side.usage_count(user, "hint"))
    assert used < 12
    for number in range(12 - used):
        row = moving.both(
            lambda side: side.log_usage(user, "hint", problem=(problem["platform"], problem["problem_id"]))
        )
        assert (row["problem_id"], row["metadata"]) == (problem["id"], {})
        assert moving.both(lambda side: side.usage_count(user, "hint")) == used + number + 1
    assert moving.both(lambda side: side.log_usage(user, "hint")) is None
    assert moving.both(lambda side: side.usage_count(user, "hint")) == 12
    before = moving.both(lambda side: side.usage_count(user, "execution"))
    assert moving.both(lambda side: side.log_usage(user, "execution", metadata={"n": [1, None]})) is not None
    assert moving.both(lambda side: side.usage_count(user, "execution")) == before + 1


def test_those_not_signed_in_log_without_limit_and_count_over_all_buckets(moving: World) -> None:
    before = moving.both(lambda side: side.usage_count(None, "hint"))
    for _ in range(7):
        assert moving.both(lambda side: side.log_usage(None, "hint"))["user_id"] is None
    assert moving.both(lambda side: side.usage_count(None, "hint")) == before + 7


def test_a_usage_log_expires_after_ninety_days_and_its_counter_after_it(moving: World) -> None:
    user = row_of(moving, "users", "subscription_plan_id = 1")["id"]
    row = moving.both(lambda side: side.log_usage(user, "execution"))
    day = AS_OF.date().isoformat()
    log = moving.item(f"USER#{user}", f"USAGE#{day}#execution#{AS_OF:%Y-%m-%dT%H:%M:%S.%f}Z#{row['id']}")
    assert log["TTL"] == {"N": str(int(AS_OF.timestamp()) + 90 * 86_400)}
    counter = moving.item(f"USER#{user}", f"COUNTER#{day}#execution")
    midnight = AS_OF.replace(hour=0, minute=0, second=0, microsecond=0)
    assert counter["TTL"] == {"N": str(int(midnight.timestamp()) + 91 * 86_400)}


def test_setting_hints_changes_nothing_else_on_either_side(moving: World) -> None:
    """Patterns 17 and 18."""
    entry = row_of(moving, "search_history", "hints IS NULL AND user_id IS NOT NULL")
    key = entry["user_id"], entry["id"]
    before = moving.both(lambda side: side.history_detail(*key))
    for hints in (["first", {"n": 1}], [], None):
        row = moving.both(lambda side: side.set_hints(*key, hints))  # noqa: B023
        assert row == before | {"hints": hints}
        assert moving.both(lambda side: side.hints(*key)) == hints
        assert moving.both(lambda side: side.history_detail(*key, row["created_at"])) == row  # noqa: B023
    assert moving.both(lambda side: side.set_hints(entry["user_id"], 10**15, [])) is None


def test_a_job_is_created_and_moves_with_its_status_on_both_sides(moving: World) -> None:
    """Patterns 19, 20, 21 and 22."""
    given = {"title": "A+B", "tags": ["math"], "language": "python"}
    job = moving.both(lambda side: side.create_job("script_generation", "baekjoon", "1000#7", **given))
    assert moving.both(lambda side: side.job_by_id(job["id"])) == job
    assert moving.both(lambda side: side.jobs_by_type("script_generation", limit=1)).rows == [job]
    assert "GSI3PK" not in moving.item(f"JOB#{job['id']}")
    moving.now = AS_OF + timedelta(seconds=1)
    started = moving.both(lambda side: side.update_job(job["id"], status="PROCESSING", celery_task_id="celery-xyz"))
    moving.now = AS_OF
    assert started == job | {"status": "PROCESSING", "celery_task_id": "celery-xyz", "updated_at": NOW + 1_000_000}
    item = moving.item(f"JOB#{job['id']}")
    assert item["GSI2PK"] == {"S": "STATUS#PROCESSING"}
    assert item["GSI2SK"] == item["UpdatedAt"] != item["CreatedAt"]
    assert item["GSI3PK"] == {"S": "TASK#celery-xyz"}
    moving.both(lambda side: side.update_job(job["id"], celery_task_id=None))
    assert "GSI3PK" not in moving.item(f"JOB#{job['id']}")
    assert moving.both(lambda side: side.update_job(10**15, status="FAILED")) is None
    for wrong in ({"status": "LOST"}, {"id": 1}):
        for side in (moving.repository, moving.queries):
            with pytest.raises(InputError):
                side.update_job(job["id"], **wrong)


def test_changing_a_plan_changes_its_name_and_index_with_it_on_both_sides(moving: World) -> None:
    """Patterns 16, 26 and 27."""
    row = row_of(moving, "users", "subscription_plan_id IS NOT NULL AND id > 3")
    changed = moving.both(lambda side: side.change_plan(row["email"].upper(), "Pro"))
    assert changed["subscription_plan_id"] == 2
    item = moving.item(f"USER#{row['email'].lower()}", table=moving.tables.users)
    assert (item["SubscriptionPlanName"], item["GSI2PK"]) == ({"S": "Pro"}, {"S": "PLAN#2"})
    assert moving.both(lambda side: side.plan_limits(row["id"]))["max_hints_per_day"] == 30
    assert row["id"] in [each["id"] for each in moving.both(lambda side: side.users_of_plan(2)).rows]
    moving.both(lambda side: side.change_plan(row["email"], None))
    item = moving.item(f"USER#{row['email'].lower()}", table=moving.tables.users)
    assert not {"SubscriptionPlanName", "SubscriptionPlanId", "GSI2PK", "GSI2SK"} & item.keys()
    assert moving.both(lambda side: side.plan_limits(row["id"]))["plan"] is None
    assert moving.both(lambda side: side.change_plan("nobody@example.invalid", "Pro")) is None
    for side in (moving.repository, moving.queries):
        with pytest.raises(InputError, match="no plan"):
            side.change_plan(row["email"], "Gold")


def test_a_plan_is_made_then_changed_and_moves_between_active_and_not(moving: World) -> None:
    """Patterns 28, 29 and 30."""
    made = moving.both(lambda side: side.upsert_plan("Student #1", max_hints_per_day=10))
    assert (made["max_hints_per_day"], made["max_executions_per_day"], made["is_active"]) == (10, 50, True)
    changed = moving.both(lambda side: side.upsert_plan("Student #1", is_active=False, description=None))
    assert changed == made | {"is_active": False, "description": None}
    assert moving.both(lambda side: side.plan_by_name("Student #1")) == changed
    assert changed in moving.both(lambda side: side.all_plans(active=False))
    assert changed not in moving.both(lambda side: side.all_plans(active=True))
    moving.both(lambda side: side.upsert_plan("Student #1", is_active=True))
    with pytest.raises(InputError, match="can't be given"):
        moving.repository.upsert_plan("Student #1", id=7)


def test_completing_a_problem_moves_it_between_lists_in_one_update(moving: World) -> None:
    """Patterns 4 and 5."""
    row = row_of(moving, "problems", "NOT is_completed AND NOT is_deleted")
    key = row["platform"], row["problem_id"]
    for completed, there, gone in ((True, "completed_problems", "draft_problems"),
                                   (False, "draft_problems", "completed_problems")):  # fmt: skip
        moving.both(lambda side: side.complete_problem(*key, completed=completed))  # noqa: B023
        lists = [moving.both(lambda side: getattr(side, name)(limit=1000)).rows for name in (there, gone)]  # noqa: B023
        assert [row["id"] in {each["id"] for each in rows} for rows in lists] == [True, False]


def test_parity_holds_after_all_the_writing(moving: World) -> None:
    assert moving.wrong() == set()
