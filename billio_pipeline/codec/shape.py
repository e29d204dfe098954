"""The shape of a table's lines, learned from the lines themselves: one msgspec Struct for all entities.

Declared attributes are typed; every other name seen is kept raw. A line with a name not yet seen does not fit.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import msgspec
import orjson

from billio_pipeline.model.entity import System
from billio_pipeline.model.words import RESERVED

_MOST_NAMES = 512  # learned; a table whose attribute names are data is for the exact path
_UNFIT = re.compile(r'[\\"\x00-\x1f]')  # msgspec matches names as they are written
_SAMPLE = 500  # lines looked at when learning

Names = dict[str, str]  # attribute → the Struct field that holds it


class TextWire(msgspec.Struct, forbid_unknown_fields=True, frozen=True, gc=False):
    """{"S": text} or {"NULL": true}; neither stands in for an attribute that is absent."""

    S: str = None  # type: ignore[assignment]  # msgspec takes no null for it
    NULL: bool = False


class NumberWire(msgspec.Struct, forbid_unknown_fields=True, frozen=True, gc=False):
    """{"N": text} or {"NULL": true}"""

    N: str = None  # type: ignore[assignment]
    NULL: bool = False


_WIRE: dict[str, type] = {"S": TextWire, "N": NumberWire}
ABSENT = msgspec.Raw()  # the one that stands for every raw attribute an item doesn't have


@dataclass(frozen=True)
class MapShape:
    """A declared map: the Struct field of its wire, the map that stands for none, its members that are kept raw."""

    field: str
    none: Any
    members: Names


@dataclass(frozen=True)
class Shape:
    """A decoder and where it puts what: `typed` declared attributes and parts of maps, `rest` raw, and `maps`."""

    decode: Callable[[bytes], Any]
    typed: Names
    tags: dict[str, str]
    rest: Names
    maps: dict[str, MapShape]


@dataclass(frozen=True)
class Declared:
    """What a system's declaration says of its items: tags by attribute, and by part of a map."""

    tags: dict[str, str]
    parts: dict[str, dict[str, str]]

    @classmethod
    def of(cls, system: System) -> Declared:
        tags: dict[str, set[str]] = {}
        parts: dict[str, dict[str, set[str]]] = {}
        for entity in system.entities:
            for derived in entity.derived:
                tags.setdefault(derived.attribute, set()).add("S")
            for each in entity.fields:
                into = tags if len(each.path) == 1 else parts.setdefault(each.path[0], {})
                into.setdefault(each.path[-1], set()).add(each.type.tag)
        return cls(_single(tags), {name: _single(members) for name, members in parts.items()})


def _single(tags: dict[str, set[str]]) -> dict[str, str]:
    """Names of one tag only: one that differs between entities is left to the exact path."""
    return {name: next(iter(found)) for name, found in tags.items() if len(found) == 1 and found <= _WIRE.keys()}


class Learner:
    """Learns names from lines and makes shapes of them."""

    def __init__(self, system: System) -> None:
        self._declared = Declared.of(system)
        self._known = {*self._declared.tags, *self._declared.parts}
        for entity in system.entities:
            self._known |= {each.path[0] for each in entity.fields} | {each.attribute for each in entity.derived}
        self._rest: dict[str, None] = {}
        self._members: dict[str, dict[str, None]] = {name: {} for name in self._declared.parts}

    def learn(self, lines: Iterable[bytes]) -> bool:
        """Take in the names of some lines; whether any was new."""
        before = self._size()
        for line in list(lines)[:_SAMPLE]:
            try:
                item = orjson.loads(line)["Item"]
                for name in item.keys() - self._known:
                    self._add(self._rest, name)
                for name, members in self._members.items():
                    for member in item.get(name, {}).get("M", {}).keys() - self._declared.parts[name].keys():
                        self._add(members, member)
            except (ValueError, KeyError, TypeError, AttributeError):
                continue
        return self._size() > before

    def shape(self) -> Shape:
        """A shape that fits lines with the names learned so far."""
        declared = self._declared
        own: list[Any] = []
        typed, tags = _fields("a", declared.tags), dict(declared.tags)
        rest = _fields("r", self._rest)
        item_fields = [*_typed(typed, declared.tags), *_raw(rest)]
        maps: dict[str, MapShape] = {}
        for index, (name, parts) in enumerate(declared.parts.items()):
            fields, members = _fields("p", parts), _fields("m", self._members[name])
            held = _struct(f"Map{index}", [*_typed(fields, parts), *_raw(members)])
            wire = _struct(f"Wire{index}", [("M", held, held()), ("NULL", bool, False)])
            absent = wire()
            maps[name] = MapShape(f"k{index}", absent.M, members)  # type: ignore[attr-defined]
            own.append((f"k{index}", wire, msgspec.field(name=name, default=absent)))
            typed |= {f"{name}.{part}": f"k{index}.M.{place}" for part, place in fields.items()}
            tags |= {f"{name}.{part}": tag for part, tag in parts.items()}
        item = _struct("Item", [*item_fields, *own])
        line = msgspec.defstruct("Line", [("Item", item)], forbid_unknown_fields=True, gc=False)
        return Shape(msgspec.json.Decoder(line).decode, typed, tags, rest, maps)

    def _add(self, names: dict[str, None], name: str) -> None:
        if name != RESERVED and not _UNFIT.search(name) and self._size() < _MOST_NAMES:
            names[name] = None

    def _size(self) -> int:
        return len(self._rest) + sum(map(len, self._members.values()))


def _fields(prefix: str, names: Iterable[str]) -> Names:
    return {name: f"{prefix}{index}" for index, name in enumerate(names)}


def _typed(fields: Names, tags: dict[str, str]) -> list[Any]:
    wires = {name: _WIRE[tags[name]] for name in fields}
    return [(f, wires[name], msgspec.field(name=name, default=wires[name]())) for name, f in fields.items()]


def _raw(fields: Names) -> list[Any]:
    return [(f, msgspec.Raw, msgspec.field(name=name, default=ABSENT)) for name, f in fields.items()]


def _struct(name: str, fields: list[Any]) -> type[msgspec.Struct]:
    return msgspec.defstruct(name, fields, forbid_unknown_fields=True, frozen=True, gc=False)
