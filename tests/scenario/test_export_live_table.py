"""A live table, scanned into the AWS layout and read back: against the real DynamoDB and S3 API of the stack."""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from assets.billio.model import SYSTEM
from billio_pipeline.errors import BillioError, ConfigurationError, InputError
from billio_pipeline.model.tables import DynamoTable
from billio_pipeline.settings import Settings
from billio_pipeline.stores.dynamodb import (
    dynamodb_client,
    export_table,
    open_source,
    put_items,
    tables,
)
from billio_pipeline.stores.dynamodb.rate import Rate
from billio_pipeline.stores.objects import ObjectStore, open_store

ODD = {
    "id": {"S": "odd"},
    "number": {"N": "12345678901234567890123456789012345678"},
    "binary": {"B": "AP8="},
    "sets": {"M": {"n": {"NS": ["1", "2.5"]}, "s": {"SS": ["b", "a"]}, "b": {"BS": ["AQ=="]}}},
    "nothing": {"NULL": True},
    "list": {"L": [{"BOOL": False}, {"S": ""}, {"S": "naïve 📚\n\u2028"}]},
}


@pytest.fixture
def local(settings: Settings, ministack: str) -> Settings:
    return replace(settings, dynamodb_endpoint=ministack, s3_endpoint=ministack)


@pytest.fixture(scope="module")
def table(ministack: str) -> str:
    """A table of 61 items, one of them with every type."""
    name = f"t-{secrets.token_hex(6)}"
    client = dynamodb_client(replace(Settings.from_env({}), dynamodb_endpoint=ministack))
    tables.create(client, DynamoTable(name, ("id", "S")))
    tables.create(client, DynamoTable(name, ("id", "S")))  # a second time is fine
    assert (
        put_items(
            client,
            DynamoTable(name, ("id", "S")),
            [ODD, *({"id": {"S": f"i{n}"}, "n": {"N": str(n)}} for n in range(60))],
        )
        == 61
    )
    return name


@pytest.fixture
def bucket(ministack: str) -> str:
    from billio_pipeline.stores.objects.aws import aws_client

    name = f"b-{secrets.token_hex(6)}"
    aws_client("s3", ministack, "us-east-1").create_bucket(Bucket=name)
    return name


def items(location: str, settings: Settings) -> list[dict[str, Any]]:
    source = open_source(location, SYSTEM, settings)
    return [json.loads(line)["Item"] for file in source.files for block in source.lines(file) for line in block.lines]


@pytest.mark.parametrize("consistent", [True, False])
def test_every_item_survives_the_scan_exactly(table: str, local: Settings, tmp_path: Path, consistent: bool) -> None:
    told: list[int] = []
    store = open_store(tmp_path, local)
    done = export_table(
        dynamodb_client(local), table, store, segments=3, consistent=consistent, progress=lambda n, _: told.append(n)
    )
    found = items(str(tmp_path), local)
    assert (done.items, done.files, len(found), told[-1]) == (61, 3, 61, 61)
    assert {item["id"]["S"] for item in found} == {"odd", *(f"i{n}" for n in range(60))}
    odd = next(item for item in found if item["id"]["S"] == "odd")
    assert odd["number"] == ODD["number"]
    assert odd["binary"] == {"B": "AP8="}
    assert odd["list"] == ODD["list"]
    assert odd["sets"]["M"]["b"] == {"BS": ["AQ=="]}
    assert done.bytes == open_source(done.uri, SYSTEM, local).bytes


def test_an_export_to_s3_reads_back_from_its_folder_and_its_bucket(table: str, local: Settings, bucket: str) -> None:
    store = open_store(f"s3://{bucket}/deep/prefix", local)
    done = export_table(dynamodb_client(local), table, store, segments=2)
    assert done.uri.startswith(f"s3://{bucket}/deep/prefix/AWSDynamoDB/0")
    for location in (done.uri, f"s3://{bucket}", f"s3://{bucket}/deep/"):
        assert len(items(location, local)) == 61
    assert open_source(done.uri, SYSTEM, local).id == open_source(f"s3://{bucket}", SYSTEM, local).id


def test_more_objects_than_a_page_are_all_listed(local: Settings, bucket: str) -> None:
    store = open_store(f"s3://{bucket}/many", local)
    for number in range(1005):
        store.write(f"k{number}", b"x")
    assert len(list(store.list())) == 1005


def test_an_empty_table_exports_empty_files(local: Settings, tmp_path: Path) -> None:
    name = f"t-{secrets.token_hex(6)}"
    client = dynamodb_client(local)
    tables.create(client, DynamoTable(name, ("id", "S")))
    done = export_table(client, name, open_store(tmp_path, local), segments=2)
    assert (done.items, done.files) == (0, 2)
    assert items(done.uri, local) == []


def test_a_destination_that_holds_something_is_refused(table: str, local: Settings, tmp_path: Path) -> None:
    store = open_store(tmp_path, local)
    export_table(dynamodb_client(local), table, store, export_id="0176-ab")
    with pytest.raises(InputError, match="already holds"):
        export_table(dynamodb_client(local), table, store, export_id="0176-ab")


class Breaking:
    """A store whose writes fail from the second data file on, as a full disk's would."""

    def __init__(self, store: ObjectStore) -> None:
        self._store, self._left, self._lock = store, 1, threading.Lock()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def create(self, key: str) -> Any:
        with self._lock:
            self._left -= 1
            if self._left < 0:
                raise InputError("disk full")
        return self._store.create(key)


def test_an_export_that_broke_off_is_never_complete(table: str, local: Settings, tmp_path: Path) -> None:
    store = open_store(tmp_path, local)
    with pytest.raises(InputError, match="disk full"):
        export_table(dynamodb_client(local), table, Breaking(store), segments=3)  # type: ignore[arg-type]
    with pytest.raises(BillioError, match="never finished"):
        open_source(tmp_path, SYSTEM, local)
    assert not [path for path in tmp_path.rglob("*") if "unfinished" in path.name]
    export_table(dynamodb_client(local), table, store)
    source = open_source(tmp_path, SYSTEM, local)
    assert (source.items, source.about["unfinished_exports_beside"]) == (61, 1)


def test_a_killed_export_is_never_complete(table: str, local: Settings, tmp_path: Path) -> None:
    script = (
        "import os, sys; from dataclasses import replace; from billio_pipeline.settings import Settings\n"
        "from billio_pipeline.stores.dynamodb import dynamodb_client, export_table\n"
        "from billio_pipeline.stores.objects import open_store\n"
        "settings = replace(Settings.from_env({}), dynamodb_endpoint=sys.argv[1])\n"
        "export_table(dynamodb_client(settings), sys.argv[2], open_store(sys.argv[3], settings), segments=2,\n"
        "             progress=lambda *_: os.kill(os.getpid(), 9))"
    )
    arguments = [sys.executable, "-c", script, str(local.dynamodb_endpoint), table, str(tmp_path)]
    assert subprocess.run(arguments, check=False).returncode == -9
    with pytest.raises(BillioError, match="never finished"):
        open_source(tmp_path, SYSTEM, local)


def test_a_rate_is_kept_on_average(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr("billio_pipeline.stores.dynamodb.rate.time.monotonic", lambda: now)
    rate, paid = Rate(100), 0
    for _ in range(50):
        now += rate.pay(40)
        paid += 40
    assert now == pytest.approx((paid - 100) / 100)
    with pytest.raises(ConfigurationError):
        Rate(0)


def test_a_rate_reaches_the_scan(table: str, local: Settings, tmp_path: Path) -> None:
    done = export_table(dynamodb_client(local), table, open_store(tmp_path, local), segments=2, rate=100_000)
    assert done.items == 61


@pytest.mark.parametrize(
    ("location", "error", "words"),
    [
        ("s3://no-such-bucket-here/x", InputError, "NoSuchBucket"),
        ("s3://{bucket}/nothing", InputError, "holds nothing"),
        ("s3:///x", InputError, "no bucket"),
        ("s3://Not A Bucket/x", ConfigurationError, "bucket"),
        ("gs://bucket/x", InputError, "neither a folder nor"),
    ],
)
def test_an_s3_location_that_cannot_be_read_is_explained(
    location: str, error: type[BillioError], words: str, local: Settings, bucket: str
) -> None:
    with pytest.raises(error, match=words) as caught:
        open_source(location.format(bucket=bucket), SYSTEM, local)
    assert caught.value.exit_code == 2
    assert caught.value.remedy


def test_an_unreachable_endpoint_is_explained(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    nobody = replace(settings, s3_endpoint="http://127.0.0.1:9", dynamodb_endpoint="http://127.0.0.1:9")
    with pytest.raises(ConfigurationError, match="can't be reached"):
        open_source("s3://bucket/x", SYSTEM, nobody)
    with pytest.raises(ConfigurationError, match="can't be reached"):
        export_table(dynamodb_client(nobody), "billio", open_store(tmp_path, nobody))


def test_real_aws_without_credentials_is_explained_before_any_request(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    elsewhere = replace(settings, region="eu-north-1", s3_endpoint=None)
    with pytest.raises(ConfigurationError, match="credentials"):
        open_source("s3://bucket/x", SYSTEM, elsewhere)


def test_a_local_endpoint_needs_no_credentials(
    table: str, local: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    assert export_table(dynamodb_client(local), table, open_store(tmp_path, local)).items == 61


def test_a_table_that_is_not_there_is_named(local: Settings, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere"):
        export_table(dynamodb_client(local), "nowhere", open_store(tmp_path, local))
    assert not list(tmp_path.iterdir())


def test_the_billio_table_gets_its_eight_indexes(local: Settings) -> None:
    client = dynamodb_client(local)
    name = f"billio-{secrets.token_hex(4)}"
    tables.create(client, replace(SYSTEM.source, name=name))
    described = client.describe_table(TableName=name)["Table"]
    assert {index["IndexName"] for index in described["GlobalSecondaryIndexes"]} == {
        "type", "type-addedAt", "category", "shelf", "shelf-addedAt", "externalId", "title", "seriesId",
    }  # fmt: skip
    assert described["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
