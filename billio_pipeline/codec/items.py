"""Rows to items and back, where rows are the source: every row becomes an item or is refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from billio_pipeline.codec.compile import Row
from billio_pipeline.codec.fields import holder, read_fields, reads
from billio_pipeline.codec.wire import Item
from billio_pipeline.model import derive
from billio_pipeline.model.canonical import parse_jsonb
from billio_pipeline.model.entity import Entity, RowSystem
from billio_pipeline.model.natural import plain_wire
from billio_pipeline.model.refusal import Reason, Refusal
from billio_pipeline.model.scalars import Json
from billio_pipeline.model.words import Derived, Field

_REST = Json()
_NOTHING: tuple[dict[str, Any], ...] = ({"NULL": True}, {"M": {}})


class ItemCodec:
    """`to_item` and `to_row` for every entity of one system. Stateless after construction; safe to share.

    A row holds the entity's columns as its types' row values, and the columns `lookup_columns` names.
    """

    def __init__(self, system: RowSystem) -> None:
        self.system = system
        self._reads = {e.name: reads(e) for e in system.entities}
        self._derived = {e.name: _by_attribute(e) for e in system.entities}
        self._placed = {
            e.name: {each.path[0] for each in e.fields if each.column} | {each.attribute for each in e.derived}
            for e in system.entities
        }
        self._looked = {e.name: looked_up(e) for e in system.entities}

    def entity_of(self, item: Mapping[str, Any]) -> Entity | None:
        """The entity an item is of, None when it is none's."""
        for entity in self.system.entities:
            if all(item.get(name) == {"S": text} for name, text in entity.when.items()):
                return entity
        return None

    def to_item(self, entity: Entity, row: Mapping[str, Any]) -> Item | Refusal:
        """The item of a row, or why there is none. Whether DynamoDB can hold it is for its store to say."""
        rest = parse_jsonb(row[entity.rest.column] or "{}") if entity.has_rest else {}
        item: Item = {name: plain_wire(value) for name, value in rest.items()}
        for name in item:
            if name in self._placed[entity.name] or _expires(entity, name, item[name]):
                return Refusal(Reason.DUPLICATE_ATTRIBUTE, f"{name} stands among the rest, but has a place of its own")
        for each in entity.fields:
            if each.column is None:
                continue
            value = row[each.column]
            if value is not None:
                if refusal := each.type.refuses(value):
                    return refusal.at(each.column)
                holder(item, each.path[:-1])[each.path[-1]] = each.type.write(value)
            elif not each.optional:
                return Refusal(Reason.MISSING_ATTRIBUTE, f"{each.column}: NULL, but {each.attribute} must be there")
        looked = self._look(entity, row)
        if isinstance(looked, Refusal):
            return looked
        for name, choices in self._derived[entity.name].items():
            wire = derive.value(choices, item, looked)
            if wire is not None:
                item[name] = wire
        return item

    def to_row(self, entity: Entity, item: Item) -> Row | Refusal:
        """The row an item came from. What is derived is not read, so an item whose keys others wrote is read too."""
        row: Row = dict.fromkeys(column.name for column in entity.columns)
        rest: dict[str, Any] = {name: wire for name, wire in item.items() if name not in self._derived[entity.name]}
        if refusal := read_fields(self._reads[entity.name], item, row, rest, {}):
            return refusal
        # A declared attribute still there is NULL, as optional ones may be, or a map all of which was read.
        rest = {n: w for n, w in rest.items() if n not in self._placed[entity.name] or w not in _NOTHING}
        if strange := sorted(self._placed[entity.name] & rest.keys()):
            return Refusal(Reason.UNKNOWN_TYPE, f"{', '.join(strange)}: no {entity.name} has all that is in it")
        if entity.has_rest:
            text = _REST.read({"M": rest})
            if isinstance(text, Refusal):
                return text
            row[entity.rest.column] = text
        elif rest:
            names = ", ".join(sorted(rest))
            return Refusal(Reason.UNKNOWN_TYPE, f"{names[:200]}: no {entity.name} has such attributes")
        return row

    def _look(self, entity: Entity, row: Mapping[str, Any]) -> dict[str, Any] | Refusal:
        """What each Lookup found: the attributes of its item that templates read, None for an empty reference."""
        found: dict[str, Any] = {}
        for lookup in entity.lookups:
            if row[lookup.by] is None:
                found[lookup.name] = None
                continue
            fields = self._looked[entity.name][lookup.name]
            values = {f.attribute: row[lookup_column(lookup.name, f)] for f in fields}
            if any(value is None for value in values.values()):
                table = lookup.entity.table.name
                return Refusal(Reason.REFERENCE_MISSING, f"{lookup.by} {row[lookup.by]} is no row of {table}")
            found[lookup.name] = {f.attribute: f.type.write(values[f.attribute]) for f in fields}
        return found


def _expires(entity: Entity, name: str, wire: Mapping[str, Any]) -> bool:
    """Whether DynamoDB would take this for the time after which it may delete the item."""
    return entity.items is not None and name == entity.items.ttl and "N" in wire


def lookup_column(name: str, field: Field) -> str:
    """The column of a joined row that holds what a Lookup reads."""
    return f"{name}.{field.column}"


def looked_up(entity: Entity) -> dict[str, tuple[Field, ...]]:
    """By Lookup: the fields of the other entity that templates read."""
    read = {name for derived in entity.derived for name in derived.inputs}
    return {
        lookup.name: tuple(f for f in lookup.entity.fields if f"{lookup.name}.{f.attribute}" in read)
        for lookup in entity.lookups
    }


def _by_attribute(entity: Entity) -> dict[str, tuple[Derived, ...]]:
    found: dict[str, tuple[Derived, ...]] = {}
    for derived in entity.derived:
        found[derived.attribute] = (*found.get(derived.attribute, ()), derived)
    return found
