"""The text of a derived attribute: a template over an item's other attributes, and the formats it may use."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from billio_pipeline.model.words import ABSENT, PRESENT, Condition, DeclarationError, Derived

Item = Mapping[str, Mapping[str, Any]]
Looked = Mapping[str, Item | None]  # by a Lookup's name: attributes of the item it found, None when there is none

_EPOCH, _SECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(seconds=1)
_DAY = 86_400


def value(choices: tuple[Derived, ...], item: Item, looked: Looked) -> dict[str, Any] | None:
    """The wire value of an attribute: of the first of `choices` whose condition holds, None when none does.

    Raises KeyError when what a template reads is not there.
    """
    for derived in choices:
        if holds(derived.when, item, looked):
            return {derived.type: text(derived.template, item, looked)}
    return None


def holds(condition: Condition, item: Item, looked: Looked) -> bool:
    """Whether the condition holds of the item."""
    return all(_is(item, looked, name, wanted) for name, wanted in condition.items())


def text(template: str, item: Item, looked: Looked) -> str:
    """The template, filled in."""
    return "".join([part if isinstance(part, str) else part(item, looked) for part in _parts(template)])


def _is(item: Item, looked: Looked, name: str, wanted: object) -> bool:
    there = looked[name] is not None if name in looked else name in item and "NULL" not in item[name]
    if wanted is PRESENT or wanted is ABSENT:
        return there is (wanted is PRESENT)
    return name in item and item[name] == {"BOOL" if isinstance(wanted, bool) else "S": wanted}


@cache
def _parts(template: str) -> tuple[str | Callable[[Item, Looked], str], ...]:
    pieces = re.split(r"\{([^{}]+)\}", template)
    return tuple(_reader(piece) if index % 2 else piece for index, piece in enumerate(pieces) if piece)


def _reader(hole: str) -> Callable[[Item, Looked], str]:
    name, *formats = hole.split("|")
    outer, dot, inner = name.partition(".")
    steps = [_format(each) for each in formats]

    def read(item: Item, looked: Looked) -> str:
        found = (looked[outer] or {}) if dot and outer in looked else item
        found_text = _text(found[inner if found is not item else name])
        for step in steps:
            found_text = step(found_text)
        return found_text

    return read


def _text(wire: Mapping[str, Any]) -> str:
    ((tag, held),) = wire.items()
    return ("true" if held else "false") if tag == "BOOL" else str(held)


@cache
def _format(name: str) -> Callable[[str], str]:
    """A format by its name: `date` and `epoch_s` of an ISO time, `lower`, `mod16` and `+90d` (seconds) of a number."""
    if name == "date":
        return lambda time: time[:10]
    if name == "epoch_s":
        return lambda time: str((datetime.fromisoformat(time) - _EPOCH) // _SECOND)
    if name == "lower":
        return str.lower
    if found := re.fullmatch(r"mod([1-9][0-9]*)", name):
        by = int(found[1])
        return lambda number: str(int(number) % by)
    if found := re.fullmatch(r"\+([0-9]+)d", name):
        seconds = int(found[1]) * _DAY
        return lambda number: str(int(number) + seconds)
    raise DeclarationError(f"no format is called {name!r}")


def check(template: str) -> None:
    """Raise DeclarationError for a template with a format there isn't."""
    _parts(template)
