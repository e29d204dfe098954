"""What running on DynamoDB costs a month, line by line, in three ways of paying; and where an instance costs the same.

Source of the arithmetic: the DynamoDB developer guide, "Read and write operations", "Provisioned capacity mode" and
"Managing transactions"; it doesn't say what a transaction's entries in indexes take: they are taken to count once.
Not counted: free tier, data transfer, KMS requests, CloudWatch alarms, backups, restores and exports.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, get_args

from billio_pipeline.model.tables import DynamoTable, Units
from billio_pipeline.plan.dynamodb_prices import DAYS, GB, HOURS, Instance, Prices
from billio_pipeline.plan.dynamodb_units import Place, Use, Workload

Mode = Literal["declared", "on demand", "provisioned"]
MODES: tuple[Mode, ...] = get_args(Mode)
TARGET = 70  # percent of provisioned units in use, where nothing is declared: what AWS proposes
MOST_USERS = 10**9  # beyond which no break-even is looked for
_SECONDS = 86_400
_ANY = Units(1, 10**9, TARGET)


@dataclass(frozen=True)
class Line:
    """One line of a bill, dollars a month."""

    what: str
    arithmetic: str
    dollars: Decimal


@dataclass(frozen=True)
class Bill:
    """A month's. `short` are places that need more units than they declare at most; the bill is for what is needed."""

    mode: Mode
    users: int
    lines: tuple[Line, ...]
    short: tuple[str, ...] = ()

    @property
    def total(self) -> Decimal:
        return sum((line.dollars for line in self.lines), Decimal())


@dataclass(frozen=True)
class Needed:
    """Provisioned units of one place: what its mean, peak and target utilisation come to, at least what is declared.

    `short`: it is more than is declared at most.
    """

    read: int
    write: int
    short: bool


def bill(load: Workload, users: int, mode: Mode, prices: Prices) -> Bill:
    """The month's bill: throughput by table, storage, point-in-time recovery. `declared` is as each table declares."""
    day, billed = load.day(users), load.billed(users)
    lines: list[Line] = []
    short: list[str] = []
    for table in load.system.tables:
        places = {place: day[place] for place in load.places if place[0] == table.name}
        if mode == "on demand" or (mode == "declared" and table.capacity is None):
            lines.append(_on_demand(table, places, prices))
        else:
            for place, use in places.items():
                needed = provisioned(load, place, use, table if mode == "declared" else None)
                lines.append(_provisioned(place, needed, prices))
                short += [spelt(place)] if needed.short else []
        lines += _kept(table, billed, prices)
    return Bill(mode, users, tuple(lines), tuple(short))


def provisioned(load: Workload, place: Place, use: Use, table: DynamoTable | None) -> Needed:
    """Units for the busiest time: the mean times the activity's peak, scans spread over the day, of which the target
    share is in use; no less than `table` declares, if it does."""
    capacity = table.capacity if table else None
    read, write = (capacity.read, capacity.write) if capacity else (_ANY, _ANY)
    peak = load.activity.peak
    reads, writes = _units(use.reads * peak + use.scans, read), _units(use.writes * peak, write)
    return Needed(reads, writes, reads > read.most or writes > write.most)


def break_even(load: Workload, mode: Mode, prices: Prices, instance: Instance) -> int | None:
    """The fewest daily active users for whom DynamoDB costs more than the instance; None: it never does.

    Solved by halving: a bill never falls when users are added. 0: it costs more with no user at all.
    """
    limit = instance.dollars(prices)

    def dearer(users: int) -> bool:
        return bill(load, users, mode, prices).total > limit

    low, high = -1, 1
    while not dearer(high):
        low, high = high, high * 2
        if high > MOST_USERS:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if dearer(middle) else (middle, high)
    return high


def spelt(place: Place) -> str:
    """A place's name in words."""
    return place[0] if place[1] is None else f"{place[0]} {place[1]}"


def _units(a_day: Decimal, bounds: Units) -> int:
    return max(bounds.least, math.ceil(a_day / _SECONDS * 100 / bounds.target))


def _on_demand(table: DynamoTable, places: dict[Place, Use], prices: Prices) -> Line:
    reads = sum((use.all_reads for use in places.values()), Decimal()) * DAYS
    writes = sum((use.writes for use in places.values()), Decimal()) * DAYS
    dollars = (reads * prices.read_million + writes * prices.write_million) / 10**6
    arithmetic = (
        f"{reads:,.0f} reads at ${prices.read_million} + {writes:,.0f} writes at ${prices.write_million} a million"
    )
    return Line(f"{table.name} on demand, indexes included", arithmetic, dollars)


def _provisioned(place: Place, needed: Needed, prices: Prices) -> Line:
    dollars = (needed.read * prices.read_hour + needed.write * prices.write_hour) * HOURS
    arithmetic = (
        f"{needed.read:,} RCU at ${prices.read_hour} + {needed.write:,} WCU at ${prices.write_hour}, {HOURS} h"
        + ("; more than is declared at most" if needed.short else "")
    )
    return Line(f"{spelt(place)} provisioned", arithmetic, dollars)


def _kept(table: DynamoTable, billed: dict[Place, Decimal], prices: Prices) -> Iterator[Line]:
    own = billed[table.name, None] / GB
    indexes = sum((size for place, size in billed.items() if place[0] == table.name and place[1]), Decimal()) / GB
    yield Line(
        f"{table.name} storage",
        f"{own:,.3f} GB and indexes {indexes:,.3f} GB at ${prices.gb_month}",
        (own + indexes) * prices.gb_month,
    )
    if table.recovery:
        price = prices.recovery_gb_month
        yield Line(f"{table.name} recovery", f"{own:,.3f} GB, without indexes, at ${price}", own * price)
    if table.stream:
        yield Line(f"{table.name} stream", "reads by Lambda are free, others not counted", Decimal())
