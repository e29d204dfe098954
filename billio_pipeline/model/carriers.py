"""The carrier rule, checked when a declaration is imported: what makes it reversible.

Every attribute, and every column, has exactly one carrier — a Field, or the Rest. Derived carries nothing: it is
checked on the way in and recomputed on the way back, never parsed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from billio_pipeline.model import derive
from billio_pipeline.model.tables import DynamoTable, Gsi
from billio_pipeline.model.words import (
    ABSENT,
    PRESENT,
    RESERVED,
    DeclarationError,
    Derived,
    Rest,
    Rewrite,
)  # fmt: skip

if TYPE_CHECKING:
    from billio_pipeline.model.entity import Entity


def check(entity: Entity) -> None:
    """Raise DeclarationError unless every attribute and column has exactly one carrier, and each word can be kept."""
    refuse = _Refuse(entity.name)
    rests = [part.column for part in entity.parts if isinstance(part, Rest)]
    if len(rests) > 1 or (not rests and entity.items is None):
        refuse(f"{len(rests)} Rest columns; exactly one carries what no Field does")
    carried: set[str] = set()
    columns: set[str] = set(rests)
    for each in entity.fields:
        if each.attribute in carried:
            refuse(f"attribute {each.attribute} has two carriers")
        carried.add(each.attribute)
        if each.column is not None and each.column in columns:
            refuse(f"column {each.column} has two carriers")
        if each.column is not None:
            columns.add(each.column)
        if each.inside is not None and (each.inside not in rests or each.row or len(each.path) > 1):
            refuse(f"{each.attribute} is inside {each.inside!r}, which is not its Rest column, or is renamed there")
    for attribute in carried:
        if any(other.startswith(attribute + ".") for other in carried):
            refuse(f"attribute {attribute} is carried whole and in parts")
    _check_words(entity, carried | {f.path[0] for f in entity.fields}, refuse)
    if key := [rule.column for rule in entity.rules if rule.column not in columns]:
        refuse(f"a rule names {key}, which is no column")
    keys = [f for f in entity.fields if f.column == entity.table.key]
    if not keys:
        refuse(f"no Field carries the key {entity.table.key} of {entity.table.name}")
    if keys[0].optional or len(keys[0].path) > 1:
        refuse(f"the key {entity.table.key} of {entity.table.name} may be absent")


def _check_words(entity: Entity, carried: set[str], refuse: _Refuse) -> None:
    """Raise DeclarationError for a Rewrite, a Derived or a condition that couldn't be kept for some item."""
    whole = {f.attribute for f in entity.fields if f.column and len(f.path) == 1}
    # What every item has as text: keys and conditions are made of it.
    sure = {f.attribute for f in entity.fields if f.type.tag == "S" and not f.optional and len(f.path) == 1}
    for part in entity.parts:
        if isinstance(part, Rewrite) and entity.items is not None:
            refuse(f"{part.attribute} is rewritten, which is for items that are the source")
        if isinstance(part, Rewrite) and part.attribute not in whole:
            refuse(f"{part.attribute} is rewritten, but no Field carries it whole in a column of its own")
        if isinstance(part, Rewrite) and part.was != entity.rest.column:
            refuse(f"the original of {part.attribute} goes to {part.was!r}, which is not the Rest column")
        if isinstance(part, Derived) and part.attribute in carried:
            refuse(f"{part.attribute} is derived and carried by a Field")
    rewritten = [part.attribute for part in entity.parts if isinstance(part, Rewrite)]
    if twice := {name for name in rewritten if rewritten.count(name) > 1}:
        refuse(f"{', '.join(sorted(twice))} is rewritten twice")
    derived = [part.attribute for part in entity.derived]
    if entity.items is not None:
        _check_target(entity, derived, refuse)
        return
    for part in entity.derived:
        if lacking := [name for name in part.inputs if name not in sure]:
            refuse(f"{part.attribute} derives from {lacking}, which no Field carries as text that is always there")
    if twice := {name for name in derived if derived.count(name) > 1}:
        refuse(f"{', '.join(sorted(twice))} is derived twice")
    if RESERVED in carried | set(derived):
        refuse(f"{RESERVED} is reserved, for what jsonb alone can't return")
    if lacking := [name for name in entity.when if name not in sure & whole]:
        refuse(f"its condition reads {lacking}, which no Field carries as text that is always there, in a column")


def _check_target(entity: Entity, derived: list[str], refuse: _Refuse) -> None:
    """Raise DeclarationError where an item made of a row could lack a key, or what a template reads."""
    assert entity.items is not None
    whole = {f.attribute: f for f in entity.fields if f.column and len(f.path) == 1}
    columns = {f.column: f for f in entity.fields}
    lookups = {each.name: each for each in entity.lookups}
    if len(lookups) < len(entity.lookups) or lookups.keys() & whole.keys():
        refuse(f"a name of its lookups {', '.join(lookups)} is taken")
    for each in entity.lookups:
        if each.by not in columns:
            refuse(f"{each.name} is looked up by {each.by}, which no Field carries")
    always = {part.attribute for part in entity.derived if not part.when}
    for name, _ in entity.items.key:
        if name not in always and (name not in whole or whole[name].optional):
            refuse(f"nothing gives every item its key {name}")
    _check_types(entity, refuse)
    for part in entity.derived:
        derive.check(part.template)
        if lacking := [name for name in part.when if name not in whole and name not in lookups]:
            refuse(f"{part.attribute} depends on {lacking}, which nothing gives its items")
        for name in part.inputs:
            outer, dot, inner = name.partition(".")
            if dot and outer in lookups:
                found = {f.attribute: f for f in lookups[outer].entity.fields if f.column and not f.optional}.get(inner)
                sure = part.when.get(outer) is PRESENT or not columns[lookups[outer].by].optional
            else:
                found = whole.get(name)
                sure = found is not None and (part.when.get(name, ABSENT) is not ABSENT or not found.optional)
            if found is None or not sure:
                refuse(f"{part.attribute} derives from {name}, which some item may lack")
            if found.type.tag not in ("S", "N", "BOOL"):
                refuse(f"{part.attribute} derives from {name}, which has no text")
    if lacking := [name for name in entity.when if name not in derived and name not in whole]:
        refuse(f"its condition reads {lacking}, which nothing gives its items")
    if entity.newer_by is not None and entity.newer_by not in whole:
        refuse(f"its versions are told by {entity.newer_by}, which no Field carries")
    if entity.expires and entity.expires.column not in columns:
        refuse(f"it expires by {entity.expires.column}, which no Field carries")


def _check_types(entity: Entity, refuse: _Refuse) -> None:
    """Raise DeclarationError where an attribute has not the type that the table, or an index, takes as a key."""
    assert entity.items is not None
    table = entity.items
    places: tuple[DynamoTable | Gsi, ...] = (table, *table.indexes)
    keys = [key for place in places for key in (place.partition, place.sort) if key]
    keys += [(table.ttl, "N")] if table.ttl else []
    given: list[tuple[str, str]] = [(part.attribute, part.type) for part in entity.derived]
    given += [(each.attribute, each.type.tag) for each in entity.fields]
    for name, tag in given:
        if other := [wanted for key, wanted in keys if key == name and wanted != tag]:
            refuse(f"{name} is {tag}, and {table.name} takes {other[0]}")


@dataclass(frozen=True)
class _Refuse:
    entity: str

    def __call__(self, why: str) -> NoReturn:
        raise DeclarationError(f"{self.entity}: {why}")
