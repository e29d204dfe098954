"""One export line to one item, or the reason why not. Total: any bytes are answered, none are repaired.

The limits are DynamoDB's own (item size, nesting, number range, sets), so whatever a table can hold passes.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections import Counter
from typing import Any

import orjson

from billio_pipeline.model.numbers import MAX_DIGITS, plain, read_number
from billio_pipeline.model.refusal import Reason, Refusal

Item = dict[str, dict[str, Any]]

# AWS, "Service, account, and table quotas in Amazon DynamoDB": item size, nesting depth.
MAX_ITEM_BYTES = 400 * 1024
MAX_DEPTH = 32
_PLAIN = re.compile("[1-9][0-9]*").fullmatch  # a number, if it has no more than 38 digits
_WRAPPER = len('{"Item":}')


class _Refused(Exception):
    def __init__(self, reason: Reason, message: str) -> None:
        self.refusal = Refusal(reason, message)


def parse(line: bytes) -> Item | Refusal:
    """The item in `{"Item": {…}}`, well formed and within DynamoDB's limits, or a Refusal."""
    try:
        item: Item = orjson.loads(line)["Item"]
        # Plainly written, and no longer than what was read: no name stands twice, and nothing stands beside the item.
        if len(orjson.dumps(item)) + _WRAPPER == len(line) and _item_size(item) <= MAX_ITEM_BYTES:
            return item
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, _Refused):
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
            raise _Refused(Reason.NOT_DYNAMODB_JSON, 'the line is not {"Item": {…}}')
        item: Item = value["Item"]
        size = _item_size(item)
    except _Refused as refused:
        return refused.refusal
    except RecursionError:
        return Refusal(Reason.OVER_DYNAMODB_LIMIT, f"nested far deeper than {MAX_DEPTH} levels")
    except ValueError as error:
        return Refusal(Reason.NOT_JSON, str(error))
    if size > MAX_ITEM_BYTES:
        return Refusal(Reason.OVER_DYNAMODB_LIMIT, f"the item takes {size} bytes, DynamoDB holds {MAX_ITEM_BYTES}")
    return item


def _item_size(item: Item) -> int:
    return sum([_text_size(name) + _value_size(wire, name, 0) for name, wire in item.items()])


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
        raise _Refused(Reason.DUPLICATE_ATTRIBUTE, f"the name {twice[:80]!r} stands twice in one object")
    return value


def _constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _bare(_: str) -> int:
    return 0  # a bare number has no place in DynamoDB JSON: `_value_size` refuses it where it stands


def _text_size(text: str) -> int:
    """UTF-8 bytes of `text`, which must be text that PostgreSQL and UTF-8 can hold."""
    if text.isascii() and "\0" not in text:
        return len(text)
    if "\0" in text:
        raise _Refused(Reason.NUL_CHARACTER, f"{text[:40]!r} holds a NUL character, which no SQL text can")
    try:
        return len(text.encode())
    except UnicodeEncodeError:
        raise _Refused(Reason.LONE_SURROGATE, f"{text[:40]!r} holds half a surrogate pair") from None


def _value_size(wire: Any, at: str, depth: int) -> int:
    """Bytes an attribute value takes by DynamoDB's counting. Raises _Refused when it is malformed or beyond limits."""
    if not isinstance(wire, dict) or len(wire) != 1:
        raise _Refused(Reason.NOT_DYNAMODB_JSON, f"{at}: not one typed value")
    ((tag, held),) = wire.items()
    if tag == "S" and isinstance(held, str):
        return _text_size(held)
    match tag, held:
        case "N", _:
            return _number_size(held, at)
        case "BOOL", bool():
            return 1
        case "NULL", True:
            return 1
        case "B", str():
            return len(_bytes(held, at))
        case (("M" | "L"), (dict() | list())) if (tag == "M") is isinstance(held, dict):
            if depth >= MAX_DEPTH:
                raise _Refused(Reason.OVER_DYNAMODB_LIMIT, f"{at}: nested deeper than {MAX_DEPTH} levels")
            if isinstance(held, dict):
                return 3 + sum(1 + _text_size(name) + _value_size(v, at, depth + 1) for name, v in held.items())
            return 3 + sum(1 + _value_size(each, at, depth + 1) for each in held)
        case (("SS" | "NS" | "BS"), list()):
            return _set_size(tag, held, at)
    raise _Refused(Reason.NOT_DYNAMODB_JSON, f"{at}: {tag!r} does not hold what its type says")


def _number_size(text: Any, at: str) -> int:
    if isinstance(text, str) and len(text) <= MAX_DIGITS and _PLAIN(text):
        return (len(text.rstrip("0")) + 1) // 2 + 1
    number = read_number(text)
    if isinstance(number, Refusal):
        raise _Refused(number.reason, f"{at}: {number.message}")
    return (len(number.as_tuple().digits) + 1) // 2 + 1 + (number < 0)


def _bytes(text: Any, at: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError, TypeError):
        raise _Refused(Reason.NOT_DYNAMODB_JSON, f"{at}: binary is not base64") from None


def _set_size(tag: str, held: list[Any], at: str) -> int:
    if not held:
        raise _Refused(Reason.OVER_DYNAMODB_LIMIT, f"{at}: an empty set, which DynamoDB does not store")
    members: set[object] = set()
    size = 3
    for each in held:
        if tag == "NS":
            size += _number_size(each, at)
            members.add(plain(read_number(each)))  # type: ignore[arg-type]  # _number_size refused the others
        elif not isinstance(each, str):
            raise _Refused(Reason.NOT_DYNAMODB_JSON, f"{at}: a member of the set is not text")
        else:
            member = _bytes(each, at) if tag == "BS" else each
            size += len(member) if isinstance(member, bytes) else _text_size(member)
            members.add(member)
    if len(members) != len(held):
        raise _Refused(Reason.OVER_DYNAMODB_LIMIT, f"{at}: a member stands twice in a set")
    return size
