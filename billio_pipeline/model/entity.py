"""What a migration is declared with: entities, and the systems made of them.

Sides are stores (item, row), never directions: the same declaration loads and rebuilds. words.py has what fields are
made of, carriers.py the rule that makes a declaration reversible.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import pyarrow as pa

from billio_pipeline.model import carriers
from billio_pipeline.model.scalars import Json
from billio_pipeline.model.tables import DynamoTable, SqlTable
from billio_pipeline.model.types import LogicalType
from billio_pipeline.model.words import (
    DeclarationError,
    Derived,
    Expires,
    Field,
    Lookup,
    Part,
    Rest,
    Rewrite,
    Rule,
)  # fmt: skip


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
    """One kind of item in a table, and its row. `when` tells it: attributes equal to these texts, after any Rewrite.

    `items` is the DynamoDB table its items go to; None where items are the source, whose table the system names. Then
    a Rest is required, for every attribute needs a carrier; with `items` every column does, and all fields may do.
    `newer_by` is an attribute by which one version of an item is newer than another, for tables others write to.
    """

    name: str
    table: SqlTable
    when: Mapping[str, str]
    parts: tuple[Part, ...]
    rules: tuple[Rule, ...] = ()
    items: DynamoTable | None = None
    newer_by: str | None = None

    def __post_init__(self) -> None:
        carriers.check(self)

    @cached_property
    def fields(self) -> tuple[Field, ...]:
        return tuple(part for part in self.parts if isinstance(part, Field))

    @cached_property
    def rest(self) -> Rest:
        """Raises StopIteration where none is declared: see `has_rest`."""
        return next(part for part in self.parts if isinstance(part, Rest))

    @cached_property
    def has_rest(self) -> bool:
        return any(isinstance(part, Rest) for part in self.parts)

    @cached_property
    def lookups(self) -> tuple[Lookup, ...]:
        return tuple(part for part in self.parts if isinstance(part, Lookup))

    @cached_property
    def expires(self) -> Expires | None:
        return next((part for part in self.parts if isinstance(part, Expires)), None)

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
        return (*own, Column(self.rest.column, Json(), True, "'{}'")) if self.has_rest else tuple(own)

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


@dataclass(frozen=True)
class RowSystem:
    """A migration the other way: rows of the entities' SQL tables into the DynamoDB tables of their items.

    `archived` names source tables that have no home in the target, each with the reason; `added` kinds of item the
    target holds on purpose, by the attribute that tells kinds, of which the source has no rows.
    """

    name: str
    entities: tuple[Entity, ...]
    archived: Mapping[str, str] = field(default_factory=dict)
    added: tuple[str, ...] = ()
    kinds: tuple[str, ...] = field(default=("postgres", "dynamodb"))

    def __post_init__(self) -> None:
        names = [entity.name for entity in self.entities]
        if len(set(names)) != len(names):
            raise DeclarationError(f"{self.name}: two entities of one name")
        if len({tuple(sorted(entity.when.items())) for entity in self.entities}) != len(names):
            raise DeclarationError(f"{self.name}: two entities share a condition")
        if homeless := [entity.name for entity in self.entities if entity.items is None]:
            raise DeclarationError(f"{self.name}: {', '.join(homeless)} name no table for their items")

    @cached_property
    def by_name(self) -> dict[str, Entity]:
        return {entity.name: entity for entity in self.entities}

    @cached_property
    def tables(self) -> tuple[DynamoTable, ...]:
        """The target's tables, each once."""
        return tuple({e.items.name: e.items for e in self.entities if e.items is not None}.values())

    def within(self, table: DynamoTable) -> tuple[Entity, ...]:
        """The entities whose items are in `table`."""
        return tuple(entity for entity in self.entities if entity.items == table)


AnySystem = System | RowSystem
