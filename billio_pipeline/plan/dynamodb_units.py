"""A day's capacity units and a year's bytes for so many daily active users: the activity, over measured item sizes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from billio_pipeline.model.entity import RowSystem
from billio_pipeline.plan.activity import Activity, Event, Number, Read, Scan, Write
from billio_pipeline.plan.dynamodb_prices import DAYS
from billio_pipeline.plan.item_sizes import OVERHEAD, Kind
from billio_pipeline.stores.dynamodb.size import write_units

READ_BYTES = 4096  # one read unit reads up to 4 KB consistently, or twice as much eventually consistent
UNKNOWN_BYTES = 1024  # of an item of a kind the source has no row of; it is taken to be in each index it declares

Place = tuple[str, str | None]  # a table, and one of its indexes or itself


@dataclass(frozen=True)
class Size:
    """A kind of item on average. `entries`: by index, the share of items in it, an entry's bytes and write units."""

    table: str
    bytes: Decimal
    write_units: Decimal
    entries: Mapping[str, tuple[Decimal, Decimal, Decimal]]
    loaded: int
    days: int | None  # until it expires


@dataclass
class Use:
    """Units of one place, a day. `scans` are read units, too: of passes over it, which can take their time."""

    reads: Decimal = Decimal()
    writes: Decimal = Decimal()
    scans: Decimal = Decimal()

    def add(self, other: Use, times: Number) -> None:
        self.reads += other.reads * times
        self.writes += other.writes * times
        self.scans += other.scans * times

    @property
    def all_reads(self) -> Decimal:
        return self.reads + self.scans


class Workload:
    """The activity of one system over its measured items. Answers for any number of users; deterministic."""

    def __init__(self, system: RowSystem, activity: Activity, kinds: Mapping[str, Kind]) -> None:
        self.system, self.activity = system, activity
        self.sizes = dict(_sizes(system, activity, kinds))
        self.places: list[Place] = [(t.name, i) for t in system.tables for i in (None, *(g.name for g in t.indexes))]
        self._new = {event.name: self._added(event) for event in activity.events}
        self._once = {event.name: self._event(event) for event in activity.events}

    def events(self, users: int) -> Iterator[tuple[Event, Decimal]]:
        """Each event and how often it happens a day."""
        for event in self.activity.events:
            yield event, event.per_user * users + event.per_day

    def day(self, users: int) -> dict[Place, Use]:
        """Units of a day, by place; scans are of the table as it is when the activity's months have passed."""
        found = {place: Use() for place in self.places}
        for event, times in self.events(users):
            for place, use in self._once[event.name].items():
                found[place].add(use, times)
            for step in event.steps:
                if isinstance(step, Scan):
                    found[step.table, None].scans += self.scan_units(step, users) * times
        return found

    def scan_units(self, step: Scan, users: int) -> Decimal:
        """Read units of one pass over a table as it then is."""
        return _ceil(self.stored(users)[step.table, None][1] / READ_BYTES)

    def of_event(self, event: Event) -> Use:
        """Units of one such event in all places together, scans aside."""
        total = Use()
        for use in self._once[event.name].values():
            total.add(use, 1)
        return total

    def stored(self, users: int, months: int | None = None) -> dict[Place, tuple[Decimal, Decimal]]:
        """Items and their bytes by place, overhead aside, after so many months of this activity (the declared ones)."""
        days = DAYS * (self.activity.months if months is None else months)
        found = {place: (Decimal(), Decimal()) for place in self.places}
        new: dict[str, Decimal] = {}
        for event, times in self.events(users):
            for kind, number in self._new[event.name].items():
                new[kind] = new.get(kind, Decimal()) + number * times
        for name, size in self.sizes.items():
            kept = days if size.days is None else min(days, Decimal(size.days))
            left = Decimal(1) if size.days is None else max(Decimal(), 1 - days / size.days)
            items = size.loaded * left + new.get(name, Decimal()) * kept
            held = {(size.table, None): (items, size.bytes)} | {
                (size.table, index): (items * share, each) for index, (share, each, _) in size.entries.items()
            }
            for place, (number, each) in held.items():
                before = found[place]
                found[place] = before[0] + number, before[1] + number * each
        return found

    def billed(self, users: int, months: int | None = None) -> dict[Place, Decimal]:
        """Bytes that are billed as storage, overhead included."""
        return {place: size + OVERHEAD * items for place, (items, size) in self.stored(users, months).items()}

    def _added(self, event: Event) -> dict[str, Decimal]:
        found: dict[str, Decimal] = {}
        for step in event.steps:
            if isinstance(step, Write) and step.new:
                found[step.kind] = found.get(step.kind, Decimal()) + step.times
        return found

    def _event(self, event: Event) -> dict[Place, Use]:
        found: dict[Place, Use] = {}
        for step in event.steps:
            if isinstance(step, Read):
                self._read(step, found)
            elif isinstance(step, Write):
                self._write(step, found)
        return found

    def _read(self, step: Read, found: dict[Place, Use]) -> None:
        table = self.sizes[next(iter(step.of))].table
        held = Decimal()
        for name, items in step.of.items():
            size = self.sizes[name]
            held += items * (size.entries[step.index][1] if step.index else size.bytes)
        units = _ceil(held / READ_BYTES)
        use = Use(reads=units / 2 if step.index else units)
        found.setdefault((table, step.index), Use()).add(use, step.times)

    def _write(self, step: Write, found: dict[Place, Use]) -> None:
        size = self.sizes[step.kind]
        units = size.write_units * (2 if step.transaction else 1)
        found.setdefault((size.table, None), Use()).add(Use(writes=units), step.times)
        if not step.indexed:
            return
        for index, (share, _, each) in size.entries.items():
            use = Use(writes=share * each * (2 if index in step.moved else 1))
            found.setdefault((size.table, index), Use()).add(use, step.times)


def _sizes(system: RowSystem, activity: Activity, kinds: Mapping[str, Kind]) -> Iterator[tuple[str, Size]]:
    for entity in system.entities:
        kind = kinds[entity.name]
        number = Decimal(kind.held.items)
        days = entity.expires.days if entity.expires else None
        if not number:
            unknown = Decimal(UNKNOWN_BYTES)
            given = {part.attribute for part in entity.derived} | {part.attribute for part in entity.fields}
            entries = {
                index.name: (Decimal(1), unknown, Decimal(1))
                for index in (entity.items.indexes if entity.items else ())
                if {index.partition[0], index.sort[0] if index.sort else index.partition[0]} <= given
            }
            yield entity.name, Size(kind.table, unknown, Decimal(1), entries, 0, days)
            continue
        entries = {
            index: (held.items / number, Decimal(held.bytes) / held.items, Decimal(held.write_units) / held.items)
            if held.items
            else (Decimal(), Decimal(), Decimal())
            for index, held in kind.entries.items()
        }
        size = kind.held.bytes / number, kind.held.write_units / number
        yield entity.name, Size(kind.table, *size, entries, kind.held.items, days)
    for other in activity.others:
        yield (
            other.name,
            Size(other.table, Decimal(other.bytes), Decimal(write_units(other.bytes)), {}, 0, other.days),
        )


def _ceil(units: Decimal) -> Decimal:
    """Whole units, one at least."""
    return Decimal(max(1, math.ceil(units)))
