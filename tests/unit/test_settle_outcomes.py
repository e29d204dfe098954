"""What only all items together tell: duplicates, conflicts, references; and that every line is counted once."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from staging import keys, quarantine, staged
from wire import plain, written

from billio_pipeline.migrate.stage import UNKNOWN


def uid(n: int) -> str:
    return f"00000000-0000-4000-8000-{n:012d}"


def book(n: int, **changes: Any) -> dict[str, Any]:
    return plain("Book", uid(n), **changes)


def series(n: int, **changes: Any) -> dict[str, Any]:
    return plain("TvSeries", uid(n), **changes)


def season(n: int, of: int, **changes: Any) -> dict[str, Any]:
    return plain("TvSeason", uid(n), seriesId={"S": uid(of)}, **changes)


def outcomes(stage) -> list[tuple[str, str]]:
    """(last digit of the key, reason) of everything in quarantine, in the order of the lines."""
    return [(each["key"][-1], each["reason"]) for each in quarantine(stage)]


TITLE = {"title": {"S": "another"}}
BAD = {"rating": {"N": "11"}}


def test_an_identical_duplicate_is_excluded_and_one_is_kept(settings):
    first = book(1, rating={"N": "7"}, more={"SS": ["a", "b"]})
    again = (
        written(dict(reversed(first.items()))),
        written(book(1, rating={"N": "7.0"}, more={"SS": ["b", "a"]}), spaced=True),
    )
    stage = staged(settings, [first, again[0]], [again[1], first])
    assert keys(stage) == [uid(1)]
    assert quarantine(stage) == []
    assert stage.summary["counts"]["Book"] == {"source": 4, "quarantined": 0, "excluded": 3, "accepted": 1}
    dropped = pq.read_table(stage.dropped).to_pylist()
    assert {(each["outcome"], each["reason"]) for each in dropped} == {("excluded", "duplicate")}
    assert [(each["file"], each["line"]) for each in dropped] == [(0, 2), (1, 1), (1, 2)], "the first one is kept"


CASES: dict[str, tuple[list[list[Any]], list[tuple[str, str]]]] = {
    "different contents: every version": (
        [[book(1), book(2)], [book(1, **TITLE), book(1)]],
        [("1", "key_conflict")] * 3,
    ),
    "a version refused while decoding": (
        [[book(1, **BAD)], [book(1), book(1)]],
        [("1", "out_of_range"), ("1", "key_conflict"), ("1", "key_conflict")],
    ),
    "a version refused as a line": (
        [[book(1)], [book(1, notes={"S": "\0"})]],
        [("1", "key_conflict"), ("1", "nul_character")],
    ),
    "one id under two types": (
        [[book(1)], [plain("VideoGame", uid(1)), book(2)]],
        [("1", "key_conflict")] * 2,
    ),
    "a reference to nothing": ([[season(1, 9)]], [("1", "reference_missing")]),
    "a reference to another type": ([[season(1, 2), book(2)]], [("1", "reference_wrong_type")]),
    "a reference to a season": ([[series(3), season(1, 2), season(2, 3)]], [("1", "reference_wrong_type")]),
    "a reference to itself": ([[season(1, 1)]], [("1", "reference_wrong_type")]),
    "a series refused while decoding": (
        [[season(1, 2)], [series(2, **BAD)]],
        [("1", "reference_refused"), ("2", "out_of_range")],
    ),
    "a series refused as a line": (
        [[season(1, 2)], [series(2, title={"S": "\0"})]],
        [("1", "reference_refused"), ("2", "nul_character")],
    ),
    "a series refused for a conflict, in another file": (
        [[series(2)], [season(1, 2), series(2, **TITLE)]],
        [("2", "key_conflict"), ("1", "reference_refused"), ("2", "key_conflict")],
    ),
    "a conflict between seasons of a good series": (
        [[series(3), season(1, 3), season(1, 3, **TITLE), season(2, 3)]],
        [("1", "key_conflict")] * 2,
    ),
    "a duplicate of a season whose series is refused": (
        [[season(1, 2), season(1, 2)], [series(2, **BAD)]],
        [("1", "reference_refused"), ("2", "out_of_range")],
    ),
    "nothing wrong: two series, seasons before and after them, across files": (
        [[season(1, 2)], [series(2), series(3), season(4, 3)], []],
        [],
    ),
    "nothing wrong: one externalId twice, as a rewatch has it": (
        [[book(1, externalId={"S": "googlebooks:1"}), book(2, externalId={"S": "googlebooks:1"})]],
        [],
    ),
    "a series whose seasons are all refused stays": (
        [[series(3), season(1, 3, **BAD)]],
        [("1", "out_of_range")],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("files", "expected"), CASES.values(), ids=CASES.keys())
def test_what_is_refused_once_all_items_are_known(settings, files, expected):
    assert outcomes(staged(settings, *files)) == expected


def test_the_quarantine_holds_each_line_as_it_came_and_where_it_stood(settings):
    lines = [
        written(book(1)),
        b'{"Item": oh no',
        written(book(2, **BAD), spaced=True),
        written(season(3, 9), ascii=True),
    ]
    conflict = written(book(1, title={"S": "Ünïcödé 📚"}), ascii=True)
    stage = staged(settings, lines, [written(book(5)), conflict])
    names = stage.files()
    assert [(each["file"], each["line"], each["original"], each["reason"]) for each in quarantine(stage)] == [
        (names[0], 1, lines[0], "key_conflict"),
        (names[0], 2, lines[1], "not_json"),
        (names[0], 3, lines[2], "out_of_range"),
        (names[0], 4, lines[3], "reference_missing"),
        (names[1], 2, conflict, "key_conflict"),
    ]
    assert [each["entity"] for each in quarantine(stage)] == ["Book", UNKNOWN, "Book", "TvSeason", "Book"]
    messages = [each["message"] for each in quarantine(stage)]
    assert messages[0] == messages[4] == f"the key {uid(1)} is seen 2 times, with 2 different contents"
    assert messages[3] == f"series_id {uid(9)} is not in the export"


def test_lines_of_no_entity_are_counted_apart(settings):
    stage = staged(settings, [b"[]", plain("Podcast"), plain(type=None), book(1), book(2, notes={"S": "\ud800"})])
    assert stage.summary["counts"][UNKNOWN] == {"source": 3, "quarantined": 3, "excluded": 0, "accepted": 0}
    assert stage.summary["counts"]["Book"] == {"source": 2, "quarantined": 1, "excluded": 0, "accepted": 1}


def test_an_export_without_items_is_a_stage_without_rows(settings):
    stage = staged(settings, [], [])
    assert keys(stage) == quarantine(stage) == []
    assert UNKNOWN not in stage.summary["counts"]
    assert {total for counts in stage.summary["counts"].values() for total in counts.values()} == {0}


ids = st.integers(1, 4)
few = st.one_of(
    st.builds(book, ids, title=st.sampled_from([{"S": "a"}, {"S": "b"}])),
    st.builds(series, ids, rating=st.sampled_from([{"N": "5"}, {"N": "5"}, {"N": "11"}])),
    st.builds(season, ids, ids),
    st.sampled_from([b"?", plain("Podcast", uid(1)), book(2, notes={"S": "\0"}), plain("Movie", uid(3))]),
)


@examples(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(few, max_size=6), min_size=1, max_size=3))
def test_every_line_is_accepted_quarantined_or_excluded_and_counted_once(settings, files):
    stage = staged(replace(settings, workers=1), *files)
    counts = stage.summary["counts"]
    assert sum(each["source"] for each in counts.values()) == sum(map(len, files))
    for each in counts.values():
        assert each["source"] == each["accepted"] + each["quarantined"] + each["excluded"]
    refused = quarantine(stage)
    assert Counter(each["entity"] for each in refused) == {
        n: c["quarantined"] for n, c in counts.items() if c["quarantined"]
    }
    assert len({(each["file"], each["line"]) for each in refused}) == len(refused)
    accepted = keys(stage)
    assert len(accepted) == len(set(accepted)) == sum(each["accepted"] for each in counts.values())
    # No key is both loaded and refused, unless the refused line was of no readable key or another one's.
    conflicting = {each["key"] for each in refused if each["reason"] == "key_conflict"}
    assert not conflicting & set(accepted)
    series_kept = {key for _, rows in stage.batches("TvSeries") for key in rows["id"].to_pylist()}
    for _, rows in stage.batches("TvSeason"):
        assert set(rows["series_id"].to_pylist()) <= series_kept
