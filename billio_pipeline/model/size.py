"""What an item takes by DynamoDB's own counting, and whether it is well formed and within its limits: one rule for all.

Source: the DynamoDB developer guide, "Item sizes and formats", and "Service, account, and table quotas".
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from typing import Any

from billio_pipeline.model.numbers import MAX_DIGITS, plain, read_number
from billio_pipeline.model.refusal import Reason, Refusal

MAX_ITEM_BYTES = 400 * 1024
MAX_DEPTH = 32
_PLAIN = re.compile("[1-9][0-9]*").fullmatch  # a number, if it has no more than 38 digits

Sizer = Callable[[Mapping[str, Any]], int]


class Refused(Exception):
    """Raised where an item is malformed or beyond a limit."""

    def __init__(self, reason: Reason, message: str) -> None:
        self.refusal = Refusal(reason, message)


def text_size(text: str) -> int:
    """UTF-8 bytes of `text`. Raises Refused when UTF-8 can't hold it."""
    if text.isascii():
        return len(text)
    try:
        return len(text.encode())
    except UnicodeEncodeError:
        raise Refused(Reason.LONE_SURROGATE, f"{text[:40]!r} holds half a surrogate pair") from None


def sizer(text_size: Callable[[str], int]) -> Sizer:
    """The function that counts an item's bytes, raising Refused when it is malformed. `text_size` counts a text's, and
    refuses what the other side can't hold. The sum may exceed MAX_ITEM_BYTES: compare it."""

    def item_size(item: Mapping[str, Any]) -> int:
        return sum([text_size(name) + value_size(wire, name, 0) for name, wire in item.items()])

    def value_size(wire: Any, at: str, depth: int) -> int:
        if not isinstance(wire, dict) or len(wire) != 1:
            raise Refused(Reason.NOT_DYNAMODB_JSON, f"{at}: not one typed value")
        ((tag, held),) = wire.items()
        if tag == "S" and isinstance(held, str):
            return text_size(held)
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
                    raise Refused(Reason.OVER_DYNAMODB_LIMIT, f"{at}: nested deeper than {MAX_DEPTH} levels")
                if isinstance(held, dict):
                    return 3 + sum(1 + text_size(name) + value_size(v, at, depth + 1) for name, v in held.items())
                return 3 + sum(1 + value_size(each, at, depth + 1) for each in held)
            case (("SS" | "NS" | "BS"), list()):
                return set_size(tag, held, at)
        raise Refused(Reason.NOT_DYNAMODB_JSON, f"{at}: {tag!r} does not hold what its type says")

    def set_size(tag: str, held: list[Any], at: str) -> int:
        if not held:
            raise Refused(Reason.OVER_DYNAMODB_LIMIT, f"{at}: an empty set, which DynamoDB does not store")
        members: set[object] = set()
        size = 3
        for each in held:
            if tag == "NS":
                size += _number_size(each, at)
                members.add(plain(read_number(each)))  # type: ignore[arg-type]  # _number_size refused the others
            elif not isinstance(each, str):
                raise Refused(Reason.NOT_DYNAMODB_JSON, f"{at}: a member of the set is not text")
            else:
                member = _bytes(each, at) if tag == "BS" else each
                size += len(member) if isinstance(member, bytes) else text_size(member)
                members.add(member)
        if len(members) != len(held):
            raise Refused(Reason.OVER_DYNAMODB_LIMIT, f"{at}: a member stands twice in a set")
        return size

    return item_size


def _number_size(text: Any, at: str) -> int:
    if isinstance(text, str) and len(text) <= MAX_DIGITS and _PLAIN(text):
        return (len(text.rstrip("0")) + 1) // 2 + 1
    number = read_number(text)
    if isinstance(number, Refusal):
        raise Refused(number.reason, f"{at}: {number.message}")
    return (len(number.as_tuple().digits) + 1) // 2 + 1 + (number < 0)


def _bytes(text: Any, at: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError, TypeError):
        raise Refused(Reason.NOT_DYNAMODB_JSON, f"{at}: binary is not base64") from None
