"""Canonical forms: one spelling for equal items, and JSON text exactly as PostgreSQL's jsonb prints it.

Two items are equal when their canonical bytes are: attribute and key order, set order and a number's spelling aside.
JSON text here is a fixed point of jsonb (`t = t::jsonb::text`), so rows compare as text on both sides.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any

import msgspec
import orjson

from billio_pipeline.model.numbers import plain, read_number
from billio_pipeline.model.refusal import Refusal

_text = json.JSONEncoder(ensure_ascii=False).encode
_exact = msgspec.json.Decoder(float_hook=Decimal).decode


def canonical_value(wire: Mapping[str, Any]) -> dict[str, Any]:
    """A wire value with its numbers, sets and base64 in their one spelling. The value must be well formed."""
    ((tag, held),) = wire.items()
    match tag:
        case "N":
            return {"N": _number(held)}
        case "M":
            return {"M": {name: canonical_value(value) for name, value in held.items()}}
        case "L":
            return {"L": [canonical_value(value) for value in held]}
        case "NS":
            return {"NS": sorted(map(_number, held))}
        case "SS":
            return {"SS": sorted(held)}
        case "BS":
            return {"BS": sorted(map(_base64, held))}
        case "B":
            return {"B": _base64(held)}
    return {tag: held}


def canonical_item(item: Mapping[str, Mapping[str, Any]]) -> bytes:
    """An item's canonical bytes: its attributes by name, in canonical form."""
    return orjson.dumps({name: canonical_value(wire) for name, wire in item.items()}, option=orjson.OPT_SORT_KEYS)


def content_hash(text: bytes) -> bytes:
    """16 bytes that stand for a line or for canonical bytes; a billion of them collide with a chance of 2⁻⁶⁹."""
    return hashlib.blake2b(text, digest_size=16).digest()


def jsonb_text(value: object) -> str:
    """`value` as jsonb prints it: keys by byte length, then bytes; `", "` and `": "`; numbers plain.

    Takes what JSON holds, with Decimal or int for numbers (no floats: they are not exact).
    """
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, dict):
        keys = sorted(value, key=_jsonb_order)
        return "{" + ", ".join([_jsonb_key(key) + jsonb_text(value[key]) for key in keys]) + "}"
    if isinstance(value, list):
        return "[" + ", ".join([jsonb_text(each) for each in value]) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "null"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, Decimal):
        return plain(value)
    raise TypeError(f"{type(value).__name__} has no exact JSON form")


def parse_jsonb(text: str | bytes) -> Any:
    """JSON text to Python values with every number exact: int, or Decimal where it has a fraction."""
    try:
        return _exact(text)
    except (ValueError, RecursionError):  # half a surrogate pair, great depth, or no JSON: the other parser says
        return json.loads(text, parse_float=Decimal)


@lru_cache(maxsize=2_000)  # names repeat; what is data is short-lived here
def _jsonb_key(key: str) -> str:
    return _text(key) + ": "


@lru_cache(maxsize=2_000)
def _jsonb_order(key: str) -> tuple[int, bytes]:
    encoded = key.encode()
    return len(encoded), encoded


def _number(text: str) -> str:
    number = read_number(text)
    if isinstance(number, Refusal):
        raise ValueError(number.message)
    return plain(number)


def _base64(text: str) -> str:
    return base64.b64encode(base64.b64decode(text, validate=True)).decode()
