"""compile(system) → Codec: the exact, total way from item to row and back; every refusal is made here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from billio_pipeline.codec.fields import holder, read_fields, reads
from billio_pipeline.codec.rewrite import rewritten_text
from billio_pipeline.codec.wire import Item
from billio_pipeline.model.canonical import canonical_value, jsonb_text, parse_jsonb
from billio_pipeline.model.entity import Entity, System
from billio_pipeline.model.natural import Types, escape, plain_wire, to_natural, to_wire
from billio_pipeline.model.refusal import Reason, Refusal
from billio_pipeline.model.words import RESERVED, Derived

Row = dict[str, Any]


@dataclass(frozen=True)
class Refused:
    """An item that is no row: why, and as much of its entity and keys as could be told."""

    refusal: Refusal
    entity: str | None = None
    key: str | None = None
    source_key: str | None = None


class Codec:
    """`to_row` and `to_item` for every entity of one system. Stateless after construction; safe to share."""

    def __init__(self, system: System) -> None:
        self.system = system
        self._key = system.source.partition[0]
        self._key_attribute = {e.name: _key_attribute(e) for e in system.entities}
        self._reads = {e.name: reads(e) for e in system.entities}
        self._puts = {
            e.name: [(f.column, f.path[:-1], f.path[-1], f.type.write) for f in e.fields if f.column is not None]
            for e in system.entities
        }
        self._columns = [column.name for column in system.columns]
        self._discriminators = tuple(sorted({name for e in system.entities for name in e.when}))

    def entity_of(self, item: Mapping[str, Any]) -> Entity | Refusal:
        """The entity an item is of, or why it can't be told."""
        for name in self._discriminators:
            if name not in item:
                return Refusal(Reason.MISSING_ATTRIBUTE, f"{name}: absent, so the entity can't be told")
            if not isinstance(item[name].get("S"), str):
                return Refusal(Reason.WRONG_TYPE, f"{name}: expected S, found {'/'.join(item[name])}")
        for entity in self.system.entities:
            if all(
                rewritten_text(item[name]["S"], entity.rewrites.get(name)) == text for name, text in entity.when.items()
            ):
                return entity
        found = {name: item[name]["S"][:60] for name in self._discriminators}
        return Refusal(Reason.UNKNOWN_TYPE, f"no entity has {found}")

    def to_row(self, item: Item) -> tuple[Entity, Row] | Refused:
        """The row of an item (well formed, as `wire.parse` returns it), all target columns present."""
        entity = self.entity_of(item)
        if isinstance(entity, Refusal):
            return self.refused(entity, item)
        row = self._row(entity, item)
        return self.refused(row, item) if isinstance(row, Refusal) else (entity, row)

    def refused(self, refusal: Refusal, item: Mapping[str, Any]) -> Refused:
        """The refusal of `item`, or of the line it was glimpsed in, with entity and keys as far as they can be told."""
        entity = self.entity_of(item)
        name = None if isinstance(entity, Refusal) else entity.name
        attribute = self._key_attribute[name or self.system.entities[0].name]
        return Refused(refusal, name, _text(item.get(attribute)), _text(item.get(self._key)))

    def _row(self, entity: Entity, item: Item) -> Row | Refusal:
        row: Row = dict.fromkeys(self._columns)
        rest: dict[str, Any] = dict(item)
        was: dict[str, Any] = {}
        if refusal := read_fields(self._reads[entity.name], item, row, rest, was):
            return refusal
        for rule in entity.rules:
            if rule.kind == "absent" and row[rule.column] is not None:
                return Refusal(Reason.REFERENCE_NOT_ALLOWED, f"{rule.column}: no {entity.name} has one")
        for derived in entity.derived:
            expected, found = derive(derived, item), rest.pop(derived.attribute, None)
            if found == {"S": expected}:
                continue
            if derived.attribute == self._key:
                return _key_refusal(derived, expected, found)
            was[derived.attribute] = found and canonical_value(found)
        for name, wire in item.items():
            if name in rest and not rest[name].get("M", True) and wire["M"]:
                del rest[name]  # a map all of whose parts have their own columns
        if RESERVED in rest:
            was[RESERVED] = canonical_value(rest.pop(RESERVED))
        row[entity.rest.column] = jsonb_text(_document(rest, was))
        return row

    def to_item(self, entity: Entity, row: Mapping[str, Any]) -> Item:
        """The item a row came from. `row` may come from the target: its document column is JSON text."""
        document = parse_jsonb(row[entity.rest.column] or "{}")
        notes = document.pop(RESERVED, {})
        types: Types = notes.get("types", {})
        was: dict[str, Any] = notes.get("was", {})
        if types:
            item: Item = {n: to_wire(v, f"/{escape(n)}", types) for n, v in document.items()}
        else:
            item = {n: {"S": v} if type(v) is str else plain_wire(v) for n, v in document.items()}
        for column, outer, name, write in self._puts[entity.name]:
            if (value := row[column]) is not None:
                (holder(item, outer) if outer else item)[name] = write(value)
        for name, wire in was.items():
            if wire is not None:
                item[name] = wire
        for derived in entity.derived:
            if derived.attribute not in was:
                item[derived.attribute] = {"S": derive(derived, item)}
        return item


def compile(system: System) -> Codec:
    """The codec of a system's declaration."""
    return Codec(system)


def derive(derived: Derived, item: Mapping[str, Mapping[str, Any]]) -> str:
    """The text of a derived attribute, from the item's own attributes."""
    parts = _template_parts(derived.template)
    return "".join([item[part]["S"] if index % 2 else part for index, part in enumerate(parts)])


@cache
def _template_parts(template: str) -> list[str]:
    """Literal text and attribute names of a template, in turn."""
    return re.split(r"\{([^{}]+)\}", template)


def _document(rest: Mapping[str, Any], was: dict[str, Any]) -> dict[str, Any]:
    """The JSON document of what no column carries, with the reserved key only where something needs it."""
    types: Types = {}
    document = {n: w["S"] if "S" in w else to_natural(w, f"/{escape(n)}", types) for n, w in rest.items()}
    notes: dict[str, Any] = {}
    if types:
        notes["types"] = types
    if was:
        notes["was"] = was
    if notes:
        document[RESERVED] = notes
    return document


def _key_refusal(each: Derived, expected: str, found: Mapping[str, Any] | None) -> Refusal:
    if found is None:
        return Refusal(Reason.MISSING_ATTRIBUTE, f"{each.attribute}: absent")
    if "S" not in found:
        return Refusal(Reason.WRONG_TYPE, f"{each.attribute}: expected S, found {'/'.join(found)}")
    return Refusal(Reason.KEY_MISMATCH, f"{each.attribute} is {str(found['S'])[:100]!r}, its parts say {expected!r}")


def _key_attribute(entity: Entity) -> str:
    return next(each.attribute for each in entity.fields if each.column == entity.table.key)


def _text(wire: Any) -> str | None:
    text = wire.get("S") if isinstance(wire, dict) else None
    return text if isinstance(text, str) else None
