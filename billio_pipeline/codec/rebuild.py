"""Rebuilding, judged: is the item a row rebuilds the one on its source line, by value?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from billio_pipeline.codec.compile import Codec
from billio_pipeline.codec.items import ItemCodec
from billio_pipeline.codec.wire import parse
from billio_pipeline.model.canonical import canonical_item
from billio_pipeline.model.entity import Entity
from billio_pipeline.model.refusal import Refusal


def rebuilds(codec: Codec, entity: Entity) -> Callable[[Mapping[str, Any], bytes], bool]:
    """(row, source line) → whether they are the same item: attribute order, set order and a number's spelling aside."""

    def same(row: Mapping[str, Any], line: bytes) -> bool:
        rebuilt = codec.to_item(entity, row)
        if orjson.loads(line)["Item"] == rebuilt:
            return True
        item = parse(line)  # equal by value though not by spelling, or different
        return not isinstance(item, Refusal) and canonical_item(item) == canonical_item(rebuilt)

    return same


def rows_again(codec: ItemCodec, entity: Entity) -> Callable[[Mapping[str, Any], bytes], bool]:
    """(row, canonical bytes of its item) → whether the item gives the row back, of the entity its attributes tell."""
    columns = [column.name for column in entity.columns]

    def same(row: Mapping[str, Any], item: bytes) -> bool:
        wire = orjson.loads(item)
        again = codec.to_row(entity, wire)
        return codec.entity_of(wire) is entity and again == {name: row[name] for name in columns}

    return same
