"""A DynamoDB API that stores nothing and checks nothing: answers cost next to nothing, so that clients are measured.

`python -m benchmarks.dynamodb.null_server [--answer-ms N]` prints its port. It counts the items put: GET / tells.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import zlib
from collections import Counter
from typing import Any

HOST = "127.0.0.1"
# Far beyond what any client here writes: a pace that follows the table's capacity must not be what is measured.
WRITE_UNITS = 10_000_000
LEDGER = b'"_billio_ledger"'

_LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]+)", re.I).search
_TARGET = re.compile(rb"\r\nx-amz-target: *DynamoDB_20120810\.(\w+)", re.I).search
_KEYS = (("PK", "HASH"), ("SK", "RANGE"))
_INDEX = {"CapacityUnits": 25.0}
_CONSUMED = {
    "CapacityUnits": 100.0,
    "Table": _INDEX,
    "GlobalSecondaryIndexes": {f"GSI{n}": _INDEX for n in (1, 2, 3)},
}


class NullServer:
    """Answers every request after `delay` seconds. `told` counts requests by operation, and `items` put."""

    def __init__(self, delay: float = 0.0) -> None:
        self.delay = delay
        self.told: Counter[str] = Counter()

    def connection(self) -> asyncio.Protocol:
        return _Connection(self)

    def answer(self, operation: str, body: bytes) -> bytes:
        """The response, headers and all."""
        self.told[operation] += 1
        match operation:
            case "BatchWriteItem":
                self.told["items"] += body.count(b'"PutRequest"')
                return _BATCH_TOLD if b'"ReturnConsumedCapacity"' in body else _BATCH
            case "PutItem":
                self.told["items"] += LEDGER not in body
                return _EMPTY
            case "Scan" | "Query":
                return _NONE_FOUND
            case "DescribeTable" | "CreateTable":
                head = "Table" if operation == "DescribeTable" else "TableDescription"
                return _response(200, {head: _described(json.loads(body)["TableName"])})
            case "":
                return _response(200, dict(self.told))
        return _response(400, {"__type": "com.amazonaws.dynamodb.v20120810#ValidationException", "message": operation})


class _Connection(asyncio.Protocol):
    def __init__(self, server: NullServer) -> None:
        self._server = server
        self._read = b""
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._read = self._read + data if self._read else data
        while (end := self._read.find(b"\r\n\r\n")) >= 0:
            head = self._read[:end]
            length, target = _LENGTH(head), _TARGET(head)
            whole = end + 4 + (int(length[1]) if length else 0)
            if len(self._read) < whole:
                return
            body, self._read = self._read[end + 4 : whole], self._read[whole:]
            answer = self._server.answer(target[1].decode() if target else "", body)
            if self._server.delay and target:
                asyncio.get_running_loop().call_later(self._server.delay, self._transport.write, answer)
            else:
                self._transport.write(answer)


def _described(table: str) -> dict[str, Any]:
    return {
        "TableName": table,
        "TableStatus": "ACTIVE",
        "TableId": "null",
        "TableArn": f"arn:aws:dynamodb:us-east-1:000000000000:table/{table}",
        "AttributeDefinitions": [{"AttributeName": name, "AttributeType": "S"} for name, _ in _KEYS],
        "KeySchema": [{"AttributeName": name, "KeyType": kind} for name, kind in _KEYS],
        "ProvisionedThroughput": {"ReadCapacityUnits": WRITE_UNITS, "WriteCapacityUnits": WRITE_UNITS},
    }


def _response(status: int, answer: dict[str, Any]) -> bytes:
    """As DynamoDB sends it, its checksum included, which clients check."""
    body = json.dumps(answer).encode()
    return (
        f"HTTP/1.1 {status} -\r\nContent-Type: application/x-amz-json-1.0\r\n"
        f"Content-Length: {len(body)}\r\nx-amz-crc32: {zlib.crc32(body)}\r\n\r\n"
    ).encode() + body


_EMPTY = _response(200, {})
_NONE_FOUND = _response(200, {"Items": [], "Count": 0, "ScannedCount": 0})
_BATCH = _response(200, {"UnprocessedItems": {}})
_BATCH_TOLD = _response(200, {"UnprocessedItems": {}, "ConsumedCapacity": [{"TableName": "any", **_CONSUMED}]})


async def _serve(delay: float) -> None:
    server = await asyncio.get_running_loop().create_server(NullServer(delay).connection, HOST, 0, backlog=256)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--answer-ms", type=float, default=0.0)
    asyncio.run(_serve(parser.parse_args().answer_ms / 1000))


if __name__ == "__main__":
    main()
