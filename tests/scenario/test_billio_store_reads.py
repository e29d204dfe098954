"""Reading items on both profiles: filters that combine, pages that neither repeat nor skip, indexes that serve them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import orjson
import psycopg
import pyarrow as pa
import pytest

from assets.billio import queries
from assets.billio.generator import generate
from assets.billio.in_step import application_form
from assets.billio.model import SYSTEM
from assets.billio.queries import Question
from assets.billio.store import Store
from billio_pipeline.codec.compile import Refused, compile
from billio_pipeline.codec.wire import parse
from billio_pipeline.errors import InputError
from billio_pipeline.settings import Settings
from billio_pipeline.stores.retry import Retries
from billio_pipeline.stores.sql.retry import run_transaction
from billio_pipeline.stores.sql.rows import copy_rows
from billio_pipeline.stores.sql.schema import up
from billio_pipeline.stores.sql.target import Target

ITEMS = list(generate(2400, seed=6))
FORMS = [application_form(item) for item in ITEMS]
TITLES = ("100% Pure", "100 Pure", "under_score", "underscore", "back\\slash", "Quiet", "QUIET", "ünïcode")


def rows() -> pa.Table:
    codec, found = compile(SYSTEM), []
    for item in ITEMS:
        parsed = parse(orjson.dumps({"Item": item}))
        assert isinstance(parsed, dict)
        row = codec.to_row(parsed)
        assert not isinstance(row, Refused)
        found.append(row[1])
    return pa.Table.from_pylist(found, schema=SYSTEM.arrow_schema())


@pytest.fixture(params=["dsql_database", "postgres_database"])
def target(request: pytest.FixtureRequest, settings: Settings) -> Iterator[Target]:
    with Target.open(request.getfixturevalue(request.param), settings, connections=2) as opened:
        yield opened


@pytest.fixture
def loaded(target: Target) -> Store:
    up(target, SYSTEM, phase="tables")
    table = rows()
    run_transaction(target, lambda connection: copy_rows(connection, "items", table), retries=Retries())
    up(target, SYSTEM, phase="finish")
    return Store(target)


@pytest.fixture
def store(target: Target) -> Store:
    up(target, SYSTEM)
    return Store(target)


def newest(forms: list[dict[str, Any]], attribute: str = "movedAt") -> list[str]:
    """Ids, newest first; ties by id, as the store breaks them."""
    return [form["id"] for form in sorted(forms, key=lambda f: (f[attribute], f["id"]), reverse=True)]


def walk(ask: Any, first: int, **filters: Any) -> list[str]:
    """Ids on all pages; every page but the last is full and tells the same count."""
    page = ask(first=first, **filters)
    found, count = [item["id"] for item in page.items], page.count
    while page.cursor:
        assert len(page.items) == first
        page = ask(first=first, after=page.cursor, **filters)
        assert page.count == count
        found += [item["id"] for item in page.items]
    assert len(found) == count
    return found


def test_every_pattern_answers_as_the_items_say(loaded: Store) -> None:
    """One long test: the load is what takes time."""
    for form in FORMS[::7]:
        assert loaded.with_id(form["type"], form["id"]) == form
    for name in SYSTEM.by_name:
        own = [form for form in FORMS if form["type"] == name]
        for sort, attribute in (("MOVED_AT", "movedAt"), ("ADDED_AT", "addedAt")):
            of_type = lambda **page: loaded.of_type(name, sort_by=sort, **page)  # noqa: B023, E731
            assert walk(of_type, 100) == newest(own, attribute)
            shelf = own[0]["shelf"]
            on_shelf = lambda **page: loaded.on_shelf(name, shelf, sort_by=sort, **page)  # noqa: B023, E731
            assert walk(on_shelf, 37) == newest([form for form in own if form["shelf"] == shelf], attribute)
    watching = [form for form in FORMS if form["type"] in ("Feature", "TvSeries")]
    assert walk(loaded.for_watching, 90) == newest(watching)
    combined = {
        "search": "qUiEt",
        "min_rating": 6,
        "start": datetime(2008, 1, 1, tzinfo=UTC),
        "end": datetime(2022, 1, 1, tzinfo=UTC),
    }
    expected = [
        form
        for form in watching
        if "quiet" in form["title"].lower() and (form.get("rating") or 0) >= 6
        if "2008" <= form["movedAt"] <= "2022-01-01T00:00:00.000Z"
    ]
    assert len(expected) > 5
    assert walk(loaded.for_watching, 4, **combined) == newest(expected)
    ((shared, _),) = Counter(form["externalId"] for form in FORMS if "externalId" in form).most_common(1)
    same = [form for form in FORMS if form.get("externalId") == shared]
    assert [item["id"] for item in loaded.with_external_id(shared)] == newest(same)[::-1]
    series = max((f["seriesId"] for f in FORMS if "seriesId" in f), key=[f.get("seriesId") for f in FORMS].count)
    seasons = [form for form in FORMS if form.get("seriesId") == series]
    by_number = sorted(seasons, key=lambda f: (f["seasonNumber"], f["movedAt"], f["id"]))
    assert loaded.with_series_id(series) == by_number


def test_pages_are_served_by_the_declared_indexes(loaded: Store, target: Target) -> None:
    cases = {
        "idx_type_moved": Question(("Book",)),
        "idx_type_added": Question(("Book",), sort_by="ADDED_AT"),
        "idx_type_shelf_moved": Question(("Book",), "Read"),
        "idx_type_shelf_added": Question(("Book",), "Read", sort_by="ADDED_AT"),
    }
    for index, question in cases.items():
        page = loaded._page(question, 50, None)
        after = queries.Position(0, str(UUID(int=0))) if page.cursor is None else None
        plan = explain(target, queries.page(question, 51, after))
        assert f"Index Scan Backward using {index}" in plan or f"Index Scan using {index}" in plan, plan
        assert "Seq Scan" not in plan
    both = explain(target, queries.page(Question(("Feature", "TvSeries")), 51, None))
    assert both.count("using idx_type_moved") == 2, both
    assert "idx_external_id" in explain(target, queries.by_external_id("igdb:7"))
    assert "idx_series_id" in explain(target, queries.by_series_id(str(uuid4())))


def explain(target: Target, statement: queries.Statement) -> str:
    with target.connection() as connection, connection.transaction():
        connection.execute("SET LOCAL enable_seqscan = off")
        connection.execute("SET LOCAL enable_bitmapscan = off")
        found = connection.execute(psycopg.sql.SQL("EXPLAIN ") + statement[0], statement[1]).fetchall()
    return "\n".join(line for (line,) in found)


def test_search_is_literal_and_ignores_case(store: Store) -> None:
    for title in TITLES:
        store.create({"type": "Book", "shelf": "Read", "title": title, "author": "A"})
    for search, hits in [
        ("%", ["100% Pure"]),
        ("_", ["under_score"]),
        ("\\", ["back\\slash"]),
        ("quiet", ["QUIET", "Quiet"]),
        ("100 ", ["100 Pure"]),
        ("ÜNÏ", ["ünïcode"]),
        ("' OR true --", []),
        ("", sorted(TITLES)),
    ]:
        assert sorted(item["title"] for item in store.of_type("Book", search=search).items) == hits


def test_items_of_any_age_are_found_unless_bounds_say_otherwise(store: Store) -> None:
    times = [
        "0001-01-01T00:00:00.000Z",
        "1999-12-31T23:59:59.999Z",
        "2010-01-01T00:00:00.000Z",
        "9999-12-31T23:59:59.999Z",
    ]
    for time in times:
        store.create({"type": "Book", "shelf": "Read", "title": "T", "author": "A", "movedAt": time, "addedAt": time})
    assert [item["movedAt"] for item in store.of_type("Book").items] == times[::-1]
    start, end = map(datetime.fromisoformat, times[1:3])
    assert [item["movedAt"] for item in store.of_type("Book", start=start, end=end).items] == times[2:0:-1]
    assert store.of_type("Book", start=end + timedelta(microseconds=1), sort_by="ADDED_AT").count == 1


def test_pages_are_stable_while_items_are_added_and_ties_abound(store: Store) -> None:
    tie = "2020-01-01T00:00:00.000Z"
    book = {"type": "Book", "shelf": "Read", "title": "T", "author": "A", "movedAt": tie}
    made = {store.create(book)["id"] for _ in range(9)}
    page = store.of_type("Book", first=4)
    found = [item["id"] for item in page.items]
    newer = store.create(book | {"movedAt": "2021-01-01T00:00:00.000Z"})["id"]
    while page.cursor:
        page = store.of_type("Book", first=4, after=page.cursor)
        found += [item["id"] for item in page.items]
    assert found == sorted(made, reverse=True)
    assert newer not in found
    assert page.count == 10


def test_last_page_has_no_cursor_even_when_full(store: Store) -> None:
    for _ in range(4):
        store.create({"type": "Book", "shelf": "Read", "title": "T", "author": "A"})
    assert store.of_type("Book", first=4).cursor is None
    assert store.of_type("Book", first=3).cursor is not None
    assert store.of_type("Feature").items == []


def test_bad_questions_are_refused(store: Store) -> None:
    for _ in range(3):
        store.create({"type": "Book", "shelf": "Read", "title": "T", "author": "A"})
    cursor = store.of_type("Book", first=1).cursor
    assert cursor is not None
    wrong: list[Any] = [
        lambda: store.of_type("Movie"),
        lambda: store.with_id("Podcast", str(uuid4())),
        lambda: store.of_type("Book", first=0),
        lambda: store.of_type("Book", first=1001),
        lambda: store.of_type("Book", min_rating=11),
        lambda: store.of_type("Book", sort_by="TITLE"),
        lambda: store.of_type("Book", start=datetime(2024, 1, 1)),
        lambda: store.of_type("Book", search="a\0"),
        lambda: store.of_type("Book", search="T", after=cursor),
        lambda: store.of_type("Book", sort_by="ADDED_AT", after=cursor),
        lambda: store.on_shelf("Book", "Read", after=cursor),
        lambda: store.of_type("Book", after=cursor[:-1]),
        lambda: store.of_type("Book", after=""),
    ]
    for ask in wrong:
        with pytest.raises(InputError):
            ask()
    assert store.with_external_id("nothing") == store.with_external_id("a\0") == []
    assert store.with_series_id(str(uuid4())) == store.with_series_id("nonsense") == []
