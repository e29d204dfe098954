"""What a migration is declared with: entities, the words their fields are made of, and the carrier rule.

Sides are stores (item, row), never directions: the same declaration loads and rebuilds. Words carry no callables.
The carrier rule, checked when a declaration is imported: every attribute has exactly one carrier — a Field, or the
Rest. Derived carries nothing: it is checked on the way in and recomputed on the way back, never parsed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, NoReturn

import pyarrow as pa

from billio_pipeline.model.tables import DynamoTable, SqlTable
from billio_pipeline.model.types import Conversion, Json, LogicalType

# The name, inside a Rest column, under which travels what jsonb alone can't return: see docs/guarantees.md.
RESERVED = "$dynamodb"


class DeclarationError(TypeError):
    """A declaration that can't be reversible; raised when it is imported."""


@dataclass(frozen=True)
class Field:
    """One attribute carried by one column (`row`, by default of the same name), or `inside` a Rest under its own name.

    `attribute` may be a path into a map (`image.url`). `optional` means it may be absent or NULL. `default` is SQL.
    """

    attribute: str
    type: LogicalType
    row: str | None = None
    optional: bool = False
    inside: str | None = None
    default: str | None = None

    @property
    def path(self) -> tuple[str, ...]:
        return tuple(self.attribute.split("."))

    @property
    def column(self) -> str | None:
        """The column that carries it, or None when it lives inside a Rest."""
        return None if self.inside else self.row or self.attribute


@dataclass(frozen=True)
class Rest:
    """The column that carries every attribute, or part of a map, that no Field does, as natural JSON."""

    column: str


@dataclass(frozen=True)
class Rewrite:
    """A value replaced on the way in: by a mapping of texts, or another type's reading. The original goes to `was`."""

    attribute: str
    using: Mapping[str, str] | Conversion
    was: str


@dataclass(frozen=True)
class Derived:
    """An attribute that follows from others: `"{type}:{id}"`, over attributes as the item has them.

    In a key of the source table a different value refuses the item; elsewhere it is remembered in the Rest.
    """

    attribute: str
    template: str

    @property
    def inputs(self) -> tuple[str, ...]:
        return tuple(re.findall(r"\{([^{}]+)\}", self.template))


@dataclass(frozen=True)
class Rule:
    """What must hold of an entity's rows. Made by `Rule.refers` and `Rule.absent`."""

    kind: Literal["refers", "absent"]
    column: str
    table: str = ""
    when: tuple[tuple[str, str], ...] = ()

    @classmethod
    def refers(cls, column: str, table: SqlTable, when: Mapping[str, str]) -> Rule:
        """A value in `column` is the key of a row of `table` for which `when` holds."""
        return cls("refers", column, table.name, tuple(when.items()))

    @classmethod
    def absent(cls, column: str) -> Rule:
        """Rows of this entity have no value in `column`."""
        return cls("absent", column)


Part = Field | Rest | Rewrite | Derived


def fields(*parts: Part) -> tuple[Part, ...]:
    """Parts of an entity; tuples of them add up."""
    return parts


@dataclass(frozen=True)
class Column:
    """A column of a target table, as the declarations of its entities give it."""

    name: str
    type: LogicalType
    nullable: bool
    default: str | None

    @property
    def sql(self) -> str:
        return self.type.sql


@dataclass(frozen=True)
class Entity:
    """One kind of item in a table, and its row. `when` tells it: attributes equal to these texts, after any Rewrite."""

    name: str
    table: SqlTable
    when: Mapping[str, str]
    parts: tuple[Part, ...]
    rules: tuple[Rule, ...] = ()

    def __post_init__(self) -> None:
        _check_carriers(self)

    @cached_property
    def fields(self) -> tuple[Field, ...]:
        return tuple(part for part in self.parts if isinstance(part, Field))

    @cached_property
    def rest(self) -> Rest:
        return next(part for part in self.parts if isinstance(part, Rest))

    @cached_property
    def rewrites(self) -> dict[str, Rewrite]:
        return {part.attribute: part for part in self.parts if isinstance(part, Rewrite)}

    @cached_property
    def derived(self) -> tuple[Derived, ...]:
        return tuple(part for part in self.parts if isinstance(part, Derived))

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        """This entity's columns in declared order, the Rest last."""
        own = [
            Column(f.column, f.type, f.optional or f.path[1:] != (), f.default)
            for f in self.fields
            if f.column is not None
        ]
        return (*own, Column(self.rest.column, Json(), True, "'{}'"))

    def arrow_schema(self) -> pa.Schema:
        return pa.schema([pa.field(c.name, c.type.arrow) for c in self.columns])


@dataclass(frozen=True)
class System:
    """All that one folder under assets/ declares: a source table, a target table, the entities between them."""

    name: str
    source: DynamoTable
    target: SqlTable
    entities: tuple[Entity, ...]
    kinds: tuple[str, ...] = field(default=("dynamodb", "postgres"))

    def __post_init__(self) -> None:
        names = [entity.name for entity in self.entities]
        if len(set(names)) != len(names):
            raise DeclarationError(f"{self.name}: two entities of one name")
        whens = [tuple(sorted(entity.when.items())) for entity in self.entities]
        if len(set(whens)) != len(whens):
            raise DeclarationError(f"{self.name}: two entities share a condition")
        for entity in self.entities:
            if entity.table is not self.target and entity.table != self.target:
                raise DeclarationError(f"{entity.name} declares table {entity.table.name}, not {self.target.name}")
        _ = self.columns

    @cached_property
    def by_name(self) -> dict[str, Entity]:
        return {entity.name: entity for entity in self.entities}

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        """The target's columns: the union over entities, nullable where any entity may leave one empty."""
        merged: dict[str, Column] = {}
        for entity in self.entities:
            for column in entity.columns:
                known = merged.setdefault(column.name, column)
                if known.type != column.type:
                    raise DeclarationError(f"column {column.name} has two types: {known.sql} and {column.sql}")
                if column.nullable and not known.nullable:
                    merged[column.name] = column
        for entity in self.entities:
            for name in set(merged) - {column.name for column in entity.columns}:
                known = merged[name]
                merged[name] = Column(known.name, known.type, True, known.default)
        last = self.entities[0].rest.column  # the Rest is last in every entity, so in the table
        return (*(c for c in merged.values() if c.name != last), merged[last])

    def arrow_schema(self) -> pa.Schema:
        return pa.schema([pa.field(c.name, c.type.arrow) for c in self.columns])


def _check_carriers(entity: Entity) -> None:
    """Raise DeclarationError unless every attribute and column has exactly one carrier, and each word can be kept."""
    refuse = _Refuse(entity.name)
    rests = [part.column for part in entity.parts if isinstance(part, Rest)]
    if len(rests) != 1:
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
        if isinstance(part, Rewrite) and part.attribute not in whole:
            refuse(f"{part.attribute} is rewritten, but no Field carries it whole in a column of its own")
        if isinstance(part, Rewrite) and part.was != entity.rest.column:
            refuse(f"the original of {part.attribute} goes to {part.was!r}, which is not the Rest column")
        if isinstance(part, Derived) and part.attribute in carried:
            refuse(f"{part.attribute} is derived and carried by a Field")
        if isinstance(part, Derived) and (lacking := [name for name in part.inputs if name not in sure]):
            refuse(f"{part.attribute} derives from {lacking}, which no Field carries as text that is always there")
    derived = [part.attribute for part in entity.derived]
    rewritten = [part.attribute for part in entity.parts if isinstance(part, Rewrite)]
    for names, what in ((derived, "derived"), (rewritten, "rewritten")):
        if twice := {name for name in names if names.count(name) > 1}:
            refuse(f"{', '.join(sorted(twice))} is {what} twice")
    if RESERVED in carried | set(derived):
        refuse(f"{RESERVED} is reserved, for what jsonb alone can't return")
    if lacking := [name for name in entity.when if name not in sure & whole]:
        refuse(f"its condition reads {lacking}, which no Field carries as text that is always there, in a column")


@dataclass(frozen=True)
class _Refuse:
    entity: str

    def __call__(self, why: str) -> NoReturn:
        raise DeclarationError(f"{self.entity}: {why}")
