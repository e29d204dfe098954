"""`billio schema up | status | plan`: what they print, their JSON, their exit codes."""

from __future__ import annotations

import json

import psycopg
import pytest
from typer.testing import CliRunner

from assets.billio.model import SYSTEM
from billio_pipeline.cli.schema import app
from billio_pipeline.stores.sql import lint


def billio(*arguments):
    return CliRunner().invoke(app, list(arguments))


def told(result):
    return json.loads(result.stdout)


def test_plan_for_a_profile_needs_no_database():
    result = billio("plan", "--profile", "dsql", "--json")
    assert result.exit_code == 0
    plan = told(result)
    assert (plan["system"], plan["target"], plan["profile"]) == ("billio", None, "dsql")
    assert plan["lint"] == {"clean": True, "dsql_lint": lint.linter_version()}
    assert [step["name"] for step in plan["steps"]][2] == "0003_items"
    title = next(step for step in plan["steps"] if step["object"] == "idx_type_title")
    assert title["sql"].startswith("CREATE INDEX ASYNC")
    assert [finding["rule"] for finding in title["findings"]] == ["index_key_bytes"]
    assert title["state"] is None


def test_plan_prints_every_statement_ready_for_psql():
    result = billio("plan", "--profile", "postgres")
    assert result.exit_code == 0
    assert '("type", "rating" DESC NULLS LAST);' in result.stdout
    assert result.stdout.count("lint: ") == 16


def test_plan_exits_1_when_nothing_could_be_linted(monkeypatch):
    monkeypatch.setattr(lint, "linter", lambda: None)
    result = billio("plan", "--profile", "dsql")
    assert result.exit_code == 1
    assert "not_linted" in result.stdout


@pytest.mark.parametrize("fixture", ["postgres_database", "dsql_database"])
def test_up_then_status_then_plan_agree(fixture, request):
    dsn = request.getfixturevalue(fixture)
    before = told(billio("status", "--target", dsn, "--json"))
    assert (len(before["applied"]), len(before["pending"]), before["drift"]) == (0, 16, [])
    first = billio("up", "--target", dsn, "--json")
    assert first.exit_code == 0
    assert told(first)["ok"] is True
    assert {step["outcome"] for step in told(first)["steps"]} == {"applied"}
    second = billio("up", "billio", "--target", dsn)
    assert second.exit_code == 0
    assert "16 present" in second.stdout
    status = billio("status", "--target", dsn, "--json")
    assert status.exit_code == 0
    assert (len(told(status)["applied"]), told(status)["pending"], told(status)["drift"]) == (16, [], [])
    plan = told(billio("plan", "--target", dsn, "--json"))
    assert {step["state"] for step in plan["steps"]} == {"applied"}
    assert plan["profile"] == fixture.removesuffix("_database")


def test_status_exits_1_and_names_drift(postgres_database):
    billio("up", "--target", postgres_database)
    with psycopg.connect(postgres_database, autocommit=True) as connection:
        connection.execute("ALTER TABLE items ALTER rating TYPE bigint")
    result = billio("status", "--target", postgres_database)
    assert result.exit_code == 1
    assert "column_type items.rating: expected integer, found bigint" in result.stdout
    (difference,) = told(billio("status", "--target", postgres_database, "--json"))["drift"]
    assert (difference["kind"], difference["name"], difference["expected"], difference["found"]) == (
        "column_type",
        "items.rating",
        "integer",
        "bigint",
    )


def test_up_exits_1_and_names_a_constraint_the_rows_violate(postgres_database):
    billio("up", "--target", postgres_database)
    with psycopg.connect(postgres_database, autocommit=True) as connection:
        connection.execute("ALTER TABLE items DROP CONSTRAINT chk_series_id")
        connection.execute(
            "INSERT INTO items (id, type, shelf, title, series_id) VALUES "
            "('00000000-0000-4000-8000-000000000001', 'Book', 's', 't', '00000000-0000-4000-8000-000000000001')"
        )
    result = billio("up", "--target", postgres_database, "--json")
    assert result.exit_code == 1
    (failed,) = [step for step in told(result)["steps"] if step["outcome"] == "failed"]
    assert (failed["name"], failed["sqlstate"]) == ("0006_validate_chk_series_id", "23514")
    assert "chk_series_id" in failed["message"]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("status", "--target", "postgresql://nobody:secret@127.0.0.1:1/none"), 2),
        (("plan", "nosuchsystem", "--profile", "dsql"), 2),
        (("plan", "--profile", "oracle"), 2),
        (("plan", "--profile", "dsql", "--target", "postgresql://127.0.0.1/x"), 2),
    ],
)
def test_bad_input_exits_2_with_a_remedy_and_no_secret(arguments, code):
    result = billio(*arguments, "--json")
    assert result.exit_code == code
    assert told(result)["error"]["remedy"]
    assert "secret" not in result.output


def test_every_declared_index_stands_in_the_plan():
    plan = billio("plan", "--profile", "dsql").stdout
    assert all(index.name in plan for index in SYSTEM.target.indexes)
