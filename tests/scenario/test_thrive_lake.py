"""ThriveCalc's items leave as Parquet tables whose sums are exact, and as the tree of objects they came from."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from assets.thrivecalc import generator
from assets.thrivecalc.lake import (
    MONEY,
    create_views,
    export_lake,
    local_catalog,
    publish_iceberg,
    read_lake,
    write_tree,
)
from assets.thrivecalc.records import MEMBERS, iceberg_properties, open_table, record_row
from billio_pipeline.duck import connect
from billio_pipeline.errors import InputError
from billio_pipeline.model.canonical import parse_jsonb
from billio_pipeline.model.natural import plain_wire
from billio_pipeline.model.refusal import Refusal
from billio_pipeline.settings import Settings
from billio_pipeline.stores.objects import open_store
from billio_pipeline.stores.objects.aws import aws_client
from billio_pipeline.stores.objects.local import LocalStore

FIXTURES = Path(__file__).parents[1] / "fixtures"
ITEMS = [json.loads(line)["Item"] for line in (FIXTURES / "thrive.ddb-export.jsonl").read_text().splitlines()]


def item_of(key: str, body: bytes) -> dict[str, Any]:
    """The item of an object, made without the codec."""
    row = record_row(key, body)
    assert not isinstance(row, Refusal)
    item = {name: plain_wire(each) for name, each in parse_jsonb(row["extra"]).items()}
    item |= {name: {"S": row[column]} for name, column in MEMBERS.items()} | {
        "data": plain_wire(parse_jsonb(row["data"]))
    }
    return item | {"recordKey": {"S": f"{row['data_type']}#{row['record_id']}"}}


def exact(text: bytes) -> Any:
    return json.loads(text, parse_int=Decimal, parse_float=Decimal)


@pytest.fixture
def db() -> Iterator[duckdb.DuckDBPyConnection]:
    with connect() as connection:
        yield connection


def account(**changes: Any) -> dict[str, Any]:
    item = {
        "userId": {"S": "u"}, "recordKey": {"S": "account#1"}, "dataType": {"S": "account"}, "recordId": {"S": "1"},
        "data": {"M": {"balance": {"N": "1"}}},
        "createdAt": {"S": "2025-01-01T00:00:00.000Z"}, "updatedAt": {"S": "2025-01-01T02:00:00+02:00"},
    } | changes  # fmt: skip
    return {name: wire for name, wire in item.items() if wire is not None}


def test_every_item_is_a_row_with_its_times_and_its_json(tmp_path: Path, db: duckdb.DuckDBPyConnection) -> None:
    lake = export_lake(ITEMS, LocalStore(tmp_path))
    create_views(db, tmp_path, lake)
    assert (lake.rows["user_data"], lake.left_out) == (len(ITEMS), {})
    found = db.sql("SELECT user_id, data_type, record_id, created_at, data, extra FROM user_data").fetchall()
    held = {(user, kind, record): (at, parse_jsonb(data), extra) for user, kind, record, at, data, extra in found}
    assert len(held) == len(ITEMS)
    assert held["user@example.com", "portfolio-holding", "abc123"] == (
        datetime(2025, 1, 1, tzinfo=UTC),
        {"symbol": "VTI", "name": "Total Market", "shares": Decimal("100.125"), "purchasePrice": 200,
         "currentPrice": Decimal("235.1")},
        "{}",
    )  # fmt: skip
    assert db.sql("SELECT data ->> '$.balance' FROM user_data WHERE data_type = 'account'").fetchall() == [
        ("123456.78",)
    ]


def test_sums_of_money_are_exact_to_the_last_digit(tmp_path: Path, db: duckdb.DuckDBPyConnection) -> None:
    records = list(generator.generate(80))
    expected: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for _, body in records:
        record = exact(body)
        for column, path in MONEY.get(record["dataType"], {}).items():
            value = record["data"]
            for name in path.split("."):
                value = value[name]
            expected[record["dataType"].replace("-", "_"), column] += value
    create_views(db, tmp_path, export_lake((item_of(*each) for each in records), LocalStore(tmp_path)))
    assert len(expected) == sum(map(len, MONEY.values()))
    for (table, column), total in expected.items():
        relation = db.table(table).aggregate([duckdb.FunctionExpression("sum", duckdb.ColumnExpression(column))])
        assert relation.fetchall() == [(total,)], (table, column)


@pytest.mark.parametrize(
    ("data", "amount", "left_out"),
    [
        ({"M": {"balance": {"N": "-0.000000000000000001"}}}, Decimal("-1E-18"), 0),
        ({"M": {"balance": {"N": "9" * 20 + "." + "9" * 18}}}, Decimal("9" * 20 + "." + "9" * 18), 0),
        ({"M": {"balance": {"N": "1E19"}}}, Decimal(10**19), 0),
        ({"M": {"balance": {"N": "0"}}}, Decimal(0), 0),
        ({"M": {"balance": {"N": "1E-19"}}}, None, 1),
        ({"M": {"balance": {"N": "1E20"}}}, None, 1),
        ({"M": {"balance": {"S": "12.50"}}}, None, 1),
        ({"M": {"balance": {"BOOL": True}}}, None, 1),
        ({"M": {"balance": {"NULL": True}}}, None, 0),
        ({"M": {}}, None, 0),
        ({"NULL": True}, None, 0),
        ({"S": "no map"}, None, 0),
    ],
)
def test_an_amount_is_a_decimal_or_counted_as_left_out_never_rounded(
    tmp_path: Path, db: duckdb.DuckDBPyConnection, data: dict[str, Any], amount: object, left_out: int
) -> None:
    lake = export_lake([account(data=data)], LocalStore(tmp_path))
    create_views(db, tmp_path, lake)
    assert db.sql("SELECT balance FROM account").fetchall() == [(amount,)]
    assert lake.left_out == ({"account.balance": 1} if left_out else {})


def test_an_item_that_is_not_quite_a_record_is_a_row_all_the_same(
    tmp_path: Path, db: duckdb.DuckDBPyConnection
) -> None:
    partial = account(dataType=None, recordId=None, createdAt=None)  # an update of a record that wasn't there
    odd = account(recordKey={"S": "account#2"}, createdAt={"S": "yesterday"}, ttl={"N": "1"}, tags={"SS": ["a"]})
    lake = export_lake([partial, odd], LocalStore(tmp_path))
    create_views(db, tmp_path, lake)
    found = db.sql("SELECT data_type, record_id, created_at, extra FROM user_data ORDER BY extra DESC").fetchall()
    assert found == [
        ("account", "1", None, "{}"),
        ("account", "1", None, '{"ttl": 1, "tags": ["a"], "createdAt": "yesterday"}'),
    ]
    assert lake.left_out == {"user_data.created_at": 1}
    assert lake.rows["account"] == 2


def test_an_export_replaces_the_one_before_it(tmp_path: Path, db: duckdb.DuckDBPyConnection) -> None:
    store = LocalStore(tmp_path)
    with pytest.raises(InputError, match="no export"):
        read_lake(store)
    first = export_lake(ITEMS, store)
    second = export_lake(ITEMS[:2], store)
    assert read_lake(store) == second
    create_views(db, tmp_path, second)
    assert db.sql("SELECT count(*) FROM user_data").fetchall() == [(2,)]
    assert all((tmp_path / file).exists() for file in first.files.values()), "readers may still be in it"


def test_an_export_that_fails_leaves_the_old_one(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    before = export_lake(ITEMS, store)

    def breaking() -> Iterator[Any]:
        yield from ITEMS
        raise RuntimeError("the table went away")

    with pytest.raises(RuntimeError):
        export_lake(breaking(), store)
    assert read_lake(store) == before
    assert len(list((tmp_path / "versions").glob("*/*.parquet"))) == len(before.files)


def test_a_killed_export_leaves_the_old_one(tmp_path: Path, db: duckdb.DuckDBPyConnection) -> None:
    store = LocalStore(tmp_path)
    before = export_lake(ITEMS, store)
    script = (
        "import os; from pathlib import Path; from assets.thrivecalc import lake\n"
        "from billio_pipeline.stores.objects.local import LocalStore\n"
        "lake._GROUP_ROWS = 10\n"
        "def items():\n"
        "    for n in range(100):\n"
        "        yield {'userId': {'S': 'u'}, 'recordKey': {'S': f'a#{n}'}, 'data': {'NULL': True}}\n"
        "    os.kill(os.getpid(), 9)\n"
        f"lake.export_lake(items(), LocalStore(Path({str(tmp_path)!r})))"
    )
    root = Path(__file__).parents[2]
    assert subprocess.run([sys.executable, "-c", script], check=False, cwd=root, env=dict(os.environ)).returncode == -9
    assert len(os.listdir(tmp_path / "versions")) == 2
    assert read_lake(store) == before
    create_views(db, tmp_path, before)
    assert db.sql("SELECT count(*) FROM user_data").fetchall() == [(len(ITEMS),)]


def test_a_lake_and_a_table_are_written_to_and_read_from_s3(ministack: str, settings: Settings) -> None:
    bucket = f"lake-{secrets.token_hex(6)}"
    aws_client("s3", ministack, "us-east-1").create_bucket(Bucket=bucket)
    local = replace(settings, s3_endpoint=ministack)
    store = open_store(f"s3://{bucket}/lake", local)
    lake = export_lake(ITEMS, store)
    assert read_lake(store) == lake
    folder = lake.files["account"].rpartition("/")[0]
    assert sum(batch.num_rows for batch in open_table(f"{store.uri}/{folder}", local)) == sum(lake.rows.values())


def test_the_tree_is_written_back_equal_as_json_and_the_same_each_time(tmp_path: Path) -> None:
    written = write_tree(ITEMS, LocalStore(tmp_path / "tree"))
    original = {p.relative_to(FIXTURES / "thrive_s3"): p for p in (FIXTURES / "thrive_s3").rglob("*.json")}
    again = {p.relative_to(tmp_path / "tree"): p for p in (tmp_path / "tree").rglob("*") if p.is_file()}
    assert (written.objects, written.refused) == (len(original), ())
    assert {key: exact(p.read_bytes()) for key, p in again.items()} == {
        key: exact(p.read_bytes()) for key, p in original.items()
    }
    before = {key: p.read_bytes() for key, p in again.items()}
    shuffled = [dict(reversed(item.items())) for item in reversed(ITEMS)]
    write_tree(shuffled, LocalStore(tmp_path / "tree"))
    assert {key: p.read_bytes() for key, p in again.items()} == before


def test_generated_records_survive_the_way_there_and_back(tmp_path: Path) -> None:
    made = dict(generator.generate(15))
    assert write_tree((item_of(*each) for each in made.items()), LocalStore(tmp_path)).objects == len(made)
    assert {key: exact((tmp_path / key).read_bytes()) for key in made} == {
        key: exact(body) for key, body in made.items()
    }


def test_an_item_no_object_can_say_is_named_and_the_others_are_written(tmp_path: Path) -> None:
    odd = [
        account(data={"M": {"tags": {"SS": ["a"]}}}),
        account(dataType=None, recordId=None, createdAt=None, recordKey={"S": "account#partial"}),
        account(recordKey={"S": "account#2"}),
        account(createdAt={"S": "yesterday"}),
        account(userId={"S": ".."}),
    ]
    slashed = [
        account(userId={"S": "a"}, dataType={"S": "b/c"}, recordKey={"S": "b/c#1"}),
        account(userId={"S": "a/b"}, dataType={"S": "c"}, recordKey={"S": "c#1"}),
    ]
    tree = write_tree([*odd, *slashed, *ITEMS], LocalStore(tmp_path))
    assert tree.objects == 1 + len(ITEMS)
    reasons = (
        "data/tags: JSON has no SS",
        "recordKey",
        "recordKey",
        "createdAt",
        "not a record's path",
        "another item",
    )
    for told, reason in zip(tree.refused, reasons, strict=True):
        assert reason in told
    assert (tmp_path / "users/a/b/c/1.json").exists()


def test_the_export_is_an_iceberg_table_of_one_snapshot_at_a_time(tmp_path: Path, settings: Settings) -> None:
    pytest.importorskip("pyiceberg", reason="PyIceberg is not installed")
    store, catalog = LocalStore(tmp_path / "lake"), local_catalog(tmp_path / "catalog")
    publish_iceberg(store, export_lake(ITEMS, store), catalog)
    old = catalog.load_table("thrivecalc.user_data").metadata_location
    publish_iceberg(store, export_lake(ITEMS[:2], store), catalog)
    table = catalog.load_table("thrivecalc.user_data")

    def rows(location: str) -> int:
        return sum(batch.num_rows for batch in open_table(location, settings))

    assert (rows(old), rows(table.metadata_location)) == (len(ITEMS), 2)
    (total,) = catalog.load_table("thrivecalc.savings_goal").scan().to_arrow()["current_amount"].to_pylist()
    assert total == Decimal("15000.55")
    for nowhere in (old.replace("metadata.json", "other.metadata.json"), "iceberg://nowhere/a.b"):
        with pytest.raises(InputError):
            rows(nowhere)


def test_an_iceberg_table_on_s3_is_read_too(ministack: str, settings: Settings, tmp_path: Path) -> None:
    pytest.importorskip("pyiceberg", reason="PyIceberg is not installed")
    from pyiceberg.catalog.sql import SqlCatalog

    bucket, local = f"lake-{secrets.token_hex(6)}", replace(settings, s3_endpoint=ministack)
    aws_client("s3", ministack, "us-east-1").create_bucket(Bucket=bucket)
    store = open_store(f"s3://{bucket}/lake", local)
    uri, place = f"sqlite:///{tmp_path}/catalog.db", f"s3://{bucket}/tables"
    catalog = SqlCatalog("lake", uri=uri, warehouse=place, **iceberg_properties(local))
    publish_iceberg(store, export_lake(ITEMS, store), catalog)
    location = catalog.load_table("thrivecalc.user_data").metadata_location
    assert sum(batch.num_rows for batch in open_table(location, local)) == len(ITEMS)
