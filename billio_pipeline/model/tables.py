"""The two kinds of table a migration stands between, as declared: SQL and DynamoDB."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

KeyType = Literal["S", "N", "B"]
StreamView = Literal["KEYS_ONLY", "NEW_IMAGE", "OLD_IMAGE", "NEW_AND_OLD_IMAGES"]


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
class Units:
    """Provisioned units per second, scaled between `least` and `most` so that `target` percent of them are in use."""

    least: int
    most: int
    target: int = 70


@dataclass(frozen=True)
class Provisioned:
    """Provisioned capacity, of the table and of each of its indexes alike."""

    read: Units
    write: Units


@dataclass(frozen=True)
class Gsi:
    """A global secondary index. An item lacking a key (attribute, type) is not in it.

    `projects` says which attributes it holds beside the keys: all, none, or those named.
    """

    name: str
    partition: tuple[str, KeyType]
    sort: tuple[str, KeyType] | None = None
    projects: Literal["ALL", "KEYS_ONLY"] | tuple[str, ...] = "ALL"


@dataclass(frozen=True)
class DynamoTable:
    """A DynamoDB table: its key, sort key if any, and secondary indexes.

    `capacity` None is on demand. `ttl` names the attribute, in epoch seconds, after which an item expires. `recovery`
    is point-in-time recovery. `stream` is what its stream shows, None for none. `encryption` is a KMS key's ARN or
    alias, "KMS" for AWS's own in the account, None for the one DynamoDB owns.
    """

    name: str
    partition: tuple[str, KeyType]
    sort: tuple[str, KeyType] | None = None
    indexes: tuple[Gsi, ...] = ()
    capacity: Provisioned | None = None
    ttl: str | None = None
    recovery: bool = False
    stream: StreamView | None = None
    encryption: str | None = None

    @property
    def key(self) -> tuple[tuple[str, KeyType], ...]:
        """The attributes, with their types, that make an item the one it is."""
        return (self.partition, self.sort) if self.sort else (self.partition,)
