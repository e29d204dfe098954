"""What staged items take, kind by kind: bytes and capacity units in their table and in each of its indexes. Exact."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from billio_pipeline.migrate.stage import ItemStage
from billio_pipeline.model.refusal import Refusal
from billio_pipeline.model.tables import DynamoTable, Gsi
from billio_pipeline.stores.dynamodb.size import item_size, write_units

OVERHEAD = (
    100  # bytes AWS adds to every item, and to every entry of an index. Developer guide, "Item sizes and formats"
)


@dataclass
class Held:
    """Items, or entries of an index: their number, bytes and the units that writing each once takes."""

    items: int = 0
    bytes: int = 0
    write_units: int = 0

    def add(self, size: int) -> None:
        self.items += 1
        self.bytes += size
        self.write_units += write_units(size)

    @property
    def stored(self) -> int:
        """Bytes that are billed as storage."""
        return self.bytes + OVERHEAD * self.items


@dataclass
class Kind:
    """One entity's items: in its table, and by index."""

    name: str
    table: str
    held: Held = field(default_factory=Held)
    entries: dict[str, Held] = field(default_factory=dict)
    sizes: Counter[int] = field(default_factory=Counter)
    largest_key: str = ""

    @property
    def largest(self) -> int:
        return max(self.sizes, default=0)

    @property
    def p99(self) -> int:
        """The smallest size that 99 of 100 items don't exceed."""
        left = math.ceil(99 * self.held.items / 100)
        for size in sorted(self.sizes):
            left -= self.sizes[size]
            if left <= 0:
                return size
        return 0

    def beyond(self, size: int) -> int:
        """Items of more bytes."""
        return sum(number for each, number in self.sizes.items() if each > size)


def measure(stage: ItemStage) -> dict[str, Kind]:
    """By entity. Memory: one batch, and a number per size met."""
    found = {}
    for entity in stage.system.entities:
        table = entity.items
        assert table is not None, "a RowSystem's entities name their tables"
        kind = Kind(entity.name, table.name, entries={index.name: Held() for index in table.indexes})
        for _, batch in stage.batches(entity.name, also=("_key", "_item")):
            for key, text in zip(batch["_key"].to_pylist(), batch["_item"].to_pylist(), strict=True):
                _add(kind, table, key, orjson.loads(text))
        found[entity.name] = kind
    return found


def _add(kind: Kind, table: DynamoTable, key: str, item: dict[str, Any]) -> None:
    size = _size(item)
    if size > kind.largest:
        kind.largest_key = key
    kind.held.add(size)
    kind.sizes[size] += 1
    for index in table.indexes:
        if _in(index, item):
            kind.entries[index.name].add(size if index.projects == "ALL" else _size(projected(table, index, item)))


def projected(table: DynamoTable, index: Gsi, item: Mapping[str, Any]) -> dict[str, Any]:
    """What of an item an index holds."""
    if index.projects == "ALL":
        return dict(item)
    named = index.projects if isinstance(index.projects, tuple) else ()
    keys = {name for name, _ in (*table.key, index.partition, *((index.sort,) if index.sort else ()))}
    return {name: value for name, value in item.items() if name in keys or name in named}


def _in(index: Gsi, item: Mapping[str, Any]) -> bool:
    keys = (index.partition, index.sort) if index.sort else (index.partition,)
    return all(tag in item.get(name, ()) for name, tag in keys)


def _size(item: Mapping[str, Any]) -> int:
    size = item_size(item)
    if isinstance(size, Refusal):
        raise AssertionError(f"a staged item can't be stored: {size.message}")
    return size
