"""The key of an item: what makes it the one it is in its table, as values and as one text."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from billio_pipeline.model.numbers import plain, read_number
from billio_pipeline.model.refusal import Reason, Refusal
from billio_pipeline.model.tables import DynamoTable

Key = tuple[str, ...]

_BETWEEN = " / "


def item_key(table: DynamoTable, item: Mapping[str, Any]) -> Key | Refusal:
    """The item's key, or why it has none. Equal for equal keys: a number has one spelling, binary is base64."""
    key: list[str] = []
    for name, tag in table.key:
        wire = item.get(name)
        if wire is None:
            return Refusal(Reason.MISSING_ATTRIBUTE, f"{name}: the table's key, but the item lacks it")
        held = wire.get(tag)
        if held is None:
            return Refusal(Reason.WRONG_TYPE, f"{name}: the table's key is {tag}, the item's is {'/'.join(wire)}")
        if tag == "N":
            number = read_number(held)
            if isinstance(number, Refusal):
                return number.at(name)
            held = plain(number)
        elif tag == "B":
            held = _base64(held)
            if held is None:
                return Refusal(Reason.NOT_DYNAMODB_JSON, f"{name}: binary is not base64")
        elif not isinstance(held, str):
            return Refusal(Reason.NOT_DYNAMODB_JSON, f"{name}: 'S' does not hold what its type says")
        key.append(held)
    return tuple(key)


def key_text(key: Key) -> str:
    """A key as one text, another one for every other key of the table: `PK / SK`, or the only part.

    In the first part ` /` is written ` //`, so that the first ` / ` of a text is always what stands between the parts.
    """
    *first, last = key
    return _BETWEEN.join([*(part.replace(" /", " //") for part in first), last])


def item_key_text(table: DynamoTable, item: Mapping[str, Any]) -> str | Refusal:
    """The item's key as one text; or why it has none."""
    key = item_key(table, item)
    return key if isinstance(key, Refusal) else key_text(key)


def _base64(held: object) -> str | None:
    """The one spelling of these bytes; None when they are not base64."""
    if isinstance(held, bytes):
        return base64.b64encode(held).decode()
    try:
        return base64.b64encode(base64.b64decode(held, validate=True)).decode()  # type: ignore[arg-type]
    except (binascii.Error, ValueError, TypeError):
        return None
