"""Items into a table that is ours alone, many per request: none lost, none twice, however the table answers.

An exclusive load: the table is empty, or what it holds was written by this load (ledger.py knows). Puts are whole items
under their own key, so any of them may be sent again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any

from billio_pipeline.errors import InputError
from billio_pipeline.model.canonical import canonical_item
from billio_pipeline.model.refusal import Reason, Refusal
from billio_pipeline.model.tables import DynamoTable
from billio_pipeline.stores.dynamodb.body import batch_write, put_request, ready
from billio_pipeline.stores.dynamodb.client_form import Item, from_client
from billio_pipeline.stores.dynamodb.keys import Key, item_key, key_text
from billio_pipeline.stores.dynamodb.retry import THROTTLED, UNPROCESSED, answered
from billio_pipeline.stores.dynamodb.send import Sender
from billio_pipeline.stores.dynamodb.size import item_size, write_units

# DynamoDB API reference, BatchWriteItem: puts in a request, bytes of one, 16 MB.
BATCH = 25
REQUEST_BYTES = 16 * 1024 * 1024
_AROUND = 1024  # bytes of a request beside its puts, at most: a table's name has 255


@dataclass(frozen=True)
class Refused:
    """An item that the table can't hold, and why."""

    item: Item
    refusal: Refusal


@dataclass(frozen=True)
class _Put:
    key: Key
    item: Item
    units: int
    request: bytes  # its part of a body


def measured(table: DynamoTable, item: Item) -> tuple[Key, int] | Refusal:
    """An item's key and size, or why the table can't hold it."""
    size = item_size(item)
    if isinstance(size, Refusal):
        return size
    key = item_key(table, item)
    return key if isinstance(key, Refusal) else (key, size)


class Writer(Sender):
    """Writes batches of items."""

    def write(self, items: Sequence[Mapping[str, dict[str, Any]]]) -> list[Refused]:
        """Put all items, wire items in whose place nothing else is wanted; returns those the table can't hold.

        Returns once every other one is written. Equal items under one key are put once. Raises InputError when
        differing ones are under one key, TransientError when the error budget is used up.
        """
        ready(self.client)
        refused: list[Refused] = []
        puts = self._puts(items, refused)
        self.each(partial(self._request, request, refused) for request in _requests(puts))
        return refused

    def _puts(self, items: Iterable[Mapping[str, Any]], refused: list[Refused]) -> list[_Put]:
        puts: dict[Key, _Put] = {}
        for given in items:
            item = dict(given)
            found = measured(self.table, item)
            if isinstance(found, Refusal):
                refused.append(Refused(item, found))
                continue
            key, size = found
            known = puts.get(key)
            if known is None:
                puts[key] = _Put(key, item, write_units(size), put_request(item))
            elif canonical_item(known.item) != canonical_item(item):
                raise InputError(
                    f"table {self.table.name}: two items under the key {key_text(key)} differ",
                    remedy="Decide which one is wanted before loading; nothing of their batch was written.",
                )
        return list(puts.values())

    def _request(self, puts: Sequence[_Put], refused: list[Refused]) -> None:
        """Write one request's puts, halving what DynamoDB calls invalid until the item it means stands alone."""
        left = list(puts)
        invalid = ""

        def once() -> tuple[int, str]:
            nonlocal left, invalid
            estimated = sum(put.units for put in left)
            self.tries.wait(self.rate.pay(estimated))
            try:
                answer = batch_write(self.client, self.table.name, [put.request for put in left])
            except self.client.exceptions.ClientError as error:
                code = answered(error)
                if code in THROTTLED:
                    self.rate.answered(0, estimated)
                if code != "ValidationException":
                    raise
                invalid = str(error.response["Error"].get("Message", code))
                return 0, ""
            rest = self._unprocessed(left, answer)
            written = len(left) - len(rest)
            over = sum(put.units for put in rest)
            self._account(answer, written, estimated - over)
            self.rate.answered(estimated - over, over)
            left = rest
            self.progress(written)
            return len(left), UNPROCESSED

        self.tries.until_done(once, len(left))
        if invalid and len(left) == 1:
            refused.append(Refused(left[0].item, Refusal(Reason.TARGET_REFUSED, invalid)))
        elif invalid:
            middle = len(left) // 2
            self._request(left[:middle], refused)
            self._request(left[middle:], refused)

    def _unprocessed(self, puts: Sequence[_Put], answer: Mapping[str, Any]) -> list[_Put]:
        """Those to be sent again: by their keys, as we have them. An answer that names others answers nothing."""
        named = {
            item_key(self.table, from_client(each["PutRequest"]["Item"]))
            for requests in answer.get("UnprocessedItems", {}).values()
            for each in requests
        }
        rest = [put for put in puts if put.key in named]
        return rest if len(rest) == len(named) else list(puts)

    def _account(self, answer: Mapping[str, Any], written: int, estimated: int) -> None:
        """Count what was written. What it consumed beyond the estimate (larger items replaced, an index that holds an
        item twice) is paid for by those that follow."""
        consumed = answer.get("ConsumedCapacity", ())
        parts = [each.get("Table", {}) for each in consumed]
        parts += [index for each in consumed for index in each.get("GlobalSecondaryIndexes", {}).values()]
        busiest = max((part.get("CapacityUnits", 0.0) for part in parts), default=0.0)
        if busiest > estimated:
            self.rate.pay(busiest - estimated)
        with self.lock:
            self.items += written
            self.requests += 1
            self.units += sum(each.get("CapacityUnits", 0.0) for each in consumed)


def put_items(client: Any, table: DynamoTable, items: Iterable[Mapping[str, dict[str, Any]]]) -> int:
    """Put wire items of any number, replacing those of the same key; returns how many. Raises InputError when the
    table can't hold one."""
    put = 0
    with Writer(client, table) as writer:
        rest = iter(items)
        while batch := list(islice(rest, 100 * BATCH)):
            for refused in writer.write(batch):
                message = f"table {table.name}: {refused.refusal.message}"
                raise InputError(message, remedy="Correct the item; those before it were written.")
            put += len(batch)
    return put


def _requests(puts: Iterable[_Put]) -> Iterator[list[_Put]]:
    """Puts in requests of at most 25 and 16 MB."""
    request: list[_Put] = []
    size = _AROUND
    for put in puts:
        more = len(put.request) + 1
        if request and (len(request) == BATCH or size + more > REQUEST_BYTES):
            yield request
            request, size = [], _AROUND
        request.append(put)
        size += more
    if request:
        yield request
