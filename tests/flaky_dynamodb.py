"""A DynamoDB endpoint of ours that fails as the real one does, and more often: it stands in front of a real API.

Faults are drawn from a seeded generator, so a run of one thread repeats exactly. What was asked is counted.
"""

from __future__ import annotations

import http.client
import json
import random
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

THROTTLES = ("ProvisionedThroughputExceededException", "ThrottlingException", "RequestLimitExceeded")
WRITES = ("BatchWriteItem", "PutItem")


@dataclass(frozen=True)
class Faults:
    """Shares of requests that meet each fault, and of a batch's items that are left unprocessed.

    `lost`: done, but the connection is reset before the answer; `slow`: done, and answered after `slow_seconds`.
    """

    unprocessed: float = 0.0
    throttled: float = 0.0
    failed: float = 0.0
    reset: float = 0.0
    lost: float = 0.0
    slow: float = 0.0
    slow_seconds: float = 1.0
    operations: tuple[str, ...] = WRITES


BAD_DAY = Faults(unprocessed=0.3, throttled=0.06, failed=0.06, reset=0.04, lost=0.04, slow=0.02)


class FlakyDynamoDb:
    """`url` is where it listens. `before` is told each operation before it is done, and may do anything."""

    def __init__(self, behind: str, faults: Faults, seed: int, before: Callable[[str], None] | None) -> None:
        self.faults = faults
        self.before = before
        self.asked: Counter[str] = Counter()
        self.met: Counter[str] = Counter()
        self.put: Counter[str] = Counter()  # times each item was stored, by its whole text
        self.most_bytes = 0
        self.consumed: list[tuple[float, int]] = []  # when, items stored
        self._behind = urlsplit(behind)
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        self._connections = threading.local()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def start(self) -> None:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, operation: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes] | None:
        """Status and body; None is a connection reset."""
        with self._lock:
            self.asked[operation] += 1
            self.most_bytes = max(self.most_bytes, len(body))
            fault = self._drawn(operation)
            if fault:
                self.met[fault] += 1
        if self.before:
            self.before(operation)
        match fault:
            case "throttled":
                with self._lock:
                    name = self._random.choice(THROTTLES)
                return _error(400, name)
            case "failed":
                with self._lock:
                    code = self._random.choice(((500, "InternalServerError"), (503, "ServiceUnavailable")))
                return _error(*code)
            case "reset":
                return None
        status, answered = self._passed_on(operation, body, headers)
        if fault == "slow":
            time.sleep(self.faults.slow_seconds)
        return None if fault == "lost" else (status, answered)

    def _drawn(self, operation: str) -> str | None:
        if operation not in self.faults.operations:
            return None
        draw = self._random.random()
        for name in ("throttled", "failed", "reset", "lost", "slow"):
            draw -= getattr(self.faults, name)
            if draw < 0:
                return name
        return None

    def _passed_on(self, operation: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
        if operation != "BatchWriteItem":
            return self._ask(body, headers)
        asked = json.loads(body)
        ((table, puts),) = asked["RequestItems"].items()
        with self._lock:
            left = [put for put in puts if self._random.random() < self.faults.unprocessed]
        done = [put for put in puts if put not in left]
        if not done:
            return 200, json.dumps({"UnprocessedItems": {table: left}}).encode()
        status, answered = self._ask(json.dumps(asked | {"RequestItems": {table: done}}).encode(), headers)
        if status != 200:
            return status, answered
        with self._lock:
            self.met["unprocessed"] += len(left)
            self.put.update(json.dumps(put["PutRequest"]["Item"], sort_keys=True) for put in done)
            self.consumed.append((time.monotonic(), len(done)))
        answer = json.loads(answered)
        return 200, json.dumps(answer | {"UnprocessedItems": {table: left} if left else {}}).encode()

    def _ask(self, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
        connection: http.client.HTTPConnection | None = getattr(self._connections, "held", None)
        if connection is None:
            connection = http.client.HTTPConnection(self._behind.hostname or "", self._behind.port, timeout=60)
            self._connections.held = connection
        connection.request("POST", "/", body, headers)
        response = connection.getresponse()
        return response.status, response.read()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        flaky = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                kept = ("X-Amz-Target", "Content-Type", "Authorization", "X-Amz-Date")
                headers = {name: self.headers[name] for name in kept if self.headers[name]}
                answer = flaky.answer(headers["X-Amz-Target"].rpartition(".")[2], body, headers)
                if answer is None:
                    # No lingering: the peer is sent a reset.
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    self.close_connection = True
                    self.connection.close()
                    return
                status, content = answer
                try:
                    self.send_response(status)
                    self.send_header("Content-Type", "application/x-amz-json-1.0")
                    self.send_header("Content-Length", str(len(content)))
                    self.end_headers()
                    self.wfile.write(content)
                except OSError:  # who asked has waited long enough
                    self.close_connection = True

            def log_message(self, *_: Any) -> None:
                pass

            def finish(self) -> None:
                try:
                    super().finish()
                except (OSError, ValueError):
                    return

        return Handler


def _error(status: int, name: str) -> tuple[int, bytes]:
    return status, json.dumps({"__type": f"com.amazonaws.dynamodb.v20120810#{name}", "message": "by design"}).encode()


@contextmanager
def flaky(
    behind: str, faults: Faults = BAD_DAY, *, seed: int = 1, before: Callable[[str], None] | None = None
) -> Iterator[FlakyDynamoDb]:
    """The endpoint, listening, in front of the API at `behind`."""
    endpoint = FlakyDynamoDb(behind, faults, seed, before)
    endpoint.start()
    try:
        yield endpoint
    finally:
        endpoint.stop()
