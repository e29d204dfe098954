"""What a table holds, read back consistently to be compared: all of it, or the items of a batch."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from billio_pipeline.errors import TransientError
from billio_pipeline.model.canonical import canonical_item
from billio_pipeline.model.refusal import Refusal
from billio_pipeline.model.tables import DynamoTable
from billio_pipeline.stores.dynamodb.client_form import for_client, from_client
from billio_pipeline.stores.dynamodb.keys import Key, item_key, key_of
from billio_pipeline.stores.dynamodb.rate import Rate
from billio_pipeline.stores.dynamodb.retry import Tries
from billio_pipeline.stores.dynamodb.scan import Segments
from billio_pipeline.stores.retry import Retries

KEYS = 100  # in one BatchGetItem, DynamoDB's limit
_UNPROCESSED_KEYS = "UnprocessedKeys"


def read_back(
    client: Any,
    table: str,
    *,
    segments: int = 4,
    rate: float | None = None,
    retries: Retries | None = None,
) -> Iterator[list[bytes]]:
    """Every item as its `{"Item":…}` line, page by page, in no order; memory holds a page or two per segment.

    `rate` limits items per second. Closing the iterator ends the scan.
    """
    stopped = threading.Event()
    scan = Segments(client, table, segments, consistent=True, rate=Rate(rate) if rate is not None else None)
    # One place per segment: who reads slowly holds up the scan, not memory.
    pages: queue.Queue[list[bytes] | BaseException | None] = queue.Queue(segments)

    def one(number: int) -> None:
        try:
            for lines in scan.pages(number, stopped, retries=retries):
                pages.put(lines)
            pages.put(None)
        except BaseException as error:
            pages.put(error)

    with ThreadPoolExecutor(segments, thread_name_prefix="read") as pool:
        running = [pool.submit(one, number) for number in range(segments)]
        left = segments
        try:
            while left:
                page = pages.get()
                if isinstance(page, BaseException):
                    raise page
                if page is None:
                    left -= 1
                elif page:
                    yield page
        finally:
            stopped.set()
            while not all(future.done() for future in running):
                _drain(pages)


def absent(
    client: Any, table: DynamoTable, items: Sequence[Mapping[str, dict[str, Any]]], *, retries: Retries | None = None
) -> list[Mapping[str, dict[str, Any]]]:
    """Those of the items that the table doesn't hold exactly, in their order."""
    missing, different = compare(client, table, items, retries=retries)
    wanted = {id(item) for item in (*missing, *different)}
    return [item for item in items if id(item) in wanted]


def compare(
    client: Any, table: DynamoTable, items: Sequence[Mapping[str, dict[str, Any]]], *, retries: Retries | None = None
) -> tuple[list[Mapping[str, dict[str, Any]]], list[Mapping[str, dict[str, Any]]]]:
    """(items whose keys the table lacks, items that it holds differently), in their order. One without a key is among
    the first."""
    by_key: dict[Key, Mapping[str, Any]] = {}
    for item in items:
        key = item_key(table, item)
        if not isinstance(key, Refusal):
            by_key[key] = item
    tries = Tries(f"table {table.name}", retries=retries)
    wanted = list(by_key.values())
    held: dict[Key | Refusal, bytes] = {}
    for start in range(0, len(wanted), KEYS):
        for item in _held(client, table, wanted[start : start + KEYS], tries):
            held[item_key(table, item)] = canonical_item(item)
    missing, different = [], []
    for item in items:
        key = item_key(table, item)
        if isinstance(key, Refusal) or key not in held:
            missing.append(item)
        elif held[key] != canonical_item(by_key[key]):
            different.append(item)
    return missing, different


def _held(client: Any, table: DynamoTable, items: Sequence[Mapping[str, Any]], tries: Tries) -> list[dict[str, Any]]:
    """What the table holds under the keys of at most 100 items."""
    found: list[dict[str, Any]] = []
    keys = [for_client(key_of(table, item)) for item in items]

    def once() -> tuple[int, str]:
        nonlocal keys
        answer = client.batch_get_item(RequestItems={table.name: {"Keys": keys, "ConsistentRead": True}})
        found.extend(map(from_client, answer.get("Responses", {}).get(table.name, ())))
        rest = [each for part in answer.get(_UNPROCESSED_KEYS, {}).values() for each in part["Keys"]]
        if len(rest) > len(keys):
            raise TransientError(f"table {table.name}: an answer names more keys than were asked for")
        keys = rest
        return len(keys), _UNPROCESSED_KEYS

    tries.until_done(once, len(keys))
    return found


def _drain(pages: queue.Queue[Any]) -> None:
    try:
        pages.get(timeout=0.05)
    except queue.Empty:
        return
