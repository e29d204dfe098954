"""The generator's promises: same seed same rows, and every shape and defect the migration has to bear."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.algoitny.generator import AS_OF, generate, poisoned
from assets.algoitny.source import TABLES, JsonText, Row, fixture_rows, json_text
from billio_pipeline.model.canonical import parse_jsonb

FIXTURE = Path(__file__).parents[1] / "fixtures/algoitny_relational.json"
ROWS = {table: list(rows) for table, rows in generate(120).items()}
TODAY = AS_OF.replace(hour=0, minute=0, second=0, microsecond=0)


def days_before(moment: datetime) -> float:
    return (AS_OF - moment) / timedelta(days=1)


def test_deterministic_for_one_seed() -> None:
    assert {table: list(rows) for table, rows in generate(30).items()} == {
        table: list(rows) for table, rows in generate(30).items()
    }
    assert list(generate(30)["usage_logs"]) != list(generate(30, seed=1)["usage_logs"])


def test_columns_are_those_of_the_source() -> None:
    assert set(ROWS) == set(TABLES)
    for table, rows in fixture_rows(FIXTURE).items():
        assert {frozenset(row) for row in (*ROWS[table], *rows)} == {frozenset(rows[0])}, table


@pytest.mark.parametrize("users", [1, 2, 10])
def test_few_users_do(users: int) -> None:
    rows = generate(users, as_of=datetime(2025, 1, 1, tzinfo=UTC), poison=True)  # midnight: today has just begun
    assert len(rows["users"]) == users + 3
    assert all(list(each) for each in rows.values())


def test_a_table_is_a_sequence_made_when_asked_for() -> None:
    rows = generate(10**9)["usage_logs"]
    assert isinstance(rows, Sequence)
    assert len(rows) == 20 * 10**9
    assert rows[10**10]["id"] == 1 + 10**10 // 5 * 8
    assert rows[-2:] == [rows[len(rows) - 2], rows[len(rows) - 1]]
    with pytest.raises(IndexError):
        rows[len(rows)]


def test_references_lead_to_rows_and_ids_are_unique() -> None:
    ids = {table: [row["id"] for row in rows] for table, rows in ROWS.items()}
    assert all(len(set(each)) == len(each) for each in ids.values())
    for table, column, other in (
        ("users", "subscription_plan_id", "subscription_plans"),
        ("test_cases", "problem_id", "problems"),
        ("search_history", "problem_id", "problems"),
        ("search_history", "user_id", "users"),
        ("usage_logs", "problem_id", "problems"),
        ("usage_logs", "user_id", "users"),
    ):
        assert {row[column] for row in ROWS[table]} - {None} <= set(ids[other]), (table, column)
    named = [row["celery_task_id"] for row in ROWS["script_generation_jobs"] if row["celery_task_id"]]
    assert [row["task_id"] for row in ROWS["task_results"]] == named
    assert max(ids["search_history"]) > 2**53


def test_emails_have_capitals_and_differ_by_more_than_case() -> None:
    emails = [row["email"] for row in ROWS["users"]]
    assert any(email != email.lower() for email in emails)
    assert len({email.lower() for email in emails}) == len(emails)
    assert "" not in {row["google_id"] for row in ROWS["users"]}


@pytest.mark.parametrize(
    ("table", "column"),
    [
        ("users", "google_id"),
        ("users", "subscription_plan_id"),
        ("users", "last_login"),
        ("problems", "language"),
        ("problems", "solution_code"),
        ("problems", "deleted_reason"),
        ("search_history", "user_id"),
        ("search_history", "language"),
        ("search_history", "test_results"),
        ("script_generation_jobs", "celery_task_id"),
        ("script_generation_jobs", "language"),
        ("usage_logs", "problem_id"),
        ("usage_logs", "user_id"),
        ("task_results", "result"),
    ],
)
def test_a_column_is_null_in_some_rows_and_not_in_others(table: str, column: str) -> None:
    assert {row[column] is None for row in ROWS[table]} == {True, False}


def test_texts_are_empty_null_and_full_of_what_breaks_keys() -> None:
    assert "" in {row["input"] for row in ROWS["test_cases"]}
    assert {"", None} < {row["constraints"] for row in ROWS["problems"]}
    assert {"", None} < {row["picture"] for row in ROWS["users"]}
    assert any("#" in row["problem_id"] for row in ROWS["problems"])
    assert any(not row["problem_id"].isascii() for row in ROWS["problems"])
    assert len({(row["platform"], row["problem_id"]) for row in ROWS["problems"]}) == len(ROWS["problems"])


def test_documents_hold_exact_decimals_big_integers_and_nulls() -> None:
    times = {each["execution_time"] for row in ROWS["search_history"] for each in dicts(row["test_results"])}
    assert {Decimal("0.002"), Decimal("0.1"), Decimal("0.30000000000000004")} < times
    assert "1.0" in map(str, times)
    assert Decimal(123456789012345678901234567890) in {row["metadata"].get("big") for row in ROWS["problems"]}
    results = [row["test_results"] for row in ROWS["search_history"]]
    assert JsonText("null") in results
    assert None in results
    assert [] in results


def dicts(document: object) -> list[dict]:
    return document if isinstance(document, list) else []


def test_history_is_public_private_anonymous_and_keeps_old_titles() -> None:
    titles = {row["id"]: row["title"] for row in ROWS["problems"]}
    history = ROWS["search_history"]
    assert {row["is_code_public"] for row in history} == {True, False}
    assert {row["user_identifier"] for row in history if row["user_id"] is None} == {"anonymous"}
    assert {row["problem_title"] == titles[row["problem_id"]] for row in history} == {True, False}
    assert {row["is_deleted"] for row in ROWS["problems"]} == {True, False}
    assert all((row["deleted_at"] is not None) == row["is_deleted"] for row in ROWS["problems"])


def test_usage_is_expired_about_to_and_of_today() -> None:
    ages = [days_before(row["created_at"]) for row in ROWS["usage_logs"]]
    assert min(ages) > 0
    assert sum(age > 90 for age in ages) > 100
    assert sum(80 < age <= 90 for age in ages) > 100
    assert sum(row["created_at"] >= TODAY for row in ROWS["usage_logs"]) > 100


def test_usage_of_one_user_and_action_falls_into_one_second_and_one_microsecond() -> None:
    by_second: dict[tuple, list[datetime]] = defaultdict(list)
    for row in ROWS["usage_logs"]:
        created = row["created_at"]
        by_second[row["user_id"], row["action"], created.replace(microsecond=0)].append(created)
    same = [moments for moments in by_second.values() if len(moments) >= 3]
    assert len(same) > 100
    assert all(len(set(moments)) >= 2 for moments in same), "no distinct microseconds"
    assert any(max(Counter(moments).values()) >= 2 for moments in same), "no equal microseconds"


def test_times_come_whole_in_milliseconds_and_in_microseconds() -> None:
    fractions = [row["created_at"].microsecond for row in ROWS["search_history"]]
    assert (
        min(fractions.count(0), sum(f > 0 and f % 1000 == 0 for f in fractions), sum(f % 1000 > 0 for f in fractions))
        > 50
    )


def test_nothing_is_later_than_as_of() -> None:
    for table, rows in generate(60, as_of=AS_OF).items():
        for row in rows:
            assert all(value <= AS_OF for value in row.values() if isinstance(value, datetime)), (table, row["id"])


def test_poison_stands_at_the_ends_of_tables_only_when_asked_for() -> None:
    bad, rows, plain = poisoned(40), generate(40, poison=True), generate(40)
    assert {each.table for each in bad} == {"users", "problems", "test_cases"}
    for table in TABLES:
        expected = [each.row for each in bad if each.table == table]
        assert list(rows[table]) == [*plain[table], *expected]
    twice = [row["email"].lower() for row in rows["users"]]
    assert len(twice) - len(set(twice)) == 1
    sizes = [len((row["input"] + row["output"]).encode()) for row in rows["test_cases"]]
    assert sum(size > 400 * 1024 for size in sizes) == 2
    assert max(len(row["input"] + row["output"]) for row in plain["test_cases"]) < 100_000


DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.decimals(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@hypothesis.settings(max_examples=50)
@given(DOCUMENTS)
def test_a_document_is_written_with_every_number_as_it_is(document: Row) -> None:
    assert parse_jsonb(json_text(document)) == document
