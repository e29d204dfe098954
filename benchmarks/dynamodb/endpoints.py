"""The endpoints that are written to: the null server, at once or after a while, and the embedded DynamoDB; all ours."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from assets.algoitny.model import SYSTEM
from billio_pipeline.local.dynamodb import DynamoDbServer
from billio_pipeline.local.ports import HOST, free_port
from billio_pipeline.settings import CHECKOUT, Settings
from billio_pipeline.stores.dynamodb import dynamodb_client, ledger, tables

WHILE_MS = 10.0  # what a batch takes in one region is of this order


@dataclass(frozen=True)
class Endpoint:
    """A DynamoDB API in a process of its own. `real`: it holds what is put."""

    url: str
    pid: int
    real: bool = False

    def put(self) -> int:
        """Items that arrived, as the endpoint counts them."""
        if self.real:
            return sum(_held(self.client(), table.name) for table in SYSTEM.tables)
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=10)
        connection.request("GET", "/")
        return int(json.loads(connection.getresponse().read()).get("items", 0))

    def emptied(self) -> None:
        """Its tables made anew, nothing in them, and no ledger; the null server has none."""
        if self.real:
            client = self.client()
            for name in client.list_tables()["TableNames"]:
                client.delete_table(TableName=name)
            for table in SYSTEM.tables:
                tables.create(client, replace(table, capacity=None))
            ledger.create(client)

    def client(self) -> Any:
        return dynamodb_client(replace(Settings.from_env({}), dynamodb_endpoint=self.url))


def _held(client: Any, table: str) -> int:
    pages = client.get_paginator("scan").paginate(TableName=table, Select="COUNT")
    return sum(page["Count"] for page in pages)


@contextmanager
def null(answer_ms: float = 0.0) -> Iterator[Endpoint]:
    """A null server that answers after so many milliseconds."""
    command = [sys.executable, "-m", "benchmarks.dynamodb.null_server", "--answer-ms", str(answer_ms)]
    with subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL) as process:
        try:
            assert process.stdout is not None
            yield Endpoint(f"http://{HOST}:{int(process.stdout.readline())}", process.pid)
        finally:
            process.terminate()


@contextmanager
def embedded(folder: Path) -> Iterator[Endpoint]:
    """A ministack of the bench's own, keeping nothing."""
    server = DynamoDbServer(folder, persist=False)
    port = free_port()
    try:
        yield Endpoint(f"http://{HOST}:{port}", server.start(port).pid, real=True)
    finally:
        with suppress(OSError):
            server.stop()
