"""AlgoItny's 33 access patterns, over real tables and in SQL of a real PostgreSQL: equal answers from equal states."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
import servers
from algoitny_world import World, row_of, world
from psycopg.types.json import Jsonb

from assets.algoitny.generator import AS_OF
from assets.algoitny.queries import Queries
from assets.algoitny.repository import Repository
from assets.algoitny.repository.moments import micros
from assets.factory.parity import ParityCase
from billio_pipeline.errors import InputError

READING = {
    1: "problem_by_id", 2: "problem_by_key", 3: "filter_problems", 4: "completed_problems", 5: "draft_problems",
    6: "problem_with_test_cases", 7: "user_history", 8: "public_history", 9: "own_and_public_history",
    10: "history_detail", 11: "filter_history", 13: "test_cases", 14: "usage_count", 16: "plan_limits", 18: "hints",
    20: "job_by_id", 21: "jobs_by_type", 23: "all_users", 24: "user_by_email", 25: "user_by_google_id",
    27: "users_of_plan", 28: "all_plans", 29: "plan_by_name", 31: "user_stats", 32: "usage_stats", 33: "top_users",
}  # fmt: skip
WRITING = {  # each has a test of its own in test_algoitny_writes.py
    12: "create_history", 15: "log_usage", 17: "set_hints", 19: "create_job", 22: "update_job", 26: "change_plan",
    30: "upsert_plan",
}  # fmt: skip


@pytest.fixture(scope="module")
def still(postgres_server: servers.TestPostgres, ministack: str) -> Iterator[World]:
    """Nobody writes to it."""
    yield from world(postgres_server, ministack, 16)


@pytest.fixture(scope="module")
def answered(still: World) -> list[ParityCase]:
    return still.parity(samples=5)


@pytest.fixture
def small(postgres_server: servers.TestPostgres, ministack: str) -> Iterator[World]:
    """Of the test alone."""
    yield from world(postgres_server, ministack, 2)


@pytest.mark.parametrize("pattern", [f"{number} {name}" for number, name in READING.items()])
def test_a_reading_pattern_answers_the_same_on_both_sides(answered: list[ParityCase], pattern: str) -> None:
    cases = [case for case in answered if case.pattern == pattern]
    assert [(case.arguments, case.note) for case in cases if not case.equal] == []
    assert any(case.expected for case in cases), "only empty answers were compared"


def test_every_pattern_is_one_method_of_both_sides_that_says_its_number() -> None:
    sides = []
    for side in (Repository, Queries):
        said = {
            int(found[1]): name
            for name in dir(side)
            if (found := re.match(r"Pattern (\d+)\.", getattr(side, name).__doc__ or ""))
        }
        sides.append(dict(sorted(said.items())))
    assert sides[0] == sides[1] == dict(sorted((READING | WRITING).items()))
    assert list(sides[0]) == list(range(1, 34))


def test_pages_hold_every_row_once_in_order_however_small_they_are(still: World) -> None:
    """Of 16 partitions merged, and of an index."""
    asks: list[Callable[..., Any]] = [
        lambda **page: still.repository.user_history(None, **page),
        lambda **page: still.repository.public_history(**page),
    ]
    for ask in asks:
        whole = ask(limit=1000).rows
        rows, after = [], None
        while True:
            page = ask(limit=5, after=after)
            rows += page.rows
            after = page.cursor
            if after is None:
                break
        assert rows == whole
        assert len(whole) > 10
        assert rows == sorted(rows, key=lambda row: (row["created_at"], row["id"]), reverse=True)


def test_a_cursor_continues_only_its_own_question(still: World) -> None:
    cursor = still.repository.public_history(limit=1).cursor
    assert cursor is not None
    for side in (still.repository, still.queries):
        assert side.public_history(after=cursor).rows
        for ask in (side.draft_problems, side.completed_problems):
            with pytest.raises(InputError, match="cursor"):
                ask(after=cursor)
    with pytest.raises(InputError, match="cursor"):
        still.repository.public_history(after=cursor[:-2])


def test_own_and_public_history_has_each_entry_once(still: World) -> None:
    owner = row_of(still, "search_history", "user_id IS NOT NULL AND is_code_public")["user_id"]
    rows = still.both(lambda side: side.own_and_public_history(owner, limit=1000)).rows
    ids = [row["id"] for row in rows]
    assert len(set(ids)) == len(ids)
    assert {row["user_id"] == owner for row in rows} == {True, False}
    assert all(row["is_code_public"] or row["user_id"] == owner for row in rows)


def test_a_deleted_problem_is_in_no_list_but_found_by_its_keys(still: World) -> None:
    row = row_of(still, "problems", "is_deleted")
    assert still.both(lambda side: side.problem_by_key(row["platform"], row["problem_id"]))["is_deleted"] is True
    assert still.both(lambda side: side.problem_by_id(row["id"]))["is_deleted"] is True
    listed = [
        *still.repository.completed_problems(limit=1000).rows, *still.repository.draft_problems(limit=1000).rows,
        *still.repository.filter_problems(platform=row["platform"], limit=1000).rows,
    ]  # fmt: skip
    assert listed
    assert row["id"] not in {each["id"] for each in listed}


def test_languages_share_an_index_but_not_their_kinds(still: World) -> None:
    """Problems and history are both under LANGUAGE# in GSI3."""
    language = row_of(still, "problems", "language IS NOT NULL AND NOT is_deleted")["language"]
    assert all("tags" in row for row in still.both(lambda side: side.filter_problems(language=language)).rows)
    assert all("code" in row for row in still.both(lambda side: side.filter_history(language=language)).rows)


def test_a_number_sign_in_an_id_leads_to_no_other_problem(still: World) -> None:
    """`codeforces` / `1501#B` and `codeforces#1501` / `B` are one key, but only one of them is a problem."""
    row = row_of(still, "problems", "problem_id LIKE '%#%'")
    number, _, letter = row["problem_id"].partition("#")
    for ask in ("problem_by_key", "problem_with_test_cases", "test_cases"):
        assert still.both(lambda side: getattr(side, ask)(row["platform"], row["problem_id"]))  # noqa: B023
        assert not still.both(lambda side: getattr(side, ask)(f"{row['platform']}#{number}", letter))  # noqa: B023


def test_an_email_is_found_in_any_case_and_a_google_id_of_nobody_by_none(still: World) -> None:
    row = row_of(still, "users", "email <> lower(email)")
    for email in (row["email"], row["email"].upper(), row["email"].lower()):
        assert still.both(lambda side: side.user_by_email(email))["email"] == row["email"]  # noqa: B023
    assert still.both(lambda side: side.user_by_google_id("nobody")) is None


def test_entries_written_in_whole_seconds_are_read_and_stand_in_order_of_time(small: World) -> None:
    """Another writer's sort keys sort `…00Z` behind `…00.400000Z`, though it is earlier."""
    entry = row_of(small, "search_history", "user_id IS NOT NULL")
    user = entry["user_id"]
    begin = (AS_OF + timedelta(days=1)).replace(microsecond=0)
    small.connection.execute("DELETE FROM search_history WHERE user_id = %s", [user])
    for item in small.client.scan(TableName=small.tables.main)["Items"]:
        if item["PK"]["S"] == f"USER#{user}" and item["SK"]["S"].startswith("HISTORY#"):
            template = item
            small.client.delete_item(TableName=small.tables.main, Key={"PK": item["PK"], "SK": item["SK"]})
    for id, millis, text in ((7001, 0, "Z"), (7002, 400, ".400Z"), (7003, 900, ".900000Z"), (7004, 1000, None)):
        at = begin + timedelta(milliseconds=millis)
        written = at.strftime("%Y-%m-%dT%H:%M:%S") + (text or "Z")
        keys = {"SK": f"HISTORY#{written}#{id}", "CreatedAt": written, "HistoryId": str(id), "GSI2SK": written}
        small.put(template | {name: {"S": value} for name, value in keys.items()})
        columns = {**entry, "id": id, "created_at": at}
        names = ", ".join(columns)
        values = [Jsonb(v) if isinstance(v, dict | list) else v for v in columns.values()]
        small.connection.execute(
            f"INSERT INTO search_history ({names}) VALUES ({', '.join(['%s'] * len(values))})",  # noqa: S608
            values,
        )
    rows, after = [], None
    for _ in range(4):
        page = small.repository.user_history(user, limit=1, after=after)
        after = page.cursor
        rows += page.rows
    assert [row["id"] for row in rows] == [7004, 7003, 7002, 7001]
    assert after is None
    assert [row["created_at"] for row in rows] == [micros(begin) + each for each in (1_000_000, 900_000, 400_000, 0)]
    for row in rows:
        assert small.repository.history_detail(user, row["id"], row["created_at"]) == row
        assert small.repository.history_detail(user, row["id"]) == row


def test_counts_of_a_day_keep_actions_apart_and_agree_with_the_logs(still: World) -> None:
    found = {(r["day"], r["action"]): r["count"] for r in still.both(lambda side: side.usage_stats())}
    assert {action for _, action in found} == {"hint", "execution"}
    users = [row["id"] for row in still.repository.all_users(limit=1000).rows]
    for day, action in list(found)[-2:]:
        counts = [still.both(lambda side: side.usage_count(user, action, day)) for user in [*users, None]]  # noqa: B023
        assert sum(counts) == found[day, action]


def test_expired_logs_count_on_neither_side_though_they_are_there(small: World) -> None:
    """The source keeps them all, and DynamoDB removes them some time after they expired."""
    everything = small.connection.execute("SELECT count(*) FROM usage_logs").fetchone()
    stats = small.both(lambda side: side.usage_stats())
    assert everything is not None
    assert 0 < sum(row["count"] for row in stats) < everything[0]
    log = next(i for i in small.client.scan(TableName=small.tables.main)["Items"] if i["EntityType"]["S"] == "UsageLog")
    for days, counts in ((91, 0), (89, 1)):
        written = f"{AS_OF - timedelta(days=days):%Y-%m-%dT%H:%M:%S.%f}Z"
        sk = f"USAGE#{written[:10]}#{log['Action']['S']}#{written}#1"
        small.put(log | {"SK": {"S": sk}, "CreatedAt": {"S": written}})
        before, stats = stats, small.repository.usage_stats()
        assert sum(row["count"] for row in stats) - sum(row["count"] for row in before) == counts


def test_parity_names_what_answers_otherwise(small: World) -> None:
    """A changed item, one missing in its index, a counter that is off, a flag in place of a number, a lost user."""
    first, second = (row_of(small, "problems", f"NOT is_deleted AND id > {least}") for least in (0, 1))
    renamed, flagged = (small.item(f"PROBLEM#{row['platform']}#{row['problem_id']}") for row in (first, second))
    small.put(renamed | {"Title": {"S": first["title"] + "!"}})
    small.connection.execute("UPDATE problems SET metadata = %s WHERE id = %s", ['{"n": 1}', second["id"]])
    small.put(flagged | {"Metadata": {"M": {"n": {"BOOL": True}}}})
    entry = row_of(small, "search_history", "is_code_public AND user_id IS NOT NULL")
    hidden = small.item(
        f"USER#{entry['user_id']}", f"HISTORY#{entry['created_at']:%Y-%m-%dT%H:%M:%S.%f}Z#{entry['id']}"
    )
    small.put({name: value for name, value in hidden.items() if not name.startswith("GSI1")})
    log = row_of(small, "usage_logs", f"user_id IS NOT NULL AND created_at > '{AS_OF - timedelta(days=60)}'")
    counter = small.item(f"USER#{log['user_id']}", f"COUNTER#{log['created_at']:%Y-%m-%d}#{log['action']}")
    small.put(counter | {"Count": {"N": "77"}})
    user = row_of(small, "users", "id > 1")
    small.client.delete_item(
        TableName=small.tables.users,
        Key={"PK": {"S": f"USER#{user['email'].lower()}"}, "SK": {"S": "METADATA"}},
    )
    wrong = [case for case in small.parity(samples=40) if not case.equal]
    notes = {(case.pattern, case.arguments.get("id"), case.note) for case in wrong}
    assert ("1 problem_by_id", first["id"], "differs in title") in notes
    assert ("1 problem_by_id", second["id"], "differs in metadata") in notes
    assert ("14 usage_count", None, f"is 77, not {counter['Count']['N']}") in notes
    numbers = {int(case.pattern.split()[0]) for case in wrong}
    assert {1, 2, 6, 8, 14, 16, 23, 24} <= numbers <= {1, 2, 3, 4, 5, 6, 8, 9, 14, 16, 23, 24, 25, 27}
    assert "14 usage_count, by logs" not in {case.pattern for case in wrong}


def test_parity_leaves_out_rows_that_were_dropped_on_the_way(small: World) -> None:
    user = row_of(small, "users", "id > 1")
    small.client.delete_item(
        TableName=small.tables.users,
        Key={"PK": {"S": f"USER#{user['email'].lower()}"}, "SK": {"S": "METADATA"}},
    )
    small.dropped["users"] = [user["id"]]
    assert small.wrong() == set()


def test_parity_shows_no_password(still: World, answered: list[ParityCase]) -> None:
    hashes = {row["password"] for row in still.repository.all_users(limit=1000).rows if row["password"]}
    assert hashes
    text = str([(case.expected, case.found) for case in answered])
    assert not [each for each in hashes if each in text]
