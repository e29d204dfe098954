"""The two kinds of table a migration stands between, as declared: SQL and DynamoDB."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

KeyType = Literal["S", "N", "B"]


@dataclass(frozen=True)
class SqlIndex:
    """An index over `keys`, each `"column"` or `"column DESC NULLS LAST"`; `where` makes it partial.

    The declaration says what the queries want; the capability profile writes what the database accepts.
    """

    name: str
    keys: tuple[str, ...]
    where: str | None = None


@dataclass(frozen=True)
class Check:
    """A CHECK constraint, added NOT VALID and validated after the load. `sql` is a boolean expression we wrote."""

    name: str
    sql: str


@dataclass(frozen=True)
class Reference:
    """A foreign key from `column` to the key of `table`, added NOT VALID and validated after the load."""

    name: str
    column: str
    table: str


@dataclass(frozen=True)
class SqlTable:
    """A table of rows. Its columns are not listed here: they derive from the fields of the entities it holds."""

    name: str
    key: str
    indexes: tuple[SqlIndex, ...] = ()
    checks: tuple[Check, ...] = ()
    references: tuple[Reference, ...] = ()


@dataclass(frozen=True)
class Gsi:
    """A global secondary index that projects all attributes. An item lacking a key (attribute, type) is not in it."""

    name: str
    partition: tuple[str, KeyType]
    sort: tuple[str, KeyType] | None = None


@dataclass(frozen=True)
class DynamoTable:
    """A DynamoDB table: its key, sort key if any, and secondary indexes; on-demand capacity."""

    name: str
    partition: tuple[str, KeyType]
    sort: tuple[str, KeyType] | None = None
    indexes: tuple[Gsi, ...] = ()
