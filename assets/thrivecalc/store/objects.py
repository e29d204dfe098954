"""Users' records as JSON objects, users/{userId}/{dataType}/{recordId}.json: a folder or S3, whole objects only.

A write reads, then replaces: two at once on one record end with either's `data`, and one that meets a delete may bring
the record back. DynamoDB has neither flaw; this store is what the application came from, and goes back to in need.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Any

from assets.thrivecalc.store.record import (
    KEY,
    MEMBERS,
    Key,
    Record,
    contradiction,
    record_of,
    taken,
    unreadable,
    wire_item,
)
from billio_pipeline.errors import InputError
from billio_pipeline.model.canonical import jsonb_text
from billio_pipeline.model.natural import to_natural
from billio_pipeline.model.numbers import read_number
from billio_pipeline.model.refusal import Refusal
from billio_pipeline.stores.dynamodb.encode import Wire, encode_item
from billio_pipeline.stores.objects import ObjectStore
from billio_pipeline.stores.objects.aws import aws_client, explained
from billio_pipeline.stores.objects.local import LocalStore
from billio_pipeline.stores.objects.s3 import S3Store

_AT_ONCE = 8  # objects read at a time


@dataclass(frozen=True)
class ObjectRecords:
    """The records below a store's `users/`; other objects there are none of ours and passed over."""

    store: ObjectStore

    def read(self, key: Key) -> Record | None:
        """The record, or None."""
        return self._at(key.path)

    def listed(self, user_id: str, data_type: str | None) -> list[Record]:
        """All the user's records, or those of one type, in no order; one that goes meanwhile may be missing."""
        folder = f"users/{user_id}" if data_type is None else f"users/{user_id}/{data_type}"
        paths = [info.key for info in self.store.list(folder) if info.key.endswith(".json") and info.key.count("/") > 2]
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="records") as pool:
            found = [each for each in pool.map(self._at, paths) if each]
        # A name another program gave may hold a slash, so that the folder is not its own alone.
        return [each for each in found if each.user_id == user_id and data_type in (None, each.data_type)]

    def save(self, key: Key, data: Wire, now: str) -> None:
        """Write the record; one that is there keeps all but `data` and `updatedAt`. Raises InputError when its sort
        key, had it one, were another record's: no table could take both."""
        for rival in key.rivals():
            if self.store.exists(rival.path):
                raise taken(key, rival)
        self._write(key, data, now, self.read(key))

    def update(self, key: Key, data: Wire, now: str) -> bool:
        """Replace `data`; False when there is no such record."""
        there = self.read(key)
        if there is not None:
            self._write(key, data, now, there)
        return there is not None

    def remove(self, key: Key) -> bool:
        """Remove the record; False when there was none."""
        there = self._there(key.path)
        if there:
            _remove(self.store, key.path)
        return there

    def _at(self, path: str) -> Record | None:
        try:
            body = self.store.read(path)
        except InputError:
            if self._there(path):
                raise
            return None
        found = read_body(body, where := f"{self.store.uri}/{path}")
        if found.key.path != path:
            raise contradiction(where, found)
        return found

    def _there(self, path: str) -> bool:
        """Whether there is such an object. Raises InputError where there is no such bucket."""
        there = self.store.exists(path)
        if not there:
            next(
                iter(self.store.list("users")), None
            )  # HEAD, unlike this, answers for a missing bucket as for an object
        return there

    def _write(self, key: Key, data: Wire, now: str, there: Record | None) -> None:
        created, extra = (there.created_at, there.extra) if there else (now, {})
        item = wire_item(key, data, created, now, encode_item(extra))
        self.store.write(key.path, body_of(item))


def body_of(item: Mapping[str, Wire]) -> bytes:
    """An item's JSON, the same bytes for equal ones: its own members first, the others by name, numbers exact."""
    names = [*MEMBERS, *sorted(item.keys() - {*MEMBERS, KEY})]
    texts = [f"{jsonb_text(name)}: {jsonb_text(to_natural(item[name], '', {}))}" for name in names]
    return f"{{{', '.join(texts)}}}".encode()


def read_body(body: bytes, where: str) -> Record:
    """The record of an object's bytes. Raises InputError, naming `where`, when they are none or can't be exact."""
    try:
        values = json.loads(
            body.decode(), parse_int=_number, parse_float=_number, parse_constant=_number, object_pairs_hook=_once
        )
    except (ValueError, RecursionError) as error:
        raise unreadable(where, error) from None
    if not isinstance(values, dict):
        raise unreadable(where, "it is no JSON object")
    if KEY in values:
        raise unreadable(where, f"{KEY} is the name of the table's own key")
    return record_of(values, where)


def _number(text: str) -> int | Decimal:
    number = read_number(text)
    if isinstance(number, Refusal):
        raise ValueError(number.message)
    return int(number) if number == number.to_integral_value() else number


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        raise ValueError("a name stands twice in one object")
    return values


def _remove(store: ObjectStore, path: str) -> None:
    """Remove one object. Only here: nothing else in this program deletes what it may have come to migrate."""
    match store:
        case LocalStore():
            with suppress(FileNotFoundError):
                (store.root / path).unlink()
        case S3Store():
            key = f"{store.prefix}/{path}" if store.prefix else path
            with explained(store.uri):
                _s3(store.endpoint, store.region).delete_object(Bucket=store.bucket, Key=key)
        case _:
            raise TypeError(f"{type(store).__name__} can't remove objects")


@cache
def _s3(endpoint: str | None, region: str) -> Any:
    return aws_client("s3", endpoint, region, **({"s3": {"addressing_style": "path"}} if endpoint else {}))
