"""DynamoDB values as natural JSON, and back: `{"L": [{"N": "1"}]}` ↔ `[1]`.

What natural JSON can't tell apart (sets, binary) keeps its natural place and has its type noted by JSON pointer
(RFC 6901), so `data->'tags'` reads as a list and still rebuilds as a set.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from billio_pipeline.model.canonical import canonical_value
from billio_pipeline.model.numbers import plain, read_number

Types = dict[str, str]
_SURELY_WHOLE = 18  # digits; a number of no other characters than these is a whole one


def to_natural(wire: dict[str, Any], at: str, types: Types) -> Any:
    """The JSON value of a well-formed wire value; notes in `types` what JSON alone would lose. Numbers are exact."""
    ((tag, held),) = wire.items()
    match tag:
        case "S" | "BOOL":
            return held
        case "N":
            return _number(held)
        case "NULL":
            return None
        case "L":
            return [to_natural(each, f"{at}/{index}", types) for index, each in enumerate(held)]
        case "M":
            return {name: to_natural(each, f"{at}/{escape(name)}", types) for name, each in held.items()}
    types[at] = tag
    members = canonical_value(wire)[tag]
    return sorted(map(_number, members)) if tag == "NS" else members


def to_wire(value: Any, at: str, types: Types) -> dict[str, Any]:
    """The wire value that `to_natural` made `value` from."""
    if not types:
        return plain_wire(value)
    if tag := types.get(at):
        return {tag: [_text(each) for each in value] if tag == "NS" else value}
    if isinstance(value, list):
        return {"L": [to_wire(each, f"{at}/{index}", types) for index, each in enumerate(value)]}
    if isinstance(value, dict):
        return {"M": {n: to_wire(each, f"{at}/{escape(n)}", types) for n, each in value.items()}}
    return plain_wire(value)


def plain_wire(value: Any) -> dict[str, Any]:
    """The wire value of natural JSON that says all: no type is noted anywhere in it."""
    if isinstance(value, str):
        return {"S": value}
    if isinstance(value, bool):
        return {"BOOL": value}
    if value is None:
        return {"NULL": True}
    if isinstance(value, list):
        return {"L": [plain_wire(each) for each in value]}
    if isinstance(value, dict):
        return {"M": {name: {"S": each} if type(each) is str else plain_wire(each) for name, each in value.items()}}
    return {"N": _text(value)}


def escape(name: str) -> str:
    """A name as one step of a JSON pointer."""
    return name.replace("~", "~0").replace("/", "~1")


def _number(text: str) -> int | Decimal:
    if len(text) <= _SURELY_WHOLE and text.isascii() and text.isdigit():
        return int(text)
    number = read_number(text)
    assert isinstance(number, Decimal), "the wire was checked"
    return int(number) if number == number.to_integral_value() else number


def _text(value: Any) -> str:
    return plain(value) if isinstance(value, Decimal) else str(value)
