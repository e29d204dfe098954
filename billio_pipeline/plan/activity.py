"""The words a system's daily activity is declared with: what its users do, and the requests each act makes.

A declaration is an assumption about people, written down so that it can be argued with; sizes and shares of items are
measured on the source instead. No callables.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from billio_pipeline.plan.dynamodb_prices import Instance

Number = int | Decimal


@dataclass(frozen=True)
class Read:
    """One GetItem or Query: how many items `of` each kind it reads. Of an index it is eventually consistent."""

    of: Mapping[str, Number]
    index: str | None = None
    times: Number = 1


@dataclass(frozen=True)
class Scan:
    """One consistent pass over all of a table."""

    table: str


@dataclass(frozen=True)
class Write:
    """One put or update of an item of that kind; `new`: it is there from then on.

    Every index that holds the item gets its entry written too, unless `indexed` is false because no attribute that the
    index holds changed; where a key of an index in `moved` changed, the old entry is removed by one more write. In a
    `transaction` the table's part counts twice, the indexes' once.
    """

    kind: str
    new: bool = False
    transaction: bool = False
    indexed: bool = True
    moved: tuple[str, ...] = ()
    times: Number = 1


Step = Read | Scan | Write


@dataclass(frozen=True)
class Event:
    """Something that happens so many times a day per active user, or so many times a day however many there are.

    `patterns` are the numbers of the design's access patterns it stands for.
    """

    name: str
    steps: tuple[Step, ...]
    per_user: Decimal = Decimal()
    per_day: Decimal = Decimal()
    patterns: tuple[int, ...] = ()


@dataclass(frozen=True)
class Other:
    """Items the application keeps that no row stands behind: bytes each, and days until they expire (None: never)."""

    name: str
    table: str
    bytes: int
    days: int | None = None


@dataclass(frozen=True)
class Activity:
    """A day of the application. `peak` is how much busier its busiest time is than its mean; `months` of such days have
    passed when storage is counted. `instances` are what it could run on instead."""

    events: tuple[Event, ...]
    others: tuple[Other, ...] = ()
    peak: Decimal = Decimal(3)
    months: int = 12
    instances: tuple[Instance, ...] = field(default=())


@dataclass(frozen=True)
class Figure:
    """A figure of the seed documents beside ours, and in a line why they differ, or what makes them agree."""

    what: str
    seed: str
    ours: str
    agrees: bool
    why: str
