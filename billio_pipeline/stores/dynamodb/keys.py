"""The key of an item: what makes it the one it is in its table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from billio_pipeline.model.numbers import plain, read_number
from billio_pipeline.model.refusal import Reason, Refusal
from billio_pipeline.model.tables import DynamoTable

Key = tuple[str | bytes, ...]


def item_key(table: DynamoTable, item: Mapping[str, Any]) -> Key | Refusal:
    """The item's key, equal for equal keys however a number is spelt; or why it has none."""
    key: list[str | bytes] = []
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
        key.append(held)
    return tuple(key)


def key_of(table: DynamoTable, item: Mapping[str, Any]) -> dict[str, Any]:
    """The key's own attributes, as requests name an item."""
    return {name: item[name] for name, _ in table.key}


def key_text(key: Key) -> str:
    """A key as messages show it."""
    return " / ".join(part if isinstance(part, str) else part.hex() for part in key)
