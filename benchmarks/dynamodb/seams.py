"""Where a load's CPU goes, by stopwatches at the seams of botocore; and botocore's own serialising put back.

Each stopwatch counts its own thread's CPU seconds, so waiting (for the network, for the interpreter's lock) is not in
them. Per request it is read a dozen times: a few microseconds of some milliseconds.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any, Self

from botocore.parsers import ResponseParser

from billio_pipeline.stores.dynamodb.body import put_request
from billio_pipeline.stores.dynamodb.client_form import for_client

CALL = "call"
CHECK = "item checked, sized, written as JSON"
SERIALISE = "botocore: serialise"
SIGN = "botocore: sign"
SEND = "HTTP: send, receive"
PARSE = "botocore: read the answer"
REST = "botocore: all else of a call"
INNER = (SERIALISE, SIGN, SEND, PARSE)
OURS = "Parquet, JSON read, ledger, threads"


class Carried(bytes):
    """A put request that knows its item, for who serialises it again."""

    item: Mapping[str, Any]


class Seams:
    """Replaces functions, by watched or other ones; they are put back when its context ends."""

    def __init__(self) -> None:
        self._spent: defaultdict[str, float] = defaultdict(float)
        self._lock = threading.Lock()
        self._thread = threading.local()
        self._before: list[tuple[Any, str, Any]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        while self._before:
            owner, name, before = self._before.pop()
            if before is None:
                delattr(owner, name)
            else:
                setattr(owner, name, before)

    def replace(self, owner: Any, name: str, by: Any) -> None:
        # What an instance has from its class is removed again, not written into it.
        self._before.append((owner, name, vars(owner).get(name)))
        setattr(owner, name, by)

    def watch(self, client: Any, write: ModuleType) -> None:
        """Stopwatches on the client, whose private parts are the only seams there are, and on the writer's checks."""
        self._watch(write.Writer, "_puts", CHECK)
        self._watch(write, "batch_write", CALL)
        self._watch(client._serializer, "serialize_to_request", SERIALISE)
        self._watch(client._request_signer, "sign", SIGN)
        self._watch(client._endpoint.http_session, "send", SEND)
        self._watch(ResponseParser, "parse", PARSE)

    def botocore_serialises(self, write: ModuleType) -> None:
        """Have requests go through botocore's own serialiser, as they would without body.py."""

        def carried(item: Mapping[str, Any]) -> Carried:
            found = Carried(put_request(item))
            found.item = item
            return found

        def written(client: Any, table: str, puts: Sequence[Carried]) -> Any:
            requests = [{"PutRequest": {"Item": for_client(put.item)}} for put in puts]
            return client.batch_write_item(RequestItems={table: requests}, ReturnConsumedCapacity="INDEXES")

        self.replace(write, "put_request", carried)
        self.replace(write, "batch_write", written)

    def seconds(self, whole: float) -> dict[str, float]:
        """CPU seconds by part, of `whole` spent in all."""
        inner = {name: self._spent[name] for name in INNER}
        called, checked = self._spent[CALL], self._spent[CHECK]
        rest = max(0.0, called - sum(inner.values()))
        return {OURS: max(0.0, whole - called - checked), CHECK: checked, **inner, REST: rest}

    def _watch(self, owner: Any, name: str, part: str) -> None:
        """Of botocore's parts only what is done in a call that writes items is counted: the ledger's is not."""
        inside: Callable[..., Any] = getattr(owner, name)

        def watched(*arguments: Any, **named: Any) -> Any:
            if part in INNER and not getattr(self._thread, "calling", False):
                return inside(*arguments, **named)
            if part == CALL:
                self._thread.calling = True
            began = time.thread_time()
            try:
                return inside(*arguments, **named)
            finally:
                spent = time.thread_time() - began
                if part == CALL:
                    self._thread.calling = False
                with self._lock:
                    self._spent[part] += spent

        self.replace(owner, name, watched)
