"""Both sides compute the same fingerprint of the same rows, whatever these hold, and another one of any other rows."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from loading import asked, opened

from assets.billio.model import SYSTEM
from billio_pipeline.duck import connect
from billio_pipeline.model.canonical import jsonb_text
from billio_pipeline.stores.sql import fingerprint as in_target
from billio_pipeline.stores.sql.lint import lint
from billio_pipeline.stores.sql.profiles import DSQL
from billio_pipeline.stores.sql.rows import copy_rows
from billio_pipeline.stores.sql.target import Target
from billio_pipeline.verify.fingerprint import differing, prints

TABLE, KEY, COLUMNS = SYSTEM.target.name, SYSTEM.target.key, SYSTEM.columns
SCHEMA = SYSTEM.arrow_schema()
FIRST, LAST = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
CHARACTERS = st.characters(blacklist_categories=("Cs",), blacklist_characters="\0")
NASTY = st.sampled_from(
    ["", "~", "|", ":", "1:a", "~|~", "\\", "\\N", "'", '"', "\x01\x1f\x7f\x80", "\r\n", "\u2028", "é", "e\u0301", "😀",
     "\U0010fffd", "👨‍👩‍👧", "\ufeff", "ﬁ", "ß", "İ", "null", "NULL", " ", "a ", "\t"]
)  # fmt: skip
TEXTS = NASTY | st.text(CHARACTERS, max_size=12) | st.lists(NASTY, max_size=4).map("".join)
TIMES = st.sampled_from([FIRST, LAST, datetime(1970, 1, 1, tzinfo=UTC) - timedelta(microseconds=1)]) | st.integers(
    0, (LAST - FIRST) // timedelta(microseconds=1)
).map(lambda micros: FIRST + timedelta(microseconds=micros))
DIGITS = st.integers(-(10**38) + 1, 10**38 - 1)
NUMBERS = DIGITS | st.builds(lambda n, e: Decimal(n).scaleb(e), DIGITS, st.integers(-130, 87)).map(
    lambda n: int(n) if n == n.to_integral_value() else Decimal(format(n, "f").rstrip("0"))
)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=8,
)
INT32 = st.integers(-(2**31), 2**31 - 1) | st.sampled_from([-(2**31), -1, 0, 2**31 - 1])
ROWS = st.fixed_dictionaries(
    {
        "id": st.uuids().map(str),
        "type": st.sampled_from(["Book", "", "|~:"]) | TEXTS,
        "shelf": TEXTS,
        "title": TEXTS,
        "rating": st.none() | st.integers(1, 10),
        "image_url": st.none() | TEXTS,
        "image_width": st.none() | INT32,
        "image_height": st.none() | INT32,
        "external_id": st.none() | TEXTS,
        "notes": st.none() | TEXTS,
        "added_at": TIMES,
        "moved_at": TIMES,
        "series_id": st.none() | st.uuids().map(str),
        "data": st.none() | st.dictionaries(TEXTS, JSON, max_size=4).map(jsonb_text),
    }
)
TABLES = st.lists(ROWS, max_size=6, unique_by=lambda row: row["id"]).map(
    lambda rows: pa.Table.from_pylist(rows, SCHEMA)
)


@pytest.fixture(params=["postgres_database", "dsql_database"])
def target(request: pytest.FixtureRequest, settings: Any) -> Iterator[Target]:
    with opened(request.getfixturevalue(request.param), settings) as found:
        yield found


def staged_prints(table: pa.Table, length: int) -> dict[str, tuple[int, int, int]]:
    with connect() as db:
        db.register("rows", table)
        return prints(db, "rows", COLUMNS, KEY, length)


def target_prints(target: Target, length: int) -> dict[str, tuple[int, int, int]]:
    return in_target.fingerprint(target, TABLE, COLUMNS, KEY, length)


def fill(target: Target, table: pa.Table) -> None:
    asked(target, f"DELETE FROM {TABLE}")  # noqa: S608
    with target.connection() as connection:
        copy_rows(connection, TABLE, table)


def row(**values: Any) -> dict[str, Any]:
    plain = dict.fromkeys(SCHEMA.names) | {"id": str(uuid.uuid4()), "type": "Book", "shelf": "", "title": ""}
    return plain | {"added_at": FIRST, "moved_at": LAST, "data": "{}"} | values


def test_both_sides_agree_on_nasty_rows(target: Target) -> None:
    @hypothesis_settings(max_examples=60)
    @given(TABLES, st.integers(1, 40))
    def agree(table: pa.Table, length: int) -> None:
        fill(target, table)
        assert target_prints(target, length) == staged_prints(table, length)

    agree()


PAIRS = [
    ({"notes": None}, {"notes": ""}),
    ({"notes": None}, {"notes": "~"}),
    ({"shelf": "a|1:b", "title": "c"}, {"shelf": "a", "title": "b|1:c"}),
    ({"shelf": "é"}, {"shelf": "e\u0301"}),
    ({"title": "a "}, {"title": "a"}),
    ({"title": "A"}, {"title": "a"}),
    ({"image_width": -1}, {"image_width": 1}),
    ({"image_width": 1, "image_height": None}, {"image_width": None, "image_height": 1}),
    ({"moved_at": LAST}, {"moved_at": LAST - timedelta(microseconds=1)}),
    ({"added_at": FIRST}, {"added_at": FIRST + timedelta(milliseconds=1)}),
    ({"data": '{"a": 1}'}, {"data": '{"a": "1"}'}),
    ({"data": '{"a": 1}'}, {"data": '{"a": 1.5}'}),
    ({"data": '{"a": [1, 2]}'}, {"data": '{"a": [2, 1]}'}),
    ({"data": '{"a": null}'}, {"data": "{}"}),
    ({"data": None}, {"data": "{}"}),
]


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_rows_that_differ_have_fingerprints_that_differ(one: dict[str, Any], other: dict[str, Any]) -> None:
    first = row(**one)
    second = first | other
    ours, theirs = (staged_prints(pa.Table.from_pylist([each], SCHEMA), 3) for each in (first, second))
    assert differing(ours, theirs) == {first["id"][:3]}


def test_keys_are_ordered_by_byte_length_on_both_sides(target: Target) -> None:
    held = {"bb": 1, "a": {"é": 1, "zz": 2, "y": 3}, "😀": 1, "ccc": Decimal("0.10").normalize(), "": 10**37}
    table = pa.Table.from_pylist([row(data=jsonb_text(held))], SCHEMA)
    fill(target, table)
    assert target_prints(target, 2) == staged_prints(table, 2)


def test_times_written_by_hand_that_no_item_has_do_not_stop_the_fingerprint(target: Target) -> None:
    table = pa.Table.from_pylist([row() for _ in range(4)], SCHEMA)
    fill(target, table)
    for id, time in zip(
        table["id"].to_pylist(), ("infinity", "-infinity", "294000-01-01Z", "4000-01-01Z BC"), strict=True
    ):
        asked(target, f"UPDATE {TABLE} SET moved_at = %s WHERE id = %s", time, id)  # noqa: S608
    assert len(differing(staged_prints(table, 36), target_prints(target, 36))) == 4


def test_a_bucket_s_rows_are_read_back_and_no_others(target: Target) -> None:
    rows = [
        row(id=f"{start}{n:06x}-0000-4000-8000-000000000000") for start in ("00", "a0", "ab", "ff") for n in range(3)
    ]
    fill(target, pa.Table.from_pylist(rows, SCHEMA))
    pages = list(in_target.read_buckets(target, TABLE, COLUMNS, KEY, 2, {"ab", "ff", "77"}))
    read = pa.concat_tables(pages).sort_by(KEY)
    assert read.to_pylist() == [each for each in rows if each["id"][:2] in ("ab", "ff")]


def test_the_statement_is_one_that_dsql_takes() -> None:
    statement = in_target.query(TABLE, COLUMNS, KEY, 3).as_string(None)
    assert lint({"fingerprint": statement}, DSQL, {}) == ()
    assert "OFFSET 0" in statement
