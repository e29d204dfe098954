"""`billio query billio …` as a user runs it: a table for people, exact JSON for programs, exit 2 for bad input."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from decimal import Decimal

import pytest
from typer.testing import CliRunner, Result

from assets.billio.model import SYSTEM
from assets.billio.store import Store
from billio_pipeline.cli.query import app
from billio_pipeline.settings import Settings
from billio_pipeline.stores.sql.schema import up
from billio_pipeline.stores.sql.target import Target

Ask = Callable[..., Result]


@pytest.fixture
def store(dsql_database: str, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.setenv("BILLIO_POSTGRES_DSN", dsql_database)
    monkeypatch.setenv("BILLIO_HOME", str(settings.home))
    with Target.open(dsql_database, settings, connections=1) as target:
        up(target, SYSTEM, phase="tables")
        yield Store(target)


@pytest.fixture
def ask(store: Store) -> Ask:
    return lambda *arguments: CliRunner().invoke(app, ["billio", *arguments])


def books(store: Store, count: int = 3) -> list[dict]:
    return [
        store.create(
            {
                "type": "Book",
                "shelf": "Read",
                "title": f"The [b]Quiet[/b] {rating}",
                "author": "A",
                "rating": rating,
                "externalId": "googlebooks:x",
                "movedAt": f"2024-0{rating}-01T00:00:00.000Z",
                "hours": Decimal("12345678901234567890.5"),
            }
        )
        for rating in range(7, 7 + count)
    ]


def test_search_and_rating_combine(store: Store, ask: Ask) -> None:
    books(store)
    shown = ask("of-type", "Book", "--search", "quiet", "--min-rating", "8")
    assert shown.exit_code == 0, shown.output
    assert "The [b]Quiet[/b] 9" in shown.output
    assert "The [b]Quiet[/b] 7" not in shown.output
    assert "2 of 2" in shown.output


def test_json_has_items_count_cursor_and_exact_numbers(store: Store, ask: Ask) -> None:
    made = books(store)
    page = json.loads(ask("of-type", "Book", "--first", "2", "--json").stdout, parse_float=Decimal)
    assert page == {"items": made[:0:-1], "count": 3, "cursor": page["cursor"]}
    rest = ask("of-type", "Book", "--first", "2", "--after", page["cursor"], "--json").stdout
    assert json.loads(rest, parse_float=Decimal) == {"items": made[:1], "count": 3, "cursor": None}


def test_every_pattern_answers(store: Store, ask: Ask) -> None:
    made = books(store, 2)
    series = store.create({"type": "TvSeries", "shelf": "Watching", "title": "S"})
    season = store.create(
        {"type": "TvSeason", "shelf": "Watching", "title": "S: 1", "seasonNumber": 1, "seriesId": series["id"]}
    )
    bounds = ["--start", "2024-08-01", "--end", "2024-08-01", "--sort", "moved_at"]
    for arguments, expected in (
        (["with-id", "Book", made[0]["id"]], made[:1]),
        (["with-id", "Feature", made[0]["id"]], []),
        (["with-external-id", "googlebooks:x"], made),
        (["with-series-id", series["id"]], [season]),
        (["on-shelf", "Book", "Read"], made[::-1]),
        (["on-shelf", "Book", "Read", *bounds], made[1:]),
        (["for-watching"], [series]),
    ):
        found = ask(*arguments, "--json")
        assert found.exit_code == 0, found.output
        assert json.loads(found.stdout, parse_float=Decimal)["items"] == expected


def test_bad_input_exits_2(ask: Ask) -> None:
    for arguments in [
        ["of-type", "Movie"],
        ["of-type", "Book", "--start", "yesterday"],
        ["of-type", "Book", "--first", "0"],
        ["of-type", "Book", "--min-rating", "11"],
        ["of-type", "Book", "--sort", "TITLE"],
        ["of-type", "Book", "--after", "nonsense"],
        ["of-type"],
        ["of-type", "Book", "--target", "postgresql://127.0.0.1:1/none"],
    ]:
        assert ask(*arguments).exit_code == 2, arguments
        found = ask(*arguments, "--json")
        assert found.exit_code == 2
        assert found.stdout == "" or json.loads(found.stdout)["error"]["remedy"]
