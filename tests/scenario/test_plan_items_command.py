"""`billio plan` of a migration into DynamoDB says what migrating would do, and touches neither source nor target."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import Result
from typer.testing import CliRunner

from assets.algoitny.generator import generate, poisoned
from assets.algoitny.model import SYSTEM
from assets.algoitny.source import load_source
from assets.thrivecalc.generator import write
from billio_pipeline.cli import app
from billio_pipeline.settings import Settings
from billio_pipeline.stores.objects import open_store

NOW = datetime.now(UTC)


def billio(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["plan", *map(str, arguments)])


def told(result: Result) -> dict[str, Any]:
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return json.loads(result.stdout)


@pytest.fixture(autouse=True)
def home(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BILLIO_HOME", str(settings.home))
    return settings.home


@pytest.fixture
def source(postgres_database: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """AlgoItny's database, with rows that DynamoDB must refuse."""
    load_source(postgres_database, generate(20, as_of=NOW, poison=True))
    monkeypatch.setenv("BILLIO_ALGOITNY_DSN", postgres_database)
    return postgres_database


def contents(dsn: str) -> list[Any]:
    """All that a plan could have changed in a source."""
    with psycopg.connect(dsn) as connection:
        tables = connection.execute("SELECT tablename::text FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
        names = [name for (name,) in tables.fetchall()]
        hashes = "SELECT %s, md5(string_agg(t::text, '|' ORDER BY id)) FROM {} t"
        return [connection.execute(hashes.format(name).encode(), [name]).fetchone() for name in names]


def left_behind(home: Path) -> list[Path]:
    return [path for path in home.rglob("*") if path.is_file()]


def test_the_plan_says_what_would_become_of_every_row_and_leaves_nothing_behind(source: str, home: Path) -> None:
    before = contents(source)
    result = billio("algoitny", "--wcu", 100, "--json")
    assert result.exit_code == 1
    plan = told(result)
    assert contents(source) == before
    assert left_behind(home) == []

    refused = [each for each in poisoned(20, as_of=NOW) if each.refused]
    rows = generate(20, as_of=NOW, poison=True)
    assert {name: each["source"] for name, each in plan["entities"].items()} == {
        entity.name: len(rows[entity.table.name]) for entity in SYSTEM.entities
    }
    assert plan["counts"]["quarantined"] == len(refused) == sum(each["count"] for each in plan["quarantine"])
    assert {each["reason"] for each in plan["quarantine"]} == {
        "over_dynamodb_limit", "key_conflict", "time_out_of_range",
    }  # fmt: skip
    assert plan["problems"] == [f"{len(refused)} of {plan['counts']['source']} rows would be quarantined"]
    expired = sum(row["created_at"] <= NOW - timedelta(days=90) for row in rows["usage_logs"])
    assert plan["entities"]["UsageLog"]["expired"] == plan["entities"]["UsageLog"]["excluded"] == expired > 0

    assert [(each["definition"]["TableName"], each["create"]) for each in plan["tables"]] == [
        (table.name, True) for table in SYSTEM.tables
    ]
    assert (plan["drift"], plan["target"], plan["unreached"]) == (None, None, None)
    places = plan["tables"][0]["places"]
    assert places["AlgoItny-Main"]["items"] == sum(
        each["accepted"] for each in plan["entities"].values() if each["table"] == "AlgoItny-Main"
    )
    assert (
        places["AlgoItny-Main"]["stored"] == places["AlgoItny-Main"]["bytes"] + 100 * places["AlgoItny-Main"]["items"]
    )
    assert places["GSI1"]["items"] < places["AlgoItny-Main"]["items"]
    assert plan["load"]["write_units"] == sum(p["write_units"] for t in plan["tables"] for p in t["places"].values())
    asked = plan["load"]["times"][0]
    whole = [table["places"][table["definition"]["TableName"]]["write_units"] for table in plan["tables"]]
    assert (asked["units"], asked["seconds"]) == (100, sum(-(-units // 100) for units in whole))
    assert plan["limits"]["near"] == 1
    assert plan["entities"]["TestCase"]["item_bytes"]["largest"] > 400_000


def test_the_bill_follows_the_number_of_users(source: str) -> None:
    running = {users: told(billio("algoitny", "--dau", users, "--json"))["running"] for users in (0, 10_000)}
    for mode in ("declared", "on demand", "provisioned"):
        dollars = [Decimal(each["bills"][mode]["dollars"]) for each in running.values()]
        assert dollars == sorted(dollars)
        lines = [Decimal(line["dollars"]) for line in running[10_000]["bills"][mode]["lines"]]
        assert abs(sum(lines) - dollars[1]) < Decimal("0.00001")
    assert running[0]["break_even"] == running[10_000]["break_even"]
    assert running[10_000]["prices"]["region"] == "us-east-1"
    assert running[10_000]["prices"]["as_of"] == "2026-11-21"
    assert len(running[0]["figures"]) >= 20
    assert running[10_000]["users"] == 10_000


def test_people_are_told_the_same(source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BILLIO_DYNAMODB_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    page = tmp_path / "plan.html"
    result = billio("algoitny", "--dau", 10_000, "--html", page)
    assert result.exit_code == 1
    text = page.read_text(encoding="utf-8")
    for said in (
        "AlgoItny-Main", "Would be quarantined", "Break-even", "The seed", "execute code", "us-east-1, 2026-11-21",
        "no table was compared: ", "USER#twice@example.com", "more than is declared at most",
    ):  # fmt: skip
        assert said in " ".join(result.stdout.split()), said
        assert said in text, said
    assert "<script" not in text


def test_records_are_planned_from_their_tree(tmp_path: Path, settings: Settings, home: Path) -> None:
    write(open_store(tmp_path, settings), 5)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.json")}
    result = billio("thrivecalc", "--export", tmp_path, "--json")
    plan = told(result)
    assert (result.exit_code, plan["problems"]) == (0, [])
    assert plan["counts"]["source"] == len(before)
    assert plan["tables"][0]["places"]["DataTypeIndex"]["items"] == len(before)
    assert {each["what"]: each["ours"] for each in plan["running"]["figures"]}["a million writes"] == "$0.625"
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.json")} == before
    assert left_behind(home) == []


@pytest.mark.parametrize(
    "arguments",
    [
        ("algoitny", "--export", "somewhere"),
        ("algoitny", "--profile", "dsql"),
        ("algoitny", "--target", "postgresql://x/y"),
        ("algoitny", "--key", "PK"),
        ("algoitny", "--dau", "-1"),
        ("billio", "--export", "somewhere", "--dau", "5"),
        ("billio", "--export", "somewhere", "--wcu", "5"),
        ("billio",),
        ("thrivecalc",),
        ("thrivecalc", "--export", "/nowhere/at/all"),
    ],
)
def test_bad_input_exits_2_with_a_remedy(arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BILLIO_ALGOITNY_DSN", "postgresql://nobody@127.0.0.1:1/none")
    result = billio(*arguments, "--json")
    assert result.exit_code == 2
    if "-1" not in arguments:
        assert told(result)["error"]["remedy"]


def test_a_target_that_is_named_must_answer(source: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    result = billio("algoitny", "--target", "http://127.0.0.1:1", "--json")
    assert result.exit_code != 0
    assert told(result)["error"]["remedy"]
    assert left_behind(home) == []
