"""Pages in order of time and the opaque cursors between them: keyset, so that new items neither repeat nor skip one.

The order is by time, then by id, both descending, and it is by the time itself: a sort key of whole seconds stands
behind those of the same second with a fraction, though it is earlier. Cursors hold a place in that order, not one in a
table: both sides continue each other's.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby, islice
from typing import Any

import orjson

from assets.algoitny.repository.items import Answer, Items, Row, answer
from billio_pipeline.errors import InputError
from billio_pipeline.model.entity import Entity
from billio_pipeline.model.scalars import IsoMicros

MOST_PER_PAGE = 1000
_VERSION = 1
_SECOND = 1_000_000
_AFTER_SECOND = "~"  # sorts behind whatever follows the seconds of a time: a fraction, Z, #


@dataclass(frozen=True)
class Page:
    """Some rows in order, and the cursor of what follows; None at the end."""

    rows: list[Answer]
    cursor: str | None


@dataclass(frozen=True)
class Position:
    """A row's place among others: its time, µs since 1970, and id."""

    micros: int
    id: int


Stream = Callable[["Position | None", int], Iterator[Row]]  # rows behind a place, in order; about so many are wanted


@dataclass(frozen=True)
class Timeline:
    """Items of one entity in one partition of the table (`index` 0) or an index, whose sort keys hold their time."""

    items: Items
    entity: Entity
    partition: str
    index: int = 0
    prefix: str = ""  # of sort keys, before the time
    where: Mapping[str, str] | None = None

    def newest_first(self, after: Position | None, wanted: int) -> Iterator[Row]:
        """Rows behind a place. Items of one second are read together, and put in order."""
        assert self.entity.items is not None
        until = iso_second(after.micros) if after else ""
        between = (self.prefix or " ", self.prefix + until + _AFTER_SECOND) if self.prefix or until else None
        found = self.items.query(
            self.entity.items,
            self.partition,
            index=self.index,
            between=between,
            where={**self.entity.when, **(self.where or {})},
            descending=True,
            size=wanted + 1,  # the next one shows that a second is over
        )
        rows = (self.items.row(self.entity, item) for item in found)
        for _, second in groupby(rows, key=lambda row: row["created_at"] // _SECOND):
            for row in sorted(second, key=place, reverse=True):
                if after is None or place(row) < (after.micros, after.id):
                    yield row


def place(row: Mapping[str, Any]) -> tuple[int, int]:
    """What rows are in order of."""
    return row["created_at"], row["id"]


def merged(streams: Iterable[Stream]) -> Stream:
    """Several streams as one, in order."""
    streams = list(streams)

    def stream(after: Position | None, wanted: int) -> Iterator[Row]:
        return heapq.merge(*(each(after, wanted) for each in streams), key=place, reverse=True)

    return stream


def page(entity: Entity, question: object, limit: int, after: str | None, rows: Stream) -> Page:
    """The `limit` rows behind the cursor `after`. Raises InputError for a limit or a cursor that can't be used."""
    check_limit(limit)
    position = None
    if after is not None:
        micros, id = read_cursor(after, question, (int, int))
        position = Position(micros, id)
    found = list(islice(rows(position, limit + 1), limit + 1))
    shown = found[:limit]
    cursor = write_cursor(place(shown[-1]), question) if len(found) > limit else None
    return Page([answer(entity, row) for row in shown], cursor)


def check_limit(limit: int) -> None:
    """Raise InputError unless a page may hold so many rows."""
    if not 1 <= limit <= MOST_PER_PAGE:
        raise InputError(f"a page of {limit} rows", remedy=f"Ask for 1 to {MOST_PER_PAGE} at a time.")


def iso_second(micros: int) -> str:
    """A time up to its second, as every time of that second begins."""
    return str(IsoMicros().write(micros)["S"])[:19]


def write_cursor(at: Iterable[int | str], question: object) -> str:
    """An URL-safe text that continues `question` (JSON-serialisable) behind `at`."""
    key = [_VERSION, *at]
    return _encoded(orjson.dumps([*key, _seal(key, question)]))


def read_cursor(cursor: str, question: object, types: tuple[type, ...]) -> tuple[Any, ...]:
    """What a cursor continues behind. Raises InputError when it is damaged or continues another question."""
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        *key, seal = orjson.loads(raw)
    except (binascii.Error, ValueError, TypeError):
        raise _refused() from None
    sound = _encoded(raw) == cursor and seal == _seal(key, question)  # base64 has several spellings of the same bytes
    if not sound or key[:1] != [_VERSION] or tuple(map(type, key[1:])) != types:
        raise _refused()
    return tuple(key[1:])


def _encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _seal(key: object, question: object) -> str:
    """Ties a place to its question; guards against accident, not malice: a cursor grants nothing."""
    return hashlib.blake2b(orjson.dumps([key, question]), digest_size=8).hexdigest()


def _refused() -> InputError:
    return InputError(
        "this cursor can't be used: it is damaged, or continues another question",
        remedy="Ask without a cursor, or with the arguments its page was asked with.",
    )
