"""`billio lake`: every item a row of typed Parquet, and the counts proven against what was read."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import servers
import typer
from algoitny_places import Migrated, migrated, own_tables
from typer.testing import CliRunner

from assets.algoitny import model as algoitny
from assets.algoitny.generator import generate
from assets.algoitny.lake import expected, export_lake
from assets.thrivecalc import lake_assets
from assets.thrivecalc import model as thrivecalc
from billio_pipeline.cli.lake import lake as command
from billio_pipeline.duck import connect
from billio_pipeline.settings import Settings
from billio_pipeline.stores.dynamodb import dynamodb_client, put_items, tables
from billio_pipeline.stores.objects import open_store
from billio_pipeline.stores.objects.aws import aws_client
from billio_pipeline.stores.objects.local import LocalStore
from resources.dynamodb import DynamoDBResource

FIXTURE = Path(__file__).parents[1] / "fixtures/thrive.ddb-export.jsonl"
ITEMS = [json.loads(line)["Item"] for line in FIXTURE.read_text().splitlines()]
app = typer.Typer()
app.command()(command)


@pytest.fixture
def small(
    postgres_server: servers.TestPostgres, ministack: str, settings: Settings, tmp_path: Path
) -> Iterator[Migrated]:
    name = postgres_server.create("template_plain")
    rows = generate(2, as_of=datetime.now(UTC))
    yield migrated(postgres_server.dsn(name), rows, settings, ministack, tmp_path / "archive")
    postgres_server.drop(name)


def ask(query: str) -> list[tuple[Any, ...]]:
    with connect() as db:
        return db.sql(query).fetchall()


def test_usage_logs_of_table_and_archive_are_one_table(small: Migrated, tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "lake")
    lake, back = export_lake(small.client, small.archive, store, tmp_path / "work", system=small.system)
    source = generate(2)
    assert lake.rows == {table: len(source[table]) for table in lake.rows} == expected(back, lake, small.system)
    assert 0 < lake.archived < lake.rows["usage_logs"]
    logs = store.root / lake.files["usage_logs"]
    assert ask(f"SELECT count(DISTINCT id), typeof(min(created_at)), typeof(min(user_id)) FROM '{logs}'") == [  # noqa: S608
        (lake.rows["usage_logs"], "TIMESTAMP WITH TIME ZONE", "BIGINT")
    ]
    alone, _ = export_lake(small.client, None, store, tmp_path / "more", system=small.system)
    assert alone.rows["usage_logs"] == lake.rows["usage_logs"] - lake.archived
    assert json.loads(store.read("current.json"))["version"] == alone.version
    assert store.exists(lake.files["usage_logs"]), "readers may still be in it"


def test_the_command_names_what_is_no_row_and_is_not_content(
    small: Migrated, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(algoitny, "SYSTEM", small.system)
    monkeypatch.setenv("BILLIO_DYNAMODB_ENDPOINT", str(small.settings.dynamodb_endpoint))
    monkeypatch.setenv("BILLIO_ALGOITNY_ARCHIVE", str(small.archive.root))
    arguments = ["algoitny", "--to", str(tmp_path / "lake"), "--json"]
    result = CliRunner().invoke(app, arguments)
    said = json.loads(result.stdout)
    assert (result.exit_code, said["proven"], said["left_out"]) == (0, True, [])
    assert ask(said["example"])
    small.put("main", {"PK": {"S": "X"}, "SK": {"S": "X"}, "EntityType": {"S": "Unknown"}})
    result = CliRunner().invoke(app, arguments)
    again = json.loads(result.stdout)
    assert (result.exit_code, again["proven"], again["items"]) == (1, False, said["items"] + 1)
    assert "X / X" in again["left_out"][0]
    assert CliRunner().invoke(app, [*arguments, "--iceberg"]).exit_code == 2


@pytest.fixture
def records(ministack: str, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """The fixture's records in a table of the test's own; how many."""
    client, system = dynamodb_client(replace(settings, dynamodb_endpoint=ministack)), own_tables(thrivecalc.SYSTEM)
    monkeypatch.setattr(thrivecalc, "SYSTEM", system)
    monkeypatch.setenv("BILLIO_DYNAMODB_ENDPOINT", ministack)
    tables.create(client, system.tables[0])
    yield put_items(client, system.tables[0], ITEMS)
    client.delete_table(TableName=system.tables[0].name)


def test_thrivecalc_s_amounts_are_summed_in_the_lake(records: int, tmp_path: Path) -> None:
    pytest.importorskip("pyiceberg", reason="PyIceberg is not installed")
    result = CliRunner().invoke(app, ["thrivecalc", "--to", str(tmp_path), "--iceberg", "--json"])
    said = json.loads(result.stdout)
    assert (result.exit_code, said["items"], said["rows"]["user_data"]) == (0, records, records)
    assert [str(total) for _, total in ask(said["example"])] == ["123456.780000000000000000"]
    assert set(said["iceberg_snapshots"]) == set(said["files"])


def test_a_lake_in_s3_is_proven_too(
    records: int, ministack: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = f"lake-{secrets.token_hex(6)}"
    aws_client("s3", ministack, "us-east-1").create_bucket(Bucket=bucket)
    monkeypatch.setenv("BILLIO_S3_ENDPOINT", ministack)
    result = CliRunner().invoke(app, ["thrivecalc", "--to", f"s3://{bucket}/lake", "--json"])
    assert (result.exit_code, json.loads(result.stdout)["proven"]) == (0, True)
    assert open_store(f"s3://{bucket}/lake", replace(settings, s3_endpoint=ministack)).exists("current.json")


def test_the_assets_make_the_same_lake_and_check_its_rows(
    records: int, ministack: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pyiceberg", reason="PyIceberg is not installed")
    monkeypatch.setattr(lake_assets, "SYSTEM", thrivecalc.SYSTEM)
    config = {"config": {"location": str(tmp_path)}}
    done = dg.materialize(
        [lake_assets.export, lake_assets.lake_table],
        resources={"dynamodb": DynamoDBResource(endpoint=ministack)},
        run_config={"ops": {"thrivecalc__export": config, "thrivecalc__lake__user_data": config}},
    )
    checks = {each.asset_key.to_user_string(): each for each in done.get_asset_check_evaluations()}
    assert {name: each.passed for name, each in checks.items()} == {
        "thrivecalc/export": True, "thrivecalc/lake/user_data": True,
    }  # fmt: skip
    assert [each.metadata["rows"].value for each in checks.values()] == [records, records]
