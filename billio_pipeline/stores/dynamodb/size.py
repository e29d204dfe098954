"""Whether DynamoDB can hold an item, asked before it is sent; and what writing it costs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from billio_pipeline.model.refusal import Reason, Refusal
from billio_pipeline.model.size import MAX_ITEM_BYTES, Refused, sizer, text_size

UNIT_BYTES = 1024  # one write unit writes up to 1 KB

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


def write_units(size: int) -> int:
    """Write units that putting an item of `size` bytes consumes: the larger of the old and the new item counts, so this
    is what a new one does."""
    return max(1, -(-size // UNIT_BYTES))
