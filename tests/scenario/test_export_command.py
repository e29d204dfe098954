"""`billio export` as people call it: a scan of the stack's real DynamoDB, and AWS's own export.

The stack's table export writes nothing, so ExportTableToPointInTime and DescribeExport are answered here by a small
HTTP server of the test's own, which puts a real export into the stack's real S3.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import typer
from exports import write_export
from typer.testing import CliRunner

from assets.billio.model import SYSTEM
from billio_pipeline.cli.export import export
from billio_pipeline.errors import ExportError, InputError
from billio_pipeline.settings import Settings
from billio_pipeline.stores.dynamodb import (
    dynamodb_client,
    open_source,
    put_items,
    request_pitr_export,
    tables,
    wait_for_export,
)
from billio_pipeline.stores.objects import open_store
from billio_pipeline.stores.objects.aws import aws_client

FIXTURE = Path(__file__).parent.parent / "fixtures/billio.ddb-export.jsonl"
LINES = FIXTURE.read_bytes().splitlines()
TABLE_ARN = "arn:aws:dynamodb:us-east-1:000000000000:table/billio"

app = typer.Typer()
app.command()(export)


def billio_export(*arguments: str) -> tuple[int, dict[str, Any], str]:
    result = CliRunner().invoke(app, ["billio", *arguments, "--json"])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, json.loads(result.stdout or "{}"), result.stderr


@pytest.fixture
def endpoint(ministack: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("BILLIO_DYNAMODB_ENDPOINT", ministack)
    monkeypatch.setenv("BILLIO_S3_ENDPOINT", ministack)
    return ministack


@pytest.fixture
def table(endpoint: str) -> str:
    name = f"billio-{secrets.token_hex(4)}"
    client = dynamodb_client(Settings.from_env())
    table = replace(SYSTEM.source, name=name)
    tables.create(client, table)
    put_items(client, table, [json.loads(line)["Item"] for line in LINES])
    return name


def test_a_table_becomes_an_export_and_says_where(table: str, tmp_path: Path) -> None:
    code, said, _ = billio_export("--to", str(tmp_path), "--table", table, "--segments", "2", "--eventual")
    assert code == 0
    assert {name: said[name] for name in ("system", "table", "items", "files")} == {
        "system": "billio", "table": table, "items": len(LINES), "files": 2,
    }  # fmt: skip
    assert set(said) == {"system", "table", "path", "items", "files", "bytes", "seconds"}
    source = open_source(said["path"], SYSTEM, Settings.from_env())
    assert (source.items, source.bytes) == (said["items"], said["bytes"])
    found = [json.loads(line) for file in source.files for block in source.lines(file) for line in block.lines]
    assert sorted(found, key=str) == sorted(map(json.loads, LINES), key=str)


def test_people_are_told_what_to_do_next(table: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["billio", "--to", str(tmp_path), "--table", table])
    assert result.exit_code == 0
    assert f"billio migrate billio --export {tmp_path}" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--to", "{tmp}", "--table", "nowhere"], "nowhere"),
        (["--to", "{tmp}", "--rate", "0"], "0.0 items/s"),
        (["--to", "{tmp}/file"], "file"),
        (["--to", "gs://x"], "gs://x"),
        ([], "no destination"),
        (["--to", "{tmp}", "--s3-bucket", "b"], "without --pitr"),
        (["--pitr"], "no bucket"),
        (["--pitr", "--to", "{tmp}"], "only to S3"),
        (["--pitr", "--to", "s3://a", "--s3-bucket", "b"], "both"),
        (["--pitr", "--to", "s3://a/b", "--export-time", "yesterday"], "yesterday"),
    ],
)
def test_what_cannot_be_done_exits_2_and_says_why(arguments: list[str], words: str, table: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    given = [each.format(tmp=tmp_path) for each in arguments]
    code, said, errors = billio_export(*given, *([] if "--table" in given else ["--table", table]))
    assert code == 2
    assert words in said["error"]["message"]
    assert said["error"]["remedy"]
    assert words in errors


class Aws(BaseHTTPRequestHandler):
    """Ours: the three operations a point-in-time export needs, from a script of answers."""

    statuses: list[dict[str, Any]]
    requests: list[tuple[str, dict[str, Any]]]

    def do_POST(self) -> None:
        operation = self.headers["X-Amz-Target"].partition(".")[2]
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.requests.append((operation, request))
        status, answer = 200, dict[str, Any]()
        if operation == "DescribeTable":
            answer = {"Table": {"TableName": request["TableName"], "TableArn": TABLE_ARN}}
        elif operation == "ExportTableToPointInTime" and request["TableArn"] != TABLE_ARN:
            status = 400
            answer = {"__type": "x#PointInTimeRecoveryUnavailableException", "message": "PITR is off"}
        elif operation == "ExportTableToPointInTime":
            answer = {"ExportDescription": {"ExportArn": f"{TABLE_ARN}/export/01-ab", "ExportStatus": "IN_PROGRESS"}}
        else:
            answer = {"ExportDescription": self.statuses.pop(0)}
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.0")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def aws(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Aws]]:
    handler = type("Handler", (Aws,), {"statuses": [], "requests": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    monkeypatch.setenv("BILLIO_DYNAMODB_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setattr("billio_pipeline.stores.dynamodb.pitr.time.sleep", lambda seconds: None)
    yield handler
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def exported(endpoint: str, tmp_path: Path) -> dict[str, Any]:
    """An export AWS might have written, in the stack's S3; returns its COMPLETED description."""
    bucket = f"b-{secrets.token_hex(6)}"
    aws_client("s3", endpoint, "us-east-1").create_bucket(Bucket=bucket)
    own = write_export(tmp_path, [LINES[:5], LINES[5:]], "nightly")
    store = open_store(f"s3://{bucket}", Settings.from_env())
    for path in own.rglob("*"):
        if path.is_file():
            store.write(str(path.relative_to(tmp_path)), path.read_bytes())
    return {
        "ExportArn": f"{TABLE_ARN}/export/01-ab", "ExportStatus": "COMPLETED", "S3Bucket": bucket,
        "S3Prefix": "nightly",
        "ExportManifest": f"{own.relative_to(tmp_path)}/manifest-summary.json", "ItemCount": len(LINES),
        "ExportFormat": "DYNAMODB_JSON", "ExportType": "FULL_EXPORT",
    }  # fmt: skip


def test_an_aws_export_is_requested_awaited_and_checked(exported: dict[str, Any], aws: type[Aws]) -> None:
    waiting = {"ExportStatus": "IN_PROGRESS"}
    aws.statuses += [waiting, waiting, exported]
    code, said, errors = billio_export(
        "--pitr", "--s3-bucket", exported["S3Bucket"], "--s3-prefix", "nightly", "--export-time", "2026-11-21T10:00:00Z"
    )
    assert (code, said["items"], said["files"]) == (0, len(LINES), 2)
    assert said["path"].startswith(f"s3://{exported['S3Bucket']}/nightly/AWSDynamoDB/")
    operation, request = aws.requests[1]
    assert operation == "ExportTableToPointInTime"
    assert request.pop("ClientToken")
    assert request == {
        "TableArn": TABLE_ARN, "S3Bucket": exported["S3Bucket"], "S3Prefix": "nightly", "ExportType": "FULL_EXPORT",
        "ExportFormat": "DYNAMODB_JSON", "ExportTime": datetime(2026, 11, 21, 10, tzinfo=UTC).timestamp(),
    }  # fmt: skip
    assert f"--export-arn {exported['ExportArn']}" in errors


def test_an_interrupted_wait_goes_on_by_the_exports_arn(exported: dict[str, Any], aws: type[Aws]) -> None:
    aws.statuses += [exported]
    code, said, _ = billio_export("--pitr", "--export-arn", exported["ExportArn"])
    assert (code, said["items"]) == (0, len(LINES))
    assert [operation for operation, _ in aws.requests] == ["DescribeExport"]


@pytest.mark.parametrize(
    "description",
    [
        {"ExportStatus": "FAILED", "FailureCode": "S3NoSuchBucket", "FailureMessage": "no such bucket"},
        {"ExportStatus": "COMPLETED", "ExportType": "INCREMENTAL_EXPORT"},
        {"ExportStatus": "COMPLETED", "ExportFormat": "ION"},
        {"ExportStatus": "COMPLETED", "FilterSpecification": {"FilterExpression": "a = b"}},
    ],
    ids=lambda description: str(list(description.values())[1])[:20],
)
def test_an_aws_export_that_is_not_whole_is_refused(description: dict[str, Any], aws: type[Aws]) -> None:
    aws.statuses += [description]
    with pytest.raises(ExportError) as caught:
        wait_for_export(dynamodb_client(Settings.from_env()), f"{TABLE_ARN}/export/01-ab")
    assert caught.value.remedy
    if "FailureMessage" in description:
        assert "no such bucket" in str(caught.value)


def test_a_table_without_recovery_says_to_turn_it_on(aws: type[Aws]) -> None:
    with pytest.raises(InputError, match="PITR is off") as caught:
        request_pitr_export(dynamodb_client(Settings.from_env()), f"{TABLE_ARN}x", "bucket")
    assert "point-in-time recovery" in caught.value.remedy
