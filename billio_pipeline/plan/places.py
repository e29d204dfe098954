"""What a set of items holds, place by place: types, counts, ranges and sizes, exactly, in memory that does not grow.

A place is a path through the items: an attribute, a key of a map, the elements of a list. Profiles of parts of an
export add up to the profile of the whole, in any order.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from billio_pipeline.model.numbers import read_number
from billio_pipeline.model.refusal import Refusal
from billio_pipeline.model.types import Iso8601

Number = int | Decimal
Where = tuple[int, int]  # index of the data file, line

# A map with more keys than this holds data in its keys; they are profiled together, as one place.
MOST_KEYS = 200
# Texts kept of a place that holds few different ones; a place with more keeps none.
MOST_VALUES = 24
LONGEST_VALUE = 80
ANY_KEY, ELEMENT = "*", "[]"

_PLAIN_DIGITS = 17
_iso = Iso8601()


@dataclass(slots=True)
class Seen:
    """Values of one DynamoDB type at one place.

    `low` and `high` are the numbers themselves for N and NS, characters for S, bytes for B, members for M, L and sets.
    `size` is the largest value's in bytes, counted about as DynamoDB does. `times` counts texts that are ISO-8601
    times, between `earliest` and `latest` (µs since 1970, UTC).
    """

    first: Where
    count: int = 0
    low: Number | None = None
    high: Number | None = None
    size: int = 0
    fractional: int = 0
    empty: int = 0
    times: int = 0
    earliest: int | None = None
    latest: int | None = None

    def span(self, low: Number, high: Number) -> None:
        if self.low is None or low < self.low:
            self.low = low
        if self.high is None or high > self.high:
            self.high = high

    def add(self, other: Seen) -> None:
        self.first = min(self.first, other.first)
        if other.low is not None and other.high is not None:
            self.span(other.low, other.high)
        if other.earliest is not None and other.latest is not None:
            self.time(other.earliest, other.latest)
        self.size = max(self.size, other.size)
        self.count += other.count
        self.fractional += other.fractional
        self.empty += other.empty
        self.times += other.times

    def time(self, earliest: int, latest: int) -> None:
        self.earliest = earliest if self.earliest is None else min(self.earliest, earliest)
        self.latest = latest if self.latest is None else max(self.latest, latest)


@dataclass(slots=True)
class Place:
    """All values found at one path, by type, and the places inside them."""

    seen: dict[str, Seen] = field(default_factory=dict)
    keys: dict[str, Place] = field(default_factory=dict)
    elements: Place | None = None
    many: bool = False
    values: set[str] | None = field(default_factory=set)

    @property
    def present(self) -> int:
        return sum(each.count for each in self.seen.values())

    @property
    def types(self) -> dict[str, int]:
        """Values by type, the most frequent first."""
        return {tag: each.count for tag, each in sorted(self.seen.items(), key=lambda pair: (-pair[1].count, pair[0]))}

    @property
    def drifts(self) -> bool:
        """Whether values of more than one type stand here; NULL is counted for itself."""
        return len(self.seen.keys() - {"NULL"}) > 1

    def look(self, wire: dict[str, Any], at: Where) -> int:
        """Count a well-formed wire value in; its size in bytes."""
        ((tag, held),) = wire.items()
        seen = self.seen.get(tag)
        if seen is None:
            seen = self.seen[tag] = Seen(at)
        seen.count += 1
        if tag == "S":
            size = self._text(seen, held)
        elif tag == "N":
            number = _number(held)
            seen.span(number, number)
            if not isinstance(number, int):
                seen.fractional += 1
            size = len(held)
        elif tag == "M":
            seen.span(len(held), len(held))
            size = 3 + sum([1 + len(name.encode()) + self.key(name).look(value, at) for name, value in held.items()])
        elif tag == "L":
            seen.span(len(held), len(held))
            inner = self.element()
            size = 3 + sum([1 + inner.look(value, at) for value in held])
        elif tag in ("BOOL", "NULL"):
            size = 1
        elif tag == "B":
            size = len(base64.b64decode(held))
            seen.span(size, size)
        else:
            size = _members(seen, tag, held)
        if size > seen.size:
            seen.size = size
        return size

    def key(self, name: str) -> Place:
        """The place of a map's key; beyond MOST_KEYS different ones, that of any key."""
        if self.many:
            return self.keys[ANY_KEY]
        place = self.keys.get(name)
        if place is None:
            place = self.keys[name] = Place()
            if len(self.keys) > MOST_KEYS:
                self._gather()
                return self.keys[ANY_KEY]
        return place

    def element(self) -> Place:
        if self.elements is None:
            self.elements = Place()
        return self.elements

    def add(self, other: Place) -> None:
        """Count in what another part of the export holds at this place."""
        for tag, each in other.seen.items():
            if tag in self.seen:
                self.seen[tag].add(each)
            else:
                self.seen[tag] = each
        if other.many and not self.many:
            self._gather()
        for name, place in other.keys.items():
            self.key(name).add(place)
        if other.elements is not None:
            self.element().add(other.elements)
        self._keep(other.values)

    def walk(self, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Place]]:
        """Every place below this one with its path, parents first; a list's elements are at `[]`."""
        for name, place in sorted(self.keys.items()):
            yield (*path, name), place
            yield from place.walk((*path, name))
        if self.elements is not None:
            yield (*path, ELEMENT), self.elements
            yield from self.elements.walk((*path, ELEMENT))

    def _text(self, seen: Seen, held: str) -> int:
        length = len(held)
        if seen.low is None or length < seen.low or length > seen.high:  # type: ignore[operator]
            seen.span(length, length)
        if not length:
            seen.empty += 1
        if 19 < length < 40 and held[4] == "-" and held[10] == "T":
            moment = _iso.read({"S": held})
            if isinstance(moment, int):
                seen.times += 1
                seen.time(moment, moment)
        values = self.values
        if values is not None and held not in values:
            self._keep({held})
        return length if held.isascii() else len(held.encode())

    def _keep(self, values: set[str] | None) -> None:
        if self.values is None:
            return
        if values is not None:
            self.values |= values
        if values is None or len(self.values) > MOST_VALUES or any(len(each) > LONGEST_VALUE for each in values):
            self.values = None

    def _gather(self) -> None:
        """Make one place of all keys."""
        known, self.keys, self.many = self.keys, {ANY_KEY: Place()}, True
        for place in known.values():
            self.keys[ANY_KEY].add(place)


@dataclass(slots=True)
class Profile:
    """Items of one kind: how many, the largest line's bytes, and their attributes as the keys of one map."""

    items: int = 0
    largest: int = 0
    largest_at: Where = (0, 0)
    top: Place = field(default_factory=Place)

    def look(self, item: dict[str, Any], size: int, at: Where) -> None:
        """Count one well-formed item in; `size` is its line's."""
        self.items += 1
        if size > self.largest:
            self.largest, self.largest_at = size, at
        for name, wire in item.items():
            self.top.key(name).look(wire, at)

    def add(self, other: Profile) -> None:
        self.items += other.items
        if other.largest > self.largest or (other.largest == self.largest and other.largest_at < self.largest_at):
            self.largest, self.largest_at = other.largest, other.largest_at
        self.top.add(other.top)

    def holders(self, path: tuple[str, ...]) -> int:
        """How many values the place at `path` could have been absent from: items, or maps that could hold it."""
        place, held = self.top, self.items
        for step in path[:-1]:
            inner = place.elements if step == ELEMENT else place.keys[step]
            assert inner is not None, "a path that walk gave"
            place = inner
            held = place.seen["M"].count if "M" in place.seen else 0
        return held

    def collisions(self) -> list[list[tuple[str, ...]]]:
        """Groups of keys that stand beside each other and differ only in case."""
        groups: dict[tuple[str, ...], list[tuple[str, ...]]] = {}
        for path, _ in self.top.walk():
            groups.setdefault((*path[:-1], path[-1].casefold()), []).append(path)
        return [group for group in groups.values() if len(group) > 1]


def shown(path: tuple[str, ...]) -> str:
    """A path as text: `image.url`, `sizes[].size`; a name with a dot or a bracket in it is quoted."""
    text = ""
    for step in path:
        if step == ELEMENT:
            text += step
        else:
            quoted = f'"{step}"' if any(each in step for each in '."[]') else step
            text += f".{quoted}" if text else quoted
    return text


def _members(seen: Seen, tag: str, held: list[str]) -> int:
    if tag == "NS":
        numbers = [_number(each) for each in held]
        seen.span(min(numbers), max(numbers))
        seen.fractional += any(not isinstance(each, int) for each in numbers)
        return 3 + sum(map(len, held))
    seen.span(len(held), len(held))
    return 3 + sum(len(base64.b64decode(each)) if tag == "BS" else len(each.encode()) for each in held)


def _number(text: str) -> Number:
    """The number, as an int when it is whole."""
    if len(text) <= _PLAIN_DIGITS and text.isascii() and text.removeprefix("-").isdigit():
        return int(text)
    number = read_number(text)
    if isinstance(number, Refusal):
        raise ValueError(number.message)
    return int(number) if number == number.to_integral_value() else number
