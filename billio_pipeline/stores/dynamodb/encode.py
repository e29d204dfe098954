"""Python values as DynamoDB's wire values, exactly: what no DynamoDB value holds is refused, never rounded.

The result is DynamoDB JSON as exports hold it, binary as base64 text; one value has one form, so equal items have equal
bytes. How large an item may be, and how deeply nested, is size.py's to say.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Set
from decimal import Decimal
from typing import Any

import orjson

from billio_pipeline.model.numbers import MAX_DIGITS, plain, read_number
from billio_pipeline.model.refusal import Refusal

Wire = dict[str, Any]

# Shared, as wire values are never changed in place.
_NULL: Wire = {"NULL": True}
_BOOL: tuple[Wire, Wire] = ({"BOOL": False}, {"BOOL": True})
_SMALL: dict[int, Wire] = {number: {"N": str(number)} for number in range(256)}


def encode_item(values: Mapping[str, Any]) -> dict[str, Wire]:
    """An item, attribute by attribute. Raises ValueError naming the attribute that can't be held exactly."""
    try:
        return _attributes(values)
    except ValueError:
        for name, value in values.items():
            try:
                encode(value)
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from None
        raise


def encode(value: Any) -> Wire:
    """A value: None, bool, int, Decimal, str, bytes, list or tuple, dict, or a set of numbers, texts or bytes.

    Raises ValueError for anything else: a float, which is not exact; NaN, infinity, more than 38 digits; an empty set.
    """
    return _WRITERS.get(type(value), _other)(value)


def line(item: Mapping[str, Any]) -> bytes:
    """A wire item as its `{"Item":…}` line, attributes and keys by name: the same bytes however it was built."""
    return orjson.dumps({"Item": item}, option=orjson.OPT_SORT_KEYS)


def _other(value: Any) -> Wire:
    """A value of a subclass, as its class is written; or the reason why there is no such value."""
    if isinstance(value, float):
        raise ValueError("a float is not exact: give a Decimal")
    for known in (*type(value).__mro__, *(each for each in (Mapping, Set) if isinstance(value, each))):
        if write := _WRITERS.get(known):
            return write(value)
    raise ValueError(f"{type(value).__name__} has no DynamoDB type")


def _attributes(values: Mapping[Any, Any]) -> dict[str, Wire]:
    """Attributes or a map's values, nearly all there is in one plain loop: calls are what encoding costs."""
    found: dict[str, Wire] = dict(values)  # quicker overwritten than grown
    for name, value in values.items():
        if type(name) is not str:
            del found[name]
            name = _name(name)
        kind = type(value)
        if kind is str:
            found[name] = {"S": value}
        elif kind is int:
            found[name] = _SMALL.get(value) or _int(value)
        elif kind is dict:
            found[name] = {"M": _attributes(value) if value else {}}
        elif kind is bool:
            found[name] = _BOOL[value]
        elif kind is list:
            found[name] = _list(value) if value else {"L": []}
        else:
            found[name] = _WRITERS.get(kind, _other)(value)
    return found


def _int(value: int) -> Wire:
    text = int.__repr__(value)
    return {"N": text if len(text) <= MAX_DIGITS else _number(Decimal(value))}


def _name(name: Any) -> str:
    if not isinstance(name, str):
        raise ValueError("an attribute's name or a map's key is not text")
    return str.__str__(name)


def _number(value: int | Decimal) -> str:
    text = str(value)
    # Python's own text of a number has no leading zeros: this is its one spelling already, and within all limits.
    if len(text) <= MAX_DIGITS and (text.isdigit() or ("." in text and text[-1] != "0" and "E" not in text)):
        return text
    number = read_number(text)
    if isinstance(number, Refusal):
        raise ValueError(number.message)
    return plain(number)


def _base64(value: Any) -> str:
    return base64.b64encode(value).decode()


def _list(value: Any) -> Wire:
    return {
        "L": [
            {"S": each} if (kind := type(each)) is str else {"M": _attributes(each)} if kind is dict else encode(each)
            for each in value
        ]
    }


def _set(value: Set[Any]) -> Wire:
    """A set, its members in one order: Python's own changes from run to run."""
    if not value:
        raise ValueError("an empty set, which DynamoDB does not store")
    if all(isinstance(each, str) for each in value):
        return {"SS": sorted(value)}
    if all(isinstance(each, int | Decimal) and not isinstance(each, bool) for each in value):
        return {"NS": sorted(_number(Decimal(each)) for each in value)}
    if all(isinstance(each, bytes) for each in value):
        return {"BS": sorted(map(_base64, value))}
    raise ValueError("a set holds only numbers, only texts or only bytes")


_WRITERS: dict[type, Callable[[Any], Wire]] = {
    # By str and int themselves: what a subclass calls its text need not be its value.
    str: lambda value: {"S": str.__str__(value)},
    int: _int,
    Decimal: lambda value: {"N": _number(value)},
    bool: _BOOL.__getitem__,
    type(None): lambda _: _NULL,
    bytes: lambda value: {"B": _base64(value)},
    bytearray: lambda value: {"B": _base64(value)},
    list: _list,
    tuple: _list,
    dict: lambda value: {"M": _attributes(value)},
    Mapping: lambda value: {"M": _attributes(value)},
    set: _set,
    frozenset: _set,
    Set: _set,
}
