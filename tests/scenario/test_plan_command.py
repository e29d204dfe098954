"""`billio plan` says of an export what migrating it would do, agrees with what that then does, and writes nothing."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
import wire
from click.testing import Result
from exports import write_export
from staging import quarantine, staged
from typer.testing import CliRunner

from assets.billio.generator import generate, planted
from assets.billio.model import SYSTEM
from billio_pipeline.cli import app
from billio_pipeline.settings import Settings
from billio_pipeline.stores.sql import schema
from billio_pipeline.stores.sql.target import Target

ITEMS = list(generate(600))
BAD = planted()


@pytest.fixture(autouse=True)
def home(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BILLIO_HOME", str(settings.home))
    return settings.home


def billio(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["plan", *map(str, arguments)])


def told(result: Result) -> dict[str, Any]:
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return json.loads(result.stdout)


def exported(folder: Path, *items: dict[str, Any], files: int = 2) -> Path:
    lines = [wire.written(item) for item in items]
    return write_export(folder, [lines[start::files] for start in range(files)])


def left_behind(home: Path) -> list[Path]:
    return [path for path in home.rglob("*") if path.is_file() and "exports" not in path.parts]


def test_a_sound_export_is_fine_and_nothing_is_left_behind(tmp_path: Path, home: Path) -> None:
    result = billio("billio", "--export", exported(tmp_path, *ITEMS), "--json")
    assert result.exit_code == 0
    plan = told(result)
    assert plan["ok"]
    assert plan["problems"] == plan["quarantine"] == []
    assert plan["counts"] == {"source": 600, "accepted": 600, "quarantined": 0, "excluded": 0}
    assert {name: each["source"] for name, each in plan["entities"].items()} == Counter(
        item["type"]["S"].replace("Movie", "Feature") for item in ITEMS
    )
    assert left_behind(home) == []


def test_attributes_are_those_of_every_item_with_what_carries_them(tmp_path: Path) -> None:
    plan = told(billio("billio", "--export", exported(tmp_path, *ITEMS), "--json"))
    books = [item for item in ITEMS if item["type"]["S"] == "Book"]
    attributes = plan["entities"]["Book"]["attributes"]
    for name in {name for book in books for name in book}:
        having = [book for book in books if name in book]
        assert attributes[name]["present"] == len(having), name
        assert attributes[name]["absent"] == len(books) - len(having), name
        assert {t: each["count"] for t, each in attributes[name]["types"].items()} == Counter(
            next(iter(book[name])) for book in having
        ), name
    ratings = [int(book["rating"]["N"]) for book in books if "N" in book.get("rating", {})]
    assert attributes["rating"]["types"]["N"]["min"] == str(min(ratings))
    assert attributes["rating"]["types"]["N"]["max"] == str(max(ratings))
    carriers = {name: attributes[name]["carrier"] for name in ("title", "image.url", "type:id", "author", "image")}
    assert carriers == {
        "title": "column title",
        "image.url": "column image_url",
        "type:id": "derived",
        "author": "rest data",
        "image": "its parts",
    }


def test_what_would_be_quarantined_is_what_is_quarantined(tmp_path: Path, settings: Settings) -> None:
    items = [*ITEMS, *(plant.item for plant in BAD)]
    result = billio("billio", "--export", exported(tmp_path, *items, files=1), "--json")
    assert result.exit_code == 1
    plan = told(result)
    real = quarantine(staged(settings, items))
    assert {each["reason"]: each["count"] for each in plan["quarantine"]} == Counter(row["reason"] for row in real)
    by_place = {row["line"]: row for row in real}
    for each in plan["quarantine"]:
        assert each["cause"]
        assert each["remedy"]
        for example in each["examples"]:
            assert by_place[example["line"]]["message"] == example["message"]
    assert plan["problems"][0] == f"{len(real)} of {len(items)} items would be quarantined"


def test_the_table_says_the_same_as_the_json(tmp_path: Path) -> None:
    items = [*ITEMS, *(plant.item for plant in BAD)]
    result = billio("billio", "--export", exported(tmp_path, *items))
    assert result.exit_code == 1
    for said in ("would be quarantined", "type drift", "collision Title, title differ only in case", "cost", "DPU"):
        assert said in result.stdout
    assert "us-east-1 as of 2026-11-21" in " ".join(result.stdout.split())


def test_duplicates_are_excluded_and_drift_and_collisions_are_named(tmp_path: Path) -> None:
    book = wire.plain(tags={"S": "a"})
    odd = wire.plain(key="11111111-2222-4333-8444-555555555555", tags={"N": "1"}, Notes={"S": "x"}, notes={"S": "y"})
    odd["image_url"] = {"S": "not the column's"}
    plan = told(billio("billio", "--export", exported(tmp_path, book, odd, book), "--json"))
    entity = plan["entities"]["Book"]
    assert (entity["source"], entity["accepted"], entity["excluded"]) == (3, 2, 1)
    assert entity["drift"] == ["tags"]
    assert entity["collisions"] == [
        "Notes, notes differ only in case",
        "image_url is also the name of a column, which carries another attribute",
    ]
    assert plan["ok"]


def test_a_key_too_long_for_an_index_is_foreseen_before_the_target_refuses_it(tmp_path: Path) -> None:
    long = wire.plain(title={"S": "📚" * 400})
    result = billio("billio", "--export", exported(tmp_path, *ITEMS, long), "--json")
    assert result.exit_code == 1
    plan = told(result)
    limit = next(each for each in plan["limits"] if each["name"] == "key of idx_type_title")
    assert (limit["allowed"], limit["most"], limit["beyond"]) == (1_024, 1_600 + len("Book") + 16, 1)
    assert limit["examples"] == [{"entity": "Book", "key": long["id"]["S"], "found": limit["most"]}]
    assert all(each["beyond"] == 0 for each in plan["limits"] if each is not limit)
    on_postgres = told(billio("billio", "--export", tmp_path, "--profile", "postgres", "--json"))
    assert on_postgres["ok"]
    assert "dollars" not in on_postgres["estimate"]


def test_transactions_are_the_batches_a_load_would_commit(tmp_path: Path, settings: Settings) -> None:
    items = list(generate(6_000, seed=5))
    plan = told(billio("billio", "--export", exported(tmp_path, *items, files=1), "--json"))
    stage = staged(settings, items)
    sizes = [rows.num_rows for entity in SYSTEM.entities for _, rows in stage.batches(entity.name)]
    assert plan["transactions"]["count"] == len(sizes)
    assert plan["transactions"]["most_rows"] == max(sizes) + 1  # and its ledger row
    assert plan["transactions"]["rows"] == sum(sizes)


def catalog(dsn: str) -> list[tuple[Any, ...]]:
    """Everything a plan could have left in a database."""
    with psycopg.connect(dsn) as connection:
        return connection.execute(
            "SELECT relname::text, relkind::text, relnatts::int, reltuples::int FROM pg_class c "
            "JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname = 'public' ORDER BY 1"
        ).fetchall()


def test_the_target_is_compared_and_left_as_it_was(tmp_path: Path, dsql_database: str, settings: Settings) -> None:
    export = exported(tmp_path, *ITEMS)
    empty = told(billio("billio", "--export", export, "--target", dsql_database, "--json"))
    assert (empty["ok"], empty["schema"]["drift"]) == (True, [])
    assert {each["state"] for each in empty["schema"]["statements"]} == {"pending"}
    assert catalog(dsql_database) == []
    with Target.open(dsql_database, settings) as target:
        schema.up(target, SYSTEM)
    with psycopg.connect(dsql_database, autocommit=True) as connection:
        connection.execute("ALTER TABLE items ADD COLUMN extra integer")
        connection.execute("DROP INDEX idx_type_title")
    before = catalog(dsql_database)
    result = billio("billio", "--export", export, "--target", dsql_database, "--json")
    assert result.exit_code == 1
    found = {each["kind"]: each["name"] for each in told(result)["schema"]["drift"]}
    assert found == {"extra_column": "items.extra", "missing_index": "idx_type_title"}
    assert catalog(dsql_database) == before


def test_the_page_needs_nothing_else_and_escapes_what_items_hold(tmp_path: Path) -> None:
    evil = "<script>alert(1)</script>\u202e"
    item = wire.plain(rating={"S": evil}) | {evil: {"S": "x"}, "t": {"S": "y"}}
    page = tmp_path / "plan.html"
    result = billio("billio", "--export", exported(tmp_path, *ITEMS[:50], item), "--html", page)
    assert result.exit_code == 1
    text = page.read_text(encoding="utf-8")
    assert "<script" not in text
    assert "\u202e" not in text
    assert "&lt;script&gt;" in text
    assert "http" not in text.replace("http-equiv", "")
    for said in ("wrong_type", "key of idx_type_title", "CREATE TABLE", "addedAt", "DPU", "1 of 51 items"):
        assert said in text, said


def test_a_damaged_export_is_refused_and_nothing_is_left_behind(tmp_path: Path, home: Path) -> None:
    export = exported(tmp_path, *ITEMS)
    data = next((export / "data").glob("*.gz"))
    data.write_bytes(data.read_bytes()[:-20])
    result = billio("billio", "--export", export, "--json")
    assert result.exit_code == 2
    assert told(result)["error"]["code"] == "bad_export"
    assert left_behind(home) == []


@pytest.mark.parametrize(
    "arguments",
    [
        ("--export", "{}"),
        ("billio", "--new", "x", "--export", "{}"),
        ("nothing", "--export", "{}"),
        ("billio", "--export", "{}", "--profile", "oracle"),
        ("billio", "--export", "{}", "--profile", "dsql", "--target", "postgresql://x/y"),
        ("billio", "--export", "{}/absent"),
        ("billio", "--export", "{}", "--html", "/nowhere/at/all.html"),
        ("billio", "--export", "{}", "--out", "x"),
        ("--new", "x", "--export", "{}", "--html", "x.html"),
        ("--new", "Not a name", "--export", "{}"),
    ],
)
def test_bad_input_exits_2_with_a_remedy(arguments: tuple[str, ...], tmp_path: Path) -> None:
    exported(tmp_path, *ITEMS[:5])
    result = billio(*(each.format(tmp_path) for each in arguments), "--json")
    assert result.exit_code == 2
    assert told(result)["error"]["remedy"]


def test_processes_profile_the_same_as_one(tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    from billio_pipeline.plan import survey

    stage = staged(replace(settings, workers=2), ITEMS, [plant.item for plant in BAD])
    one = survey.survey(stage, workers=1)
    monkeypatch.setattr(survey, "_WORTH_PROCESSES", 0)
    two = survey.survey(stage, workers=2)
    assert one == two
