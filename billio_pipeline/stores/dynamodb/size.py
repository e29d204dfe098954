"""Whether DynamoDB can hold an item, asked before it is sent; and what writing it costs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from billio_pipeline.model.refusal import Reason, Refusal
from billio_pipeline.model.size import MAX_ITEM_BYTES, Refused, sizer, text_size
from billio_pipeline.model.tables import DynamoTable, Gsi, KeyType

UNIT_BYTES = 1024  # one write unit writes up to 1 KB
_MOST_KEY_BYTES = (2048, 1024)  # of a partition key, of a sort key

_size = sizer(text_size)


def item_size(item: Mapping[str, Any]) -> int | Refusal:
    """Bytes the wire item (binary as base64) takes, or why no table holds it: malformed, too deep, over 400 KB."""
    try:
        size = _size(item)
    except Refused as refused:
        return refused.refusal
    except RecursionError:
        return Refusal(Reason.OVER_DYNAMODB_LIMIT, "nested far deeper than DynamoDB allows")
    if size > MAX_ITEM_BYTES:
        return Refusal(Reason.OVER_DYNAMODB_LIMIT, f"the item takes {size} bytes, DynamoDB holds {MAX_ITEM_BYTES}")
    return size


def holdable(table: DynamoTable, item: Mapping[str, Any]) -> Refusal | None:
    """Why the table doesn't take the item, as far as that can be told before it is sent: its size, its keys, the keys
    of the indexes it is in. Source: DynamoDB API reference, PutItem; developer guide, "Constraints"."""
    size = item_size(item)
    if isinstance(size, Refusal):
        return size
    places: tuple[DynamoTable | Gsi, ...] = (table, *table.indexes)
    for place in places:
        for (name, tag), most in zip(_keys(place), _MOST_KEY_BYTES, strict=False):
            if name not in item:
                if place is table:
                    return Refusal(Reason.MISSING_ATTRIBUTE, f"{name}: the table's key, but the item lacks it")
                continue
            held = item[name].get(tag)
            if held is None:
                return Refusal(Reason.WRONG_TYPE, f"{name}: a key of {place.name} is {tag}, not {'/'.join(item[name])}")
            if tag == "S" and not 0 < len(held.encode()) <= most:
                return Refusal(
                    Reason.OVER_DYNAMODB_LIMIT,
                    f"{name}: a key of {place.name} takes {len(held.encode())} bytes, 1 to {most} are allowed",
                )
    return None


def _keys(place: DynamoTable | Gsi) -> tuple[tuple[str, KeyType], ...]:
    return (place.partition, place.sort) if place.sort else (place.partition,)


def write_units(size: int) -> int:
    """Write units that putting an item of `size` bytes consumes: the larger of the old and the new item counts, so this
    is what a new one does."""
    return max(1, -(-size // UNIT_BYTES))
