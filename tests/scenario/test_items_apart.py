"""`billio diff` and `billio bulk` of a system whose target is DynamoDB: the source read anew, nothing loaded."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import orjson
import pytest
from typer.testing import CliRunner

from billio_pipeline.cli import app

TREE = Path(__file__).parents[1] / "fixtures" / "thrive_s3"


@pytest.fixture
def billio(ministack: str, region: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("BILLIO_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("BILLIO_WORKERS", "1")
    monkeypatch.setenv("BILLIO_DYNAMODB_ENDPOINT", ministack)

    def run(*arguments: str) -> tuple[int, dict[str, Any]]:
        done = CliRunner().invoke(app, [*arguments, "--export", str(TREE), "--json"], catch_exceptions=False)
        return done.exit_code, json.loads(done.stdout)

    return run


def test_the_files_for_an_import_hold_every_item_once(billio: Any, tmp_path: Path) -> None:
    code, answer = billio("bulk", "thrivecalc", "--to", str(tmp_path / "files"))
    assert code == 0
    (table,) = answer["tables"].values()
    assert table["items"] == 6
    (file,) = (tmp_path / "files" / "thrivecalc-user-data").iterdir()
    lines = [orjson.loads(line)["Item"] for line in gzip.decompress(file.read_bytes()).splitlines()]
    records = [orjson.loads(path.read_bytes()) for path in sorted(TREE.rglob("*.json"))]
    keys = {(record["userId"], f"{record['dataType']}#{record['recordId']}") for record in records}
    assert {(item["userId"]["S"], item["recordKey"]["S"]) for item in lines} == keys


def test_a_folder_that_holds_something_is_not_written_to(billio: Any, tmp_path: Path) -> None:
    (tmp_path / "files" / "thrivecalc-user-data").mkdir(parents=True)
    (tmp_path / "files" / "thrivecalc-user-data" / "theirs").write_text("x")
    code, answer = billio("bulk", "thrivecalc", "--to", str(tmp_path / "files"))
    assert code == 2
    assert "already holds" in answer["error"]["message"]


def test_an_import_is_from_s3_only(billio: Any, tmp_path: Path) -> None:
    code, answer = billio("bulk", "thrivecalc", "--to", str(tmp_path / "files"), "--import")
    assert code == 2
    assert "s3://" in answer["error"]["remedy"]


def test_no_fingerprints_are_asked_of_dynamodb(billio: Any) -> None:
    code, answer = billio("diff", "thrivecalc", "--mode", "fingerprint")
    assert code == 2
    assert "in full" in answer["error"]["message"]


def test_a_target_without_the_table_is_told_and_nothing_of_the_source_kept(billio: Any, tmp_path: Path) -> None:
    code, answer = billio("diff", "thrivecalc")
    assert code == 2
    assert "thrivecalc-user-data" in answer["error"]["message"]
    assert not list((tmp_path / "home").rglob("*.parquet"))
