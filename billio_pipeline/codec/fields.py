"""Declared fields, read from an item: their values, and what of the item is left."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from billio_pipeline.codec.rewrite import applies, rewritten
from billio_pipeline.codec.wire import Item
from billio_pipeline.model.canonical import canonical_value
from billio_pipeline.model.entity import Entity
from billio_pipeline.model.refusal import Reason, Refusal
from billio_pipeline.model.types import LogicalType
from billio_pipeline.model.words import Field, Rewrite


@dataclass(frozen=True, slots=True)
class FieldRead:
    """A field as it is read, worked out once."""

    attribute: str
    outer: tuple[str, ...]
    name: str
    type: LogicalType
    optional: bool
    column: str | None
    rewrite: Rewrite | None

    @classmethod
    def of(cls, entity: Entity, each: Field) -> FieldRead:
        *outer, name = each.path
        rewrite = entity.rewrites.get(each.attribute)
        return cls(each.attribute, tuple(outer), name, each.type, each.optional, each.column, rewrite)


def reads(entity: Entity) -> list[FieldRead]:
    """How each of the entity's fields is read."""
    return [FieldRead.of(entity, each) for each in entity.fields]


def read_fields(
    reads: list[FieldRead], item: Item, row: dict[str, Any], rest: dict[str, Any], was: dict[str, Any]
) -> Refusal | None:
    """Fill `row` with the values of the fields, taken out of `rest`, what was rewritten into `was`; or why not."""
    for each in reads:
        value = _read(each, item, rest, was)
        if isinstance(value, Refusal):
            return value.at(each.attribute)
        if each.column is not None:
            row[each.column] = value
    return None


_ABSENT = Refusal(Reason.MISSING_ATTRIBUTE, "absent")


def _read(each: FieldRead, item: Item, rest: dict[str, Any], was: dict[str, Any]) -> Any:
    """A field's value (None when absent or NULL), its part taken out of `rest`; or a Refusal."""
    absent = None if each.optional else _ABSENT
    holder: dict[str, Any] = item
    for depth, step in enumerate(each.outer):
        if step not in holder:
            return absent
        if each.optional and holder[step] == {"NULL": True}:
            return None
        if "M" not in holder[step]:
            return Refusal(Reason.WRONG_TYPE, f"{step} is {'/'.join(holder[step])}, not a map")
        holder = holder[step]["M"]
        if depth == len(each.outer) - 1:
            rest_holder = _own_copy(rest, each.outer)
    name = each.name
    if name not in holder:
        return absent
    wire = holder[name]
    if each.optional and wire == {"NULL": True} and not each.type.holds_null:
        return None  # the NULL itself stays in the rest
    rewrite = each.rewrite
    value = each.type.read(wire) if rewrite is None else rewritten(each.type, wire, rewrite)
    if isinstance(value, Refusal):
        return value
    if rewrite is not None and applies(rewrite, wire):
        was[each.attribute] = canonical_value(wire)
    if each.column is not None:
        (rest_holder if each.outer else rest).pop(name)
    return value


def _own_copy(rest: dict[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
    """The map at `path` in `rest`, copied on the way so that the item itself stays as it is."""
    for step in path:
        rest[step] = {"M": dict(rest[step]["M"])}
        rest = rest[step]["M"]
    return rest


def holder(item: Item, path: tuple[str, ...]) -> dict[str, Any]:
    """The map at `path` in a rebuilt item, made if it isn't there."""
    holder: dict[str, Any] = item
    for step in path:
        if "M" not in holder.setdefault(step, {"M": {}}):
            holder[step] = {"M": {}}
        holder = holder[step]["M"]
    return holder
