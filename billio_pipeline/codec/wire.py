"""One export line to one item, or the reason why not. Total: any bytes are answered, none are repaired.

The limits are DynamoDB's own (item size, nesting, number range, sets), so whatever a table can hold passes.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import orjson

from billio_pipeline.model import size as sizes
from billio_pipeline.model.refusal import Reason, Refusal
from billio_pipeline.model.size import MAX_DEPTH, MAX_ITEM_BYTES, Refused

Item = dict[str, dict[str, Any]]

_WRAPPER = len('{"Item":}')


def _text_size(text: str) -> int:
    """UTF-8 bytes of `text`, which must be text that PostgreSQL and UTF-8 can hold."""
    if text.isascii() and "\0" not in text:
        return len(text)
    if "\0" in text:
        raise Refused(Reason.NUL_CHARACTER, f"{text[:40]!r} holds a NUL character, which no SQL text can")
    return sizes.text_size(text)


_item_size = sizes.sizer(_text_size)


def parse(line: bytes) -> Item | Refusal:
    """The item in `{"Item": {…}}`, well formed and within DynamoDB's limits, or a Refusal."""
    try:
        item: Item = orjson.loads(line)["Item"]
        # Plainly written, and no longer than what was read: no name stands twice, and nothing stands beside the item.
        if len(orjson.dumps(item)) + _WRAPPER == len(line) and _item_size(item) <= MAX_ITEM_BYTES:
            return item
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, Refused):
        pass
    return _parse(line)


def _parse(line: bytes) -> Item | Refusal:
    """The same, name by name: for lines written otherwise, and to say why not."""
    try:
        text = line.decode()
    except UnicodeDecodeError as error:
        return Refusal(Reason.BAD_UTF8, f"byte {error.start + 1} of the line is not UTF-8")
    try:
        value = json.loads(
            text, object_pairs_hook=_object, parse_constant=_constant, parse_int=_bare, parse_float=_bare
        )
        if not isinstance(value, dict) or value.keys() != {"Item"} or not isinstance(value["Item"], dict):
            raise Refused(Reason.NOT_DYNAMODB_JSON, 'the line is not {"Item": {…}}')
        item: Item = value["Item"]
        size = _item_size(item)
    except Refused as refused:
        return refused.refusal
    except RecursionError:
        return Refusal(Reason.OVER_DYNAMODB_LIMIT, f"nested far deeper than {MAX_DEPTH} levels")
    except ValueError as error:
        return Refusal(Reason.NOT_JSON, str(error))
    if size > MAX_ITEM_BYTES:
        return Refusal(Reason.OVER_DYNAMODB_LIMIT, f"the item takes {size} bytes, DynamoDB holds {MAX_ITEM_BYTES}")
    return item


def glimpse(line: bytes) -> Item:
    """The texts among a refused line's attributes, to tell whose line it is: none that is damaged or stands twice."""
    try:
        value = json.loads(line, object_pairs_hook=_once, parse_constant=_constant, parse_int=_bare, parse_float=_bare)
    except (ValueError, RecursionError):
        return {}
    item = value.get("Item") if isinstance(value, dict) else None
    if not isinstance(item, dict):
        return {}
    return {name: wire for name, wire in item.items() if isinstance(wire, dict) and _is_text(wire)}


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    times = Counter(name for name, _ in pairs)
    return {name: value for name, value in pairs if times[name] == 1}


def _is_text(wire: dict[str, Any]) -> bool:
    text = wire.get("S")
    whole = isinstance(text, str) and "\0" not in text and text == text.encode(errors="ignore").decode()
    return whole and len(wire) == 1


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        ((twice, _),) = Counter(name for name, _ in pairs).most_common(1)
        raise Refused(Reason.DUPLICATE_ATTRIBUTE, f"the name {twice[:80]!r} stands twice in one object")
    return value


def _constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _bare(_: str) -> int:
    return 0  # a bare number has no place in DynamoDB JSON: its size refuses it where it stands
