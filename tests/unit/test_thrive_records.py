"""One ThriveCalc record: what is read from its object or its table row, what is refused, and the way back."""

from __future__ import annotations

import json
import sys
from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from assets.thrivecalc import generator
from assets.thrivecalc.records import open_table, record_bytes, record_row, table_rows
from billio_pipeline.errors import ConfigurationError, InputError
from billio_pipeline.model.canonical import parse_jsonb
from billio_pipeline.model.natural import plain_wire
from billio_pipeline.model.refusal import Reason, Refusal
from billio_pipeline.settings import Settings
from billio_pipeline.stores.dynamodb.size import item_size

TREE = Path(__file__).parents[1] / "fixtures" / "thrive_s3"
KEY = "users/u|1/account/a#b.json"
RECORD: dict[str, Any] = {
    "userId": "u|1", "dataType": "account", "recordId": "a#b", "data": {"balance": 1},
    "createdAt": "2025-01-01T00:00:00.000Z", "updatedAt": "2025-01-07T12:30:00+02:00",
}  # fmt: skip
ROW = {
    "user_id": "u|1", "data_type": "account", "record_id": "a#b", "data": '{"balance": 1}',
    "created_at": "2025-01-01T00:00:00.000Z", "updated_at": "2025-01-07T12:30:00+02:00", "extra": "{}",
}  # fmt: skip


def body(**changes: Any) -> bytes:
    return json.dumps({k: v for k, v in (RECORD | changes).items() if v is not ...}).encode()


def exact(text: bytes) -> Any:
    return json.loads(text, parse_int=Decimal, parse_float=Decimal)


def refused(found: object) -> Reason:
    assert isinstance(found, Refusal), found
    return found.reason


def test_every_object_of_the_tree_comes_back_with_the_same_key_and_meaning() -> None:
    paths = [path for path in TREE.rglob("*") if path.is_file()]
    assert len(paths) == 6
    for path in paths:
        key = path.relative_to(TREE).as_posix()
        row = record_row(key, path.read_bytes())
        assert not isinstance(row, Refusal)
        again, text = record_bytes(row)
        assert (again, exact(text)) == (key, exact(path.read_bytes()))
        assert list(json.loads(text)) == list(json.loads(path.read_bytes()))


def test_a_record_is_read_as_it_stands() -> None:
    assert record_row(KEY, body()) == ROW
    assert record_bytes(ROW) == (KEY, body())


def test_numbers_stay_exact_and_are_written_plainly() -> None:
    text = body(data="DATA").replace(
        b'"DATA"', b"[0.1, 1.10, 1e2, -0, 12345678901234567890123456789012345678, 9007199254740993, 1E-130]"
    )
    row = record_row(KEY, text)
    assert not isinstance(row, Refusal)
    assert (
        row["data"] == f"[0.1, 1.1, 100, 0, 12345678901234567890123456789012345678, 9007199254740993, 0.{'0' * 129}1]"
    )


def test_members_nobody_documented_travel_along_by_name() -> None:
    row = record_row(KEY, body(zz=None, b={"y": [1], "x": ""}, ä=True))
    assert not isinstance(row, Refusal)
    assert row["extra"] == '{"b": {"x": "", "y": [1]}, "zz": null, "ä": true}'
    assert [*json.loads(record_bytes(row)[1])][6:] == ["b", "zz", "ä"]


@pytest.mark.parametrize("data", [None, "", "text", 0, False, [], {}, [None, {}], {"": ""}, "a\0b", "\u2028"])
def test_any_json_value_is_data(data: Any) -> None:
    row = record_row(KEY, body(data=data))
    assert not isinstance(row, Refusal)
    assert parse_jsonb(row["data"]) == data


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"", Reason.NOT_JSON),
        (b"{", Reason.NOT_JSON),
        (body() + b"x", Reason.NOT_JSON),
        (b"\xef\xbb\xbf" + body(), Reason.NOT_JSON),
        (body().replace(b": 1}", b": NaN}"), Reason.NOT_JSON),
        (body().replace(b": 1}", b": -Infinity}"), Reason.NOT_JSON),
        (body().replace(b"u|1", b"\xff"), Reason.BAD_UTF8),
        (b"null", Reason.WRONG_TYPE),
        (b"[]", Reason.WRONG_TYPE),
        (b'"text"', Reason.WRONG_TYPE),
        (body().replace(b'"balance": 1', b'"balance": 1, "balance": 1'), Reason.DUPLICATE_ATTRIBUTE),
        (body(data=[{"deep": [{"a": 1}]}]).replace(b'"a": 1', b'"a": 1, "a": 2'), Reason.DUPLICATE_ATTRIBUTE),
        (body().replace(b'"dataType"', b'"userId": "u|1", "dataType"'), Reason.DUPLICATE_ATTRIBUTE),
        *((body(**{name: ...}), Reason.MISSING_ATTRIBUTE) for name in RECORD),
        *((body(**{name: 1}), Reason.WRONG_TYPE) for name in RECORD if name != "data"),
        *((body(**{name: None}), Reason.WRONG_TYPE) for name in RECORD if name != "data"),
        *((body(**{name: ""}), Reason.MISSING_ATTRIBUTE) for name in ("userId", "dataType", "recordId")),
        (body(createdAt=""), Reason.BAD_TIME),
        (body(createdAt="2025-01-01"), Reason.BAD_TIME),
        (body(updatedAt="2025-02-29T00:00:00Z"), Reason.BAD_TIME),
        (body(data="\ud83d"), Reason.LONE_SURROGATE),
        (body(data={"\udc00": 1}), Reason.LONE_SURROGATE),
        (body(userId="\ud83d"), Reason.LONE_SURROGATE),
        (body(data=10**38 + 1), Reason.OVER_DYNAMODB_LIMIT),
        (body().replace(b": 1}", b": 1e126}"), Reason.OVER_DYNAMODB_LIMIT),
        (body().replace(b": 1}", b": 1e999999999}"), Reason.OVER_DYNAMODB_LIMIT),
        (body().replace(b": 1}", b": " + b"7" * 5000 + b"}"), Reason.OVER_DYNAMODB_LIMIT),
        (body().replace(b'{"balance": 1}', b"[" * 100_000 + b"]" * 100_000), Reason.OVER_DYNAMODB_LIMIT),
        (body(recordKey="account#a#b"), Reason.KEY_MISMATCH),
    ],
)
def test_what_is_no_record_is_refused_with_its_reason(text: bytes, reason: Reason) -> None:
    assert refused(record_row(KEY, text)) is reason


@pytest.mark.parametrize(
    "change",
    [{"userId": "u|2"}, {"userId": "U|1"}, {"dataType": "scenario"}, {"recordId": "a"}, {"recordId": "a#b.json"}],
)
def test_a_body_that_disagrees_with_its_path_is_refused_and_both_are_named(change: dict[str, str]) -> None:
    found = record_row(KEY, body(**change))
    assert refused(found) is Reason.KEY_MISMATCH
    assert isinstance(found, Refusal)
    assert KEY in found.message
    assert next(iter(change.values())) in found.message


@pytest.mark.parametrize(
    "key",
    ["", "users/", "u|1/account/a#b.json", "users/u|1/a#b.json", "users/u|1/account/a#b.txt", "users//account/a#b.json",
     "Users/u|1/account/a#b.json", "users/../account/a#b.json", "users/u\n/account/a#b.json"],
)  # fmt: skip
def test_a_key_outside_the_form_is_refused(key: str) -> None:
    found = record_row(key, body())
    assert refused(found) is Reason.KEY_MISMATCH
    assert isinstance(found, Refusal)
    assert "not a record's path" in found.message


def test_an_id_may_hold_what_a_path_may() -> None:
    key = "users/a/b|@%20 ü/x.json/c.json"
    row = record_row(key, body(userId="a/b|@%20 ü", dataType="x.json", recordId="c"))
    assert not isinstance(row, Refusal)
    assert record_bytes(row)[0] == key


def test_generated_records_are_all_read_and_planted_ones_all_refused() -> None:
    made = list(generator.generate(40))
    assert made == list(generator.generate(40))
    assert len({key for key, _ in made}) == len(made)
    rows = [record_row(*each) for each in made]
    assert not [row for row in rows if isinstance(row, Refusal)]
    types = Counter(row["data_type"] for row in rows if not isinstance(row, Refusal))
    assert len(types) == 10
    assert [exact(record_bytes(row)[1]) for row in rows if isinstance(row, dict)] == [exact(text) for _, text in made]
    for plant in generator.planted():
        found: object = record_row(plant.key, plant.body)
        if isinstance(found, dict):  # more than an item holds is found where the item is made
            found = item_size({"data": plain_wire(parse_jsonb(found["data"]))})
        assert refused(found) is plant.reason


def table(**columns: Any) -> pa.Table:
    moment = pa.array([datetime(2025, 1, 7, 12, 30, tzinfo=UTC)], pa.timestamp("us", "UTC"))
    made: dict[str, Any] = {
        "user_id": ["u|1"],
        "data_type": ["account"],
        "record_id": ["a#b"],
        "data": ['{"balance":1.0}'],
    }
    return pa.table(made | {"created_at": moment, "updated_at": moment} | columns)


def test_a_table_row_is_the_row_of_the_same_record() -> None:
    times = {"created_at": "2025-01-07T12:30:00.000Z", "updated_at": "2025-01-07T12:30:00.000Z"}
    assert list(table_rows(table())) == [ROW | times]
    assert list(table_rows(table(user_id=pa.array(["u|1"]).dictionary_encode()).to_batches()[0])) == [ROW | times]
    text = table(created_at=["2025-01-01T00:00:00.000Z"], updated_at=["2025-01-07T12:30:00+02:00"])
    assert list(table_rows(text)) == [ROW]


@pytest.mark.parametrize(
    ("type", "ticks", "text"),
    [
        (pa.timestamp("s"), 0, "1970-01-01T00:00:00.000Z"),
        (pa.timestamp("ms", "Europe/Berlin"), 1, "1970-01-01T00:00:00.001Z"),
        (pa.timestamp("us"), -1, "1969-12-31T23:59:59.999999Z"),
        (pa.timestamp("ns"), 1_000, "1970-01-01T00:00:00.000001Z"),
        (pa.timestamp("ns"), 1, Reason.BAD_TIME),
        (pa.timestamp("s"), 10**12, Reason.TIME_OUT_OF_RANGE),
    ],
)
def test_a_timestamp_becomes_text_that_says_as_much(type: pa.DataType, ticks: int, text: object) -> None:
    (row,) = table_rows(table(created_at=pa.array([ticks], pa.int64()).cast(type)))
    assert (row.reason if isinstance(row, Refusal) else row["created_at"]) == text


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"data": pa.array([None], pa.string())}, Reason.MISSING_ATTRIBUTE),
        ({"created_at": pa.array([None], pa.timestamp("us"))}, Reason.MISSING_ATTRIBUTE),
        ({"user_id": pa.array([None], pa.string())}, Reason.MISSING_ATTRIBUTE),
        ({"user_id": [""]}, Reason.MISSING_ATTRIBUTE),
        ({"user_id": [".."]}, Reason.KEY_MISMATCH),
        ({"data": ["{"]}, Reason.NOT_JSON),
        ({"data": ['{"a": 1, "a": 1}']}, Reason.DUPLICATE_ATTRIBUTE),
    ],
)
def test_a_table_row_that_is_no_record_is_refused(columns: dict[str, Any], reason: Reason) -> None:
    (found,) = table_rows(table(**columns))
    assert refused(found) is reason


def test_jsons_null_is_data_and_a_null_is_none() -> None:
    (row,) = table_rows(table(data=["null"]))
    assert isinstance(row, dict)
    assert row["data"] == "null"


@pytest.mark.parametrize("columns", [{"other": ["x"]}, {"data": [1]}, {"created_at": [1]}])
def test_a_table_of_other_columns_is_refused_as_a_whole(columns: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        list(table_rows(table(**columns)))


def test_all_parquet_files_of_a_folder_are_read(tmp_path: Path, settings: Settings) -> None:
    for name in ("a.parquet", "deep/b", "c.parquet"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        pq.write_table(table(record_id=[name]), tmp_path / name)
    (tmp_path / "_SUCCESS").touch()
    (tmp_path / "_temporary").mkdir()
    (tmp_path / "_temporary" / "half.parquet").write_bytes(b"half")
    rows = [row for batch in open_table(str(tmp_path), settings) for row in table_rows(batch)]
    assert [row["record_id"] for row in rows if isinstance(row, dict)] == ["a.parquet", "c.parquet", "deep/b"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no Parquet file"):
        list(open_table(str(tmp_path / "empty"), settings))
    (tmp_path / "d.parquet").write_bytes(b"damaged")
    with pytest.raises(InputError, match=r"d\.parquet"):
        list(open_table(str(tmp_path), settings))


def test_the_folder_of_an_iceberg_table_is_not_read_file_by_file(tmp_path: Path, settings: Settings) -> None:
    (tmp_path / "metadata").mkdir()
    (tmp_path / "metadata" / "00001-a.metadata.json").write_text("{}")
    with pytest.raises(InputError, match="Iceberg") as caught:
        list(open_table(str(tmp_path), settings))
    assert "00001-a.metadata.json" in caught.value.remedy


def test_iceberg_without_its_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    monkeypatch.setitem(sys.modules, "pyiceberg", None)
    with pytest.raises(ConfigurationError, match="PyIceberg") as caught:
        list(open_table("/nowhere/1.metadata.json", settings))
    assert "lake" in caught.value.remedy
