"""What running a system on DynamoDB takes and costs for so many daily active users, beside what it could run on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from billio_pipeline.model.entity import RowSystem
from billio_pipeline.plan.activity import Activity, Event, Figure, Scan
from billio_pipeline.plan.dynamodb_cost import MODES, Bill, Mode, bill, break_even
from billio_pipeline.plan.dynamodb_prices import DAYS, PRICES, Instance, Prices
from billio_pipeline.plan.dynamodb_units import Place, Use, Workload
from billio_pipeline.plan.item_sizes import Kind

DEFAULT_USERS = 1_000
_SECONDS = 86_400
PARTITION_WRITES = 1_000  # units per second that one partition key takes. Developer guide, "Partitions and data"


@dataclass(frozen=True)
class EventUse:
    """An event's share of a day: how often, units of all places together, and a month of it on demand."""

    event: Event
    times: Decimal
    use: Use
    dollars: Decimal


@dataclass(frozen=True)
class BreakEven:
    """From how many daily active users on DynamoDB costs more than the instance, by way of paying; None: from none."""

    instance: Instance
    dollars: Decimal
    users: Mapping[Mode, int | None]


@dataclass(frozen=True)
class Running:
    """The whole of it, for `users`."""

    load: Workload
    users: int
    prices: Prices
    bills: tuple[Bill, ...]
    events: tuple[EventUse, ...]
    day: Mapping[Place, Use]
    growth: tuple[tuple[int, Decimal], ...]
    """After so many months, bytes billed as storage."""
    break_even: tuple[BreakEven, ...]
    figures: tuple[Figure, ...]

    @property
    def activity(self) -> Activity:
        return self.load.activity

    @property
    def cheapest(self) -> Bill:
        return min(self.bills, key=lambda each: each.total)

    @property
    def busiest(self) -> tuple[Place, Decimal]:
        """The index, or else the table, that most is written to, and its units per second at the busiest time."""
        place = max(self.day, key=lambda each: self.day[each].writes if each[1] else Decimal(-1))
        return place, self.day[place].writes / _SECONDS * self.activity.peak

    @property
    def problems(self) -> tuple[str, ...]:
        """What the declared tables would not bear."""
        return tuple(
            f"{place} needs more units at its busiest than it declares at most, for {self.users:,} users a day"
            for place in self.bills[0].short
        )


def run(
    system: RowSystem,
    activity: Activity,
    kinds: Mapping[str, Kind],
    users: int = DEFAULT_USERS,
    prices: Prices = PRICES,
    figures: Callable[[Workload, Prices], tuple[Figure, ...]] | None = None,
) -> Running:
    """Work it out. Nothing is asked of anybody: the same items, activity and prices give the same answer."""
    load = Workload(system, activity, kinds)
    return Running(
        load=load,
        users=users,
        prices=prices,
        bills=tuple(bill(load, users, mode, prices) for mode in MODES),
        events=tuple(_event_use(load, users, event, times, prices) for event, times in load.events(users)),
        day=load.day(users),
        growth=tuple((months, sum(load.billed(users, months).values(), Decimal())) for months in _months(activity)),
        break_even=tuple(
            BreakEven(each, each.dollars(prices), {mode: break_even(load, mode, prices, each) for mode in MODES})
            for each in activity.instances
        ),
        figures=figures(load, prices) if figures else (),
    )


def _event_use(load: Workload, users: int, event: Event, times: Decimal, prices: Prices) -> EventUse:
    once, total = load.of_event(event), Use()
    total.add(once, times)
    for step in event.steps:
        if isinstance(step, Scan):
            total.scans += load.scan_units(step, users) * times
    monthly = (total.all_reads * prices.read_million + total.writes * prices.write_million) * DAYS / 10**6
    return EventUse(event, times, total, monthly)


def _months(activity: Activity) -> tuple[int, ...]:
    return tuple(sorted({0, 3, activity.months, 2 * activity.months}))
