"""Creating, updating and deleting items, on both profiles: what the application relied on, and what it got wrong."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import uuid4

import orjson
import psycopg
import pytest

from assets.billio.generator import generate
from assets.billio.in_step import application_form
from assets.billio.model import SYSTEM
from assets.billio.store import AlreadyExists, HasSeasons, NotFound, Store
from billio_pipeline.codec.compile import Refused, compile
from billio_pipeline.codec.wire import parse
from billio_pipeline.errors import InputError, TargetError
from billio_pipeline.settings import Settings
from billio_pipeline.stores.sql.schema import up
from billio_pipeline.stores.sql.target import Target

BOOK = {"type": "Book", "shelf": "Reading", "title": "The Quiet Archive", "author": "A. N. Author"}


@pytest.fixture(params=["dsql_database", "postgres_database"])
def target(request: pytest.FixtureRequest, settings: Settings) -> Iterator[Target]:
    with Target.open(request.getfixturevalue(request.param), settings, connections=4) as opened:
        up(opened, SYSTEM)
        yield opened


@pytest.fixture
def store(target: Target) -> Store:
    return Store(target)


def test_created_item_comes_back_as_given(store: Store) -> None:
    given = BOOK | {
        "id": str(uuid4()),
        "rating": 9,
        "notes": "naïve 📚",
        "addedAt": "2021-03-04T09:15:00.123Z",
        "movedAt": "2009-01-01T00:00:00.000Z",
        "externalId": "googlebooks:x",
        "image": {"url": "a_o.jpg", "width": 780, "height": 1170, "sizes": [{"size": "StandardV1", "width": 128}]},
        "reread": False,
        "hours": Decimal("12345678901234567890.123456789"),
        "tags": {"b", "a"},
    }
    assert store.create(given) == store.with_id("Book", given["id"]) == given | {"tags": ["a", "b"]}


def test_created_item_gets_an_id_and_times(store: Store) -> None:
    before = datetime.now(UTC) - timedelta(milliseconds=1)
    made = store.create(BOOK)
    assert made["addedAt"] == made["movedAt"]
    assert before <= datetime.fromisoformat(made["movedAt"]) <= datetime.now(UTC)
    assert store.with_id("Book", made["id"]) == made
    assert store.with_id("VideoGame", made["id"]) is None
    assert store.with_id("Book", made["id"].upper()) is None


def test_create_refuses_what_the_declaration_refuses(store: Store) -> None:
    wrong: list[dict] = [
        {"type": "Podcast"},
        {"type": "Movie"},
        {"rating": 11},
        {"rating": Decimal("8.5")},
        {"rating": "8"},
        {"rating": 8.0},
        {"title": None},
        {"title": "x" * 501},
        {"title": "a\0b"},
        {"title": "\ud800"},
        {"id": "not-a-uuid"},
        {"movedAt": "yesterday"},
        {"movedAt": datetime(2024, 1, 1)},  # no offset
        {"author": 5},
        {"seriesId": str(uuid4())},
        {"$dynamodb": {}},
        {"type:shelf": "Book:Read"},
        {"category": "Watching"},
    ]
    for each in wrong:
        with pytest.raises(InputError):
            pytest.fail(f"accepted: {each} {store.create(BOOK | each)}")
    assert store.of_type("Book").count == 0


def test_create_refuses_an_id_that_is_taken_under_any_type(store: Store) -> None:
    made = store.create(BOOK)
    for again in (BOOK, {"type": "Feature", "shelf": "Watched", "title": "T"}):
        with pytest.raises(AlreadyExists, match=made["id"]):
            store.create(again | {"id": made["id"]})
    assert store.with_id("Book", made["id"]) == made


def test_season_needs_a_series_that_exists_and_is_one(store: Store) -> None:
    season = {"type": "TvSeason", "shelf": "Watching", "title": "S: Season 1", "seasonNumber": 1}
    for wrong in (str(uuid4()), store.create(BOOK)["id"]):
        with pytest.raises(InputError, match="no TvSeries"):
            store.create(season | {"seriesId": wrong})
    assert store.of_type("TvSeason").count == 0


def test_update_merges_data_and_leaves_all_else(store: Store) -> None:
    game = store.create(
        {"type": "VideoGame", "shelf": "Playing", "title": "G", "platforms": ["Pc"], "devices": [], "hoursPlayed": 1}
    )
    changed = store.update("VideoGame", game["id"], {"hoursPlayed": Decimal("2.5"), "rating": 7, "notes": "n"})
    assert changed == store.with_id("VideoGame", game["id"])
    assert changed == game | {"hoursPlayed": Decimal("2.5"), "rating": 7, "notes": "n"}
    assert store.update("VideoGame", game["id"], {"rating": None, "devices": None}) == {
        name: value for name, value in changed.items() if name not in ("rating", "devices")
    }


def test_update_of_shelf_moves_moved_at_unless_it_is_given(store: Store) -> None:
    old = "2020-01-01T00:00:00.000Z"
    made = store.create(BOOK | {"movedAt": old, "addedAt": old})
    assert store.update("Book", made["id"], {"title": "Other"})["movedAt"] == old
    assert store.update("Book", made["id"], {"shelf": "Reading"})["movedAt"] == old
    moved = store.update("Book", made["id"], {"shelf": "Read"})
    assert (moved["shelf"], moved["addedAt"]) == ("Read", old)
    assert datetime.now(UTC) - datetime.fromisoformat(moved["movedAt"]) < timedelta(minutes=1)
    given = store.update("Book", made["id"], {"shelf": "DidNotFinish", "movedAt": "2022-02-02T02:02:02.002Z"})
    assert given["movedAt"] == "2022-02-02T02:02:02.002Z"


def test_update_refuses_what_is_absent_or_wrong(store: Store) -> None:
    made = store.create(BOOK)
    for type, id in (("Feature", made["id"]), ("Book", str(uuid4())), ("Book", "nonsense")):
        with pytest.raises(NotFound):
            store.update(type, id, {"rating": 5})
    for changes in (
        {"rating": 0},
        {"id": str(uuid4())},
        {"type": "Feature"},
        {"title": None},
        {"$dynamodb": 1},
        {"category": "x"},
    ):
        with pytest.raises(InputError):
            store.update("Book", made["id"], changes)
    assert store.with_id("Book", made["id"]) == made


def test_update_keeps_what_a_migrated_item_remembers(target: Target, store: Store) -> None:
    """A legacy Movie with sets and binary, updated: its row still rebuilds, and as a Movie."""
    codec = compile(SYSTEM)
    item = next(i for i in generate(4000) if i["type"]["S"] == "Movie") | {
        "x-texts": {"SS": ["b", "a"]}, "x-binary": {"B": "AAE="}, "type:shelf": {"S": "out of step"}
    }  # fmt: skip
    parsed = parse(orjson.dumps({"Item": item}))
    assert isinstance(parsed, dict)
    found = codec.to_row(parsed)
    assert not isinstance(found, Refused)
    insert_row(target, found[1])
    id = item["id"]["S"]
    assert store.with_id("Feature", id) == application_form(item)
    store.update("Feature", id, {"rating": 3, "shelf": "Watched", "movedAt": "2025-05-05T05:05:05.005Z"})
    rebuilt = codec.to_item(found[0], read_row(target, id))
    assert rebuilt == item | {
        "rating": {"N": "3"}, "movedAt": {"N": "1746421505005"}, "x-texts": {"SS": ["a", "b"]},
        "type:shelf": {"S": "Movie:Watched"},
    }  # fmt: skip


def test_delete_removes_one_item_once(store: Store) -> None:
    made, other = store.create(BOOK), store.create(BOOK)
    store.delete("Book", made["id"])
    assert store.with_id("Book", made["id"]) is None
    for type, id in (("Book", made["id"]), ("Feature", other["id"]), ("Book", "nonsense")):
        with pytest.raises(NotFound):
            store.delete(type, id)
    assert store.of_type("Book").items == [other]


@pytest.mark.parametrize("constrained", [True, False], ids=["foreign key", "no foreign key"])
def test_series_with_seasons_refuses_to_be_deleted(target: Target, store: Store, constrained: bool) -> None:
    if not constrained:
        drop_references(target)
    series, season = series_with_season(store)
    with pytest.raises(HasSeasons, match=series["id"]):
        store.delete("TvSeries", series["id"])
    assert store.with_id("TvSeries", series["id"]) == series
    store.delete("TvSeason", season["id"])
    store.delete("TvSeries", series["id"])
    assert store.of_type("TvSeries").count == 0


@pytest.mark.parametrize("constrained", [True, False], ids=["foreign key", "no foreign key"])
def test_series_deleted_while_a_season_is_added_leaves_no_orphan(
    target: Target, store: Store, constrained: bool
) -> None:
    if not constrained:
        drop_references(target)
    for _ in range(15):
        series, season = series_with_season(store)
        store.delete("TvSeason", season["id"])
        start, raised = threading.Barrier(2), []

        def add(series: dict = series, start: threading.Barrier = start, raised: list = raised) -> None:
            start.wait()
            try:
                store.create(new_season(series))
            except InputError as error:
                raised.append(error)

        def remove(series: dict = series, start: threading.Barrier = start, raised: list = raised) -> None:
            start.wait()
            try:
                store.delete("TvSeries", series["id"])
            except HasSeasons as error:
                raised.append(error)

        threads = [threading.Thread(target=work) for work in (add, remove)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        there = store.with_id("TvSeries", series["id"]) is not None
        assert len(raised) == 1, "one of the two must have been refused"
        assert len(store.with_series_id(series["id"])) == there


def test_concurrent_updates_of_one_item_are_all_kept(store: Store) -> None:
    made = store.create(BOOK)

    def change(name: str) -> None:
        for value in range(5):
            store.update("Book", made["id"], {name: value})

    threads = [threading.Thread(target=change, args=(f"x{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.with_id("Book", made["id"]) == made | {f"x{number}": 4 for number in range(4)}


def test_writes_survive_conflicts_at_commit(dsql_database: str, settings: Settings) -> None:
    with Target.open(dsql_database, replace(settings, dsql_occ_rate=0.2), connections=1) as target:
        up(target, SYSTEM)
        store = Store(target)
        made = [store.create(BOOK | {"title": str(number)}) for number in range(20)]
        for item in made:
            store.update("Book", item["id"], {"rating": 5})
        for item in made[:10]:
            store.delete("Book", item["id"])
        assert store.of_type("Book").count == 10
        assert store.retries.as_dict().get("40001", 0) > 0


def test_missing_table_says_what_to_do(postgres_database: str, settings: Settings) -> None:
    with Target.open(postgres_database, settings) as target, pytest.raises(TargetError, match="schema up"):
        Store(target).of_type("Book")


def series_with_season(store: Store) -> tuple[dict, dict]:
    series = store.create({"type": "TvSeries", "shelf": "Watching", "title": "S", "releaseYear": "2020"})
    return series, store.create(new_season(series))


def new_season(series: dict) -> dict:
    return {
        "type": "TvSeason", "shelf": "Watching", "title": "S: Season 1", "seasonNumber": 1, "seriesId": series["id"]
    }  # fmt: skip


def insert_row(target: Target, row: dict) -> None:
    from assets.billio.queries import insert

    with target.connection() as connection:
        connection.execute(*insert(row))


def read_row(target: Target, id: str) -> dict:
    from assets.billio.queries import by_key

    with target.connection() as connection, connection.cursor(row_factory=psycopg.rows.dict_row) as cursor:
        row = cursor.execute(*by_key("Feature", id)).fetchone()
    assert row is not None
    return row


def drop_references(target: Target) -> None:
    with target.connection() as connection:
        connection.execute("ALTER TABLE items DROP CONSTRAINT items_series_id_fkey")
