"""The words an entity's fields are declared with. They carry no callables; conditions are dicts.

A condition holds of an item when every attribute it names is as it says: a text, a bool, PRESENT or ABSENT. A name may
also be a Lookup's: PRESENT when the row it names is there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Literal

from billio_pipeline.model.tables import KeyType, SqlTable
from billio_pipeline.model.types import Conversion, LogicalType

if TYPE_CHECKING:
    from billio_pipeline.model.entity import Entity

# The name, inside a Rest column, under which travels what jsonb alone can't return: see docs/guarantees.md.
RESERVED = "$dynamodb"


class Presence(Enum):
    """What a condition may ask of an attribute instead of a value."""

    PRESENT = "present"
    ABSENT = "absent"


PRESENT, ABSENT = Presence.PRESENT, Presence.ABSENT

Condition = Mapping[str, str | bool | Presence]


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

    `{CreatedAt|date}` is an attribute's text in a format of model/derive.py; `{problem.Title}` an attribute of the item
    a Lookup names. Of several for one attribute the first whose condition `when` holds gives its value; if none does,
    there is none. `type` is the attribute's. On the way from items to rows a value that differs from it refuses the
    item when it is a key of the source table, and is remembered in the Rest otherwise.
    """

    attribute: str
    template: str
    when: Condition = field(default_factory=dict)
    type: KeyType = "S"

    @property
    def inputs(self) -> tuple[str, ...]:
        """The attributes it reads, formats aside."""
        return tuple(found.partition("|")[0] for found in re.findall(r"\{([^{}]+)\}", self.template))


@dataclass(frozen=True)
class Lookup:
    """A row of another entity's table, by its key in column `by`, for Derived to read its item's attributes."""

    name: str
    entity: Entity
    by: str


@dataclass(frozen=True)
class Expires:
    """Items are gone from the target when the time in column `column` lies `days` back; older rows are left out.

    They are excluded, and what is older than `archived_days` must be in the archive, so that expiry loses nothing.
    """

    column: str
    days: int
    archived_days: int


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


Part = Field | Rest | Rewrite | Derived | Lookup | Expires


def fields(*parts: Part) -> tuple[Part, ...]:
    """Parts of an entity; tuples of them add up."""
    return parts
