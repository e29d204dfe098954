"""Pages of items and the opaque cursors between them: keyset, so inserts neither repeat nor skip an item."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass

import orjson

from assets.billio.plain import Plain
from billio_pipeline.errors import InputError

_VERSION = 1
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True)
class Page:
    """Some items in order, how many there are in all, and the cursor of what follows (None at the end)."""

    items: list[Plain]
    count: int
    cursor: str | None


@dataclass(frozen=True)
class Position:
    """The last item of a page: its sort value in µs since 1970 and its id."""

    micros: int
    id: str


def write_cursor(position: Position, question: object) -> str:
    """An URL-safe text that continues `question` (JSON-serialisable) after `position`."""
    key = [_VERSION, position.micros, position.id]
    return _encoded(orjson.dumps([*key, _seal(key, question)]))


def read_cursor(cursor: str, question: object) -> Position:
    """The position a cursor holds. Raises InputError when it is damaged or continues another question."""
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        version, micros, id, seal = orjson.loads(raw)
    except (binascii.Error, ValueError, TypeError):
        raise _refused("it is damaged") from None
    if _encoded(raw) != cursor:  # base64 has several spellings of the same bytes
        raise _refused("it is damaged")
    if version != _VERSION:
        raise _refused(f"it is of version {version!r}, this is version {_VERSION}")
    if type(micros) is not int or not isinstance(id, str) or not _UUID.fullmatch(id):
        raise _refused("it is damaged")
    if seal != _seal([version, micros, id], question):
        raise _refused("it is damaged, or continues another query")
    return Position(micros, id)


def _encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _seal(key: object, question: object) -> str:
    """Ties a position to its question; guards against accident, not malice: a cursor grants nothing."""
    return hashlib.blake2b(orjson.dumps([key, question]), digest_size=8).hexdigest()


def _refused(why: str) -> InputError:
    return InputError(
        f"this cursor can't be used: {why}",
        remedy="Repeat the query without --after, or with the cursor and arguments of its previous page.",
    )
