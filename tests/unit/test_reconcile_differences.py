"""Every kind of difference between staged and target rows is found, with key and column; equal rows are left alone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from staging import staged
from wire import nested, plain

from assets.billio.model import SYSTEM
from billio_pipeline.model.canonical import jsonb_text, parse_jsonb
from billio_pipeline.settings import Settings
from billio_pipeline.verify.reconcile import SHOWN, Verdict, reconcile, spool

SCHEMA = SYSTEM.arrow_schema()
Row = dict[str, Any]


def uid(n: int) -> str:
    return f"00000000-0000-4000-8000-{n:012d}"


ITEMS = [
    plain(
        key=uid(1),
        title={"S": "Caf\u00e9 "},
        notes={"S": ""},
        rating={"N": "10"},
        deep={"M": {"a": {"L": [{"N": "1"}, {"M": {"b": {"N": "0.10"}}}, {"S": "1"}]}}},
        tags={"SS": ["a", "b"]},
        image={"M": {"url": {"S": "u.jpg"}, "width": {"N": "780"}, "sizes": {"L": [{"N": "1"}, {"N": "2"}]}}},
    ),
    plain(key=uid(2), addedAt={"S": "2021-03-04T09:15:00.123456Z"}, externalId={"S": "googlebooks:1"}),
    plain("TvSeries", uid(3)),
    plain("TvSeries", uid(4), category=None),
    plain("TvSeason", uid(5), seriesId={"S": uid(3)}),
    plain("Feature", uid(6), more=nested(32), nothing={"NULL": True}, truth={"BOOL": False}),
    plain("VideoGame", uid(7), addedAt={"N": "-62135596800000"}, movedAt={"N": "253402300799999"}),
    plain(key=uid(8), rating={"N": "11"}),
]


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    settings = Settings.from_env({"BILLIO_HOME": str(tmp_path_factory.mktemp("home")), "BILLIO_WORKERS": "1"})
    return staged(settings, ITEMS[:4], ITEMS[4:], [ITEMS[0]])


@pytest.fixture
def compared(stage, tmp_path):
    """Compare the staged items with their own rows, after something was done to these."""

    def compare(change: Callable[[dict[str, Row]], Any]) -> Verdict:
        tables = [rows.select(SCHEMA.names) for e in SYSTEM.entities for _, rows in stage.batches(e.name)]
        rows = {row["id"]: row for table in tables for row in table.to_pylist()}
        change(rows)
        target = tmp_path / "target.parquet"
        table = pa.Table.from_pylist(list(reversed(rows.values())), SCHEMA)
        assert spool([table.slice(0, 3), table.slice(3)], target, SCHEMA) == len(rows)
        paths = {entity.name: stage.rows(entity.name) for entity in SYSTEM.entities}
        return reconcile(SYSTEM, paths, stage.dropped, target, tmp_path / "differences.parquet")

    return compare


def data(row: Row, change: Callable[[dict[str, Any]], Any]) -> None:
    held = parse_jsonb(row["data"])
    change(held)
    row["data"] = jsonb_text(held)


def in_data(change: Callable[[dict[str, Any]], Any]) -> Callable[[Row], Any]:
    return lambda row: data(row, change)


CHANGES: dict[str, tuple[int, str, Callable[[Row], Any]]] = {
    "1 ms later": (1, "moved_at", lambda r: r.update(moved_at=r["moved_at"] + timedelta(milliseconds=1))),
    "1 µs earlier": (2, "added_at", lambda r: r.update(added_at=r["added_at"] - timedelta(microseconds=1))),
    "a day later, at the end of time": (7, "moved_at", lambda r: r.update(moved_at=r["moved_at"] - timedelta(days=1))),
    "a time lost": (2, "added_at", lambda r: r.update(added_at=None)),
    "a trailing space lost": (1, "title", lambda r: r.update(title="Caf\u00e9")),
    "another case": (1, "title", lambda r: r.update(title="caf\u00e9 ")),
    "another normal form": (1, "title", lambda r: r.update(title="Cafe\u0301 ")),
    "empty became null": (1, "notes", lambda r: r.update(notes=None)),
    "null became empty": (2, "notes", lambda r: r.update(notes="")),
    "a number off by one": (1, "rating", lambda r: r.update(rating=9)),
    "a number lost": (1, "image_width", lambda r: r.update(image_width=None)),
    "a number invented": (2, "rating", lambda r: r.update(rating=1)),
    "a reference to another series": (5, "series_id", lambda r: r.update(series_id=uid(4))),
    "a reference lost": (5, "series_id", lambda r: r.update(series_id=None)),
    "another type": (1, "type", lambda r: r.update(type="VideoGame")),
    "another shelf": (3, "shelf", lambda r: r.update(shelf="Watching")),
    "an external id cut short": (2, "external_id", lambda r: r.update(external_id="googlebooks:")),
    "a deep value": (1, "data", in_data(lambda d: d["deep"]["a"][1].update(b=2))),
    "a deep name removed": (1, "data", in_data(lambda d: d["deep"]["a"][1].pop("b"))),
    "a name removed": (1, "data", in_data(lambda d: d.pop("author"))),
    "a name added": (3, "data", in_data(lambda d: d.update(more=None))),
    "a null removed": (6, "data", in_data(lambda d: d.pop("nothing"))),
    "false became null": (6, "data", in_data(lambda d: d.update(truth=None))),
    "a list reversed": (1, "data", in_data(lambda d: d["image"]["sizes"].reverse())),
    "a list emptied": (1, "data", in_data(lambda d: d["image"].update(sizes=[]))),
    "the sizes dropped": (1, "data", in_data(lambda d: d.pop("image"))),
    "a number became text": (1, "data", in_data(lambda d: d["deep"]["a"].__setitem__(0, "1"))),
    "text became a number": (1, "data", in_data(lambda d: d["deep"]["a"].__setitem__(2, 1))),
    "a set's type forgotten": (1, "data", in_data(lambda d: d.pop("$dynamodb"))),
    "an original forgotten": (4, "data", in_data(lambda d: d["$dynamodb"].pop("was"))),
    "the document lost": (7, "data", lambda r: r.update(data=None)),
}  # fmt: skip


@pytest.mark.parametrize(("n", "column", "change"), CHANGES.values(), ids=CHANGES.keys())
def test_a_changed_value_is_found_with_its_key_and_column(compared, n, column, change):
    verdict = compared(lambda rows: change(rows[uid(n)]))
    assert [(each["key"], each["column"]) for each in verdict.differences] == [(uid(n), column)]
    (difference,) = verdict.differences
    assert difference["source"] != difference["target"], "both values are shown"
    assert verdict.columns == {column: 1}
    assert {count: verdict.total(count) for count in ("loaded", "missing", "extra", "different", "target")} == {
        "loaded": 7, "missing": 0, "extra": 0, "different": 1, "target": 7,
    }  # fmt: skip
    assert pq.read_table(verdict.path).to_pylist() == verdict.differences


def test_equal_rows_raise_no_alarm_in_whatever_order_they_come(compared):
    verdict = compared(lambda rows: None)
    assert verdict.differences == []
    assert verdict.columns == {}
    assert {name: counts["loaded"] for name, counts in verdict.counts.items()} == {
        "Book": 2, "VideoGame": 1, "Feature": 1, "TvSeries": 2, "TvSeason": 1,
    }  # fmt: skip
    assert verdict.total("different") == verdict.total("missing") == verdict.total("extra") == 0


def test_a_missing_row_is_one_difference_without_a_column(compared):
    verdict = compared(lambda rows: rows.pop(uid(2)))
    assert verdict.differences == [
        {"entity": "Book", "key": uid(2), "column": None, "source": "present", "target": None}
    ]
    assert verdict.counts["Book"] == {"loaded": 1, "missing": 1, "extra": 0, "different": 0, "target": 1}


@pytest.mark.parametrize(("type", "entity"), [("Book", "Book"), ("Podcast", "_unknown")])
def test_an_extra_row_is_counted_under_the_entity_its_columns_tell(compared, type, entity):
    verdict = compared(lambda rows: rows.update(x=rows[uid(1)] | {"id": uid(99), "type": type}))
    assert verdict.differences == [
        {"entity": entity, "key": uid(99), "column": None, "source": None, "target": "present"}
    ]
    assert verdict.counts[entity]["extra"] == 1
    assert verdict.counts["Book"]["loaded"] == 2


def test_a_refused_items_row_is_extra_for_it_was_never_accepted(compared):
    verdict = compared(lambda rows: rows.update(x=rows[uid(1)] | {"id": uid(8)}))
    assert [(each["key"], each["column"]) for each in verdict.differences] == [(uid(8), None)]


def test_one_row_lost_and_a_stranger_in_its_place_are_two_differences(compared):
    verdict = compared(lambda rows: rows.update(x=rows.pop(uid(3)) | {"id": uid(33)}))
    assert sorted((each["key"], each["column"]) for each in verdict.differences) == [(uid(3), None), (uid(33), None)]
    assert verdict.counts["TvSeries"] == {"loaded": 1, "missing": 1, "extra": 1, "different": 0, "target": 2}


def test_two_rows_that_swapped_their_contents_are_both_different(compared):
    def swap(rows: dict[str, Row]) -> None:
        rows[uid(1)]["title"], rows[uid(2)]["title"] = rows[uid(2)]["title"], rows[uid(1)]["title"]

    verdict = compared(swap)
    assert [(each["key"][-1], each["column"]) for each in verdict.differences] == [("1", "title"), ("2", "title")]


def test_an_empty_target_lacks_everything(compared):
    verdict = compared(lambda rows: rows.clear())
    assert verdict.total("missing") == len(verdict.differences) == 7
    assert verdict.total("target") == 0


def test_all_differences_are_in_the_file_and_the_first_are_named(settings):
    stage = staged(settings, [plain(key=uid(n)) for n in range(3 * SHOWN)])
    (rows,) = [rows.select(SCHEMA.names) for _, rows in stage.batches("Book")]
    shelf = rows.schema.get_field_index("shelf")
    changed = rows.set_column(shelf, "shelf", pa.array(["elsewhere"] * rows.num_rows))
    spool([changed], stage.path / "target.parquet", SCHEMA)
    verdict = reconcile(
        SYSTEM, {"Book": stage.rows("Book")}, stage.dropped, stage.path / "target.parquet", stage.path / "d.parquet"
    )
    assert len(verdict.differences) == SHOWN
    assert [each["key"] for each in verdict.differences] == [uid(n) for n in range(SHOWN)]
    assert pq.read_metadata(verdict.path).num_rows == verdict.total("different") == 3 * SHOWN
