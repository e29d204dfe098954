"""Decides what an undeclared table's model says: entities, key, columns with types, what is derived."""

from __future__ import annotations

import keyword
import re
from collections import Counter
from dataclasses import dataclass

from billio_pipeline.errors import InputError
from billio_pipeline.model.words import RESERVED
from billio_pipeline.plan.answer import LIKELY_MS
from billio_pipeline.plan.discover import Discovered, Kind, tag_of
from billio_pipeline.plan.places import Place

# Of a place's holders, how many must have a value for it to get a column of its own.
WORTH_A_COLUMN = 0.5
MOST_COLUMNS = 100
# What else the model names at its top.
RESERVED_NAMES = {"TABLE", "ROWS", "COMMON", "SYSTEM"}
_INT32 = (-(2**31), 2**31 - 1)
_NUMBERS = ("Integer()", "EpochMs()")


@dataclass(frozen=True)
class ChosenField:
    """A Field to be: `type` as the model writes it."""

    attribute: str
    type: str
    column: str
    optional: bool


@dataclass(frozen=True)
class ChosenEntity:
    """An Entity to be; `when` is the discriminator's value, None without one."""

    name: str
    constant: str
    when: str | None
    items: int
    fields: tuple[ChosenField, ...]
    derived: tuple[tuple[str, str], ...]
    """(attribute, template)."""


@dataclass(frozen=True)
class Choice:
    """All that the model is written from."""

    discriminator: str | None
    partition: str
    sort: tuple[str, str] | None
    key: str
    rest: str
    entities: tuple[ChosenEntity, ...]


def choose(found: Discovered) -> Choice:
    """Raises InputError when no attribute can be the key of a SQL table."""
    derived = {value: _derived(found, kind, set()) for value, kind in found.kinds.items()}
    key = _key(found, derived)
    kept = {key} | ({found.discriminator} if found.discriminator else set())
    derived = {value: _derived(found, kind, kept) for value, kind in found.kinds.items()}
    types = _types(found, derived)
    types[(key,)] = _text_type(found, (key,))
    if found.discriminator:
        types[(found.discriminator,)] = "Text()"
    columns = _columns(types, key)
    entities: list[ChosenEntity] = []
    for value, kind in found.kinds.items():
        name = _unique(_entity_name(value), {entity.name for entity in entities})
        constant = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).upper()
        constant = _unique(constant, {entity.constant for entity in entities} | RESERVED_NAMES)
        fields = tuple(
            ChosenField(".".join(path), types[path], column, not _required(kind, path))
            for path, column in columns.items()
            if _carried(kind, path, types[path], path[0] in kept) and path[0] not in derived[value]
        )
        texts = {each.attribute for each in fields if not each.optional and each.type not in _NUMBERS}
        kept_derived = tuple(
            (attribute, template)
            for attribute, template in sorted(derived[value].items())
            if set(re.findall(r"\{([^{}]+)\}", template)) <= texts
        )
        when = value if found.discriminator else None
        entities.append(ChosenEntity(name, constant, when, kind.profile.items, fields, kept_derived))
    sort = (found.sort, _sort_tag(found)) if found.sort else None
    taken = set(columns.values()) | {name.lower() for kind in found.kinds.values() for name in kind.profile.top.keys}
    rest = next(name for name in ("data", "rest", "other", *(f"rest_{n}" for n in range(2, 999))) if name not in taken)
    return Choice(found.discriminator, found.partition, sort, columns[(key,)], rest, tuple(entities))


def _key(found: Discovered, derived: dict[str, dict[str, str]]) -> str:
    """The attribute that becomes the SQL key: unique, everywhere, and no mere composite of others."""
    plain = [
        name for name in found.unique if _declarable((name,)) and not any(name in each for each in derived.values())
    ]
    candidates = plain or [name for name in found.unique if _declarable((name,))]
    if not candidates:
        pair = f"{found.partition} and {found.sort} tell" if found.sort else "nothing tells"
        raise InputError(
            f"{pair} items apart only together, and a SQL table has one key column",
            remedy="Give every item an attribute that is unique, or declare the table by hand.",
            items=found.items,
        )

    def rank(name: str) -> tuple[bool, bool, bool, int]:
        uuids = all(kind.fits[(name,)].uuid for kind in found.kinds.values())
        own = name == found.partition and found.sort is None
        return name.lower() != "id", not own, not uuids, found.unique.index(name)

    return min(candidates, key=rank)


def _derived(found: Discovered, kind: Kind, kept: set[str]) -> dict[str, str]:
    """Attributes of one kind that follow from others, over attributes that are carried as text and always there."""
    always = {
        name
        for name, place in kind.profile.top.keys.items()
        if place.seen.keys() == {"S"} and place.present == kind.profile.items and name != RESERVED
    }
    sure = {name for name in always if _declarable((name,))}
    chosen = kind.guesses.chosen(always, kept)
    return {
        name: template
        for name, template in chosen.items()
        if set(re.findall(r"\{([^{}]+)\}", template)) <= sure and name != RESERVED
    }


def _declarable(path: tuple[str, ...]) -> bool:
    """Whether a Field can name it: paths are written with dots, templates with braces."""
    return not any(set(step) & set(".{}") or step in ("", "*", "[]") for step in path) and path[0] != RESERVED


def _types(found: Discovered, derived: dict[str, dict[str, str]]) -> dict[tuple[str, ...], str]:
    """Per place worth a column its type, one for all kinds; the most frequent places when there are too many."""
    inputs = {name for each in derived.values() for t in each.values() for name in re.findall(r"\{([^{}]+)\}", t)}
    weight: Counter[tuple[str, ...]] = Counter()
    for value, kind in found.kinds.items():
        for path, place in kind.profile.top.walk():
            if len(path) <= 2 and _declarable(path) and path[0] not in derived[value] and _worth(kind, path, place):
                weight[path] += place.present + (found.items if path[0] in inputs else 0)
    types: dict[tuple[str, ...], str] = {}
    for path, _ in weight.most_common():
        if len(types) < MOST_COLUMNS and (chosen := _type(found, path)):
            types[path] = chosen
    return types


def _worth(kind: Kind, path: tuple[str, ...], place: Place) -> bool:
    tag = tag_of(place)
    if tag not in ("S", "N") or place.seen[tag].count < WORTH_A_COLUMN * kind.profile.holders(path):
        return False
    if len(path) == 1:
        return True
    parent = kind.profile.top.keys[path[0]]
    often = parent.seen["M"].count >= WORTH_A_COLUMN * kind.profile.items if "M" in parent.seen else False
    return parent.seen.keys() <= {"M", "NULL"} and often and not parent.many


def _type(found: Discovered, path: tuple[str, ...]) -> str | None:
    """The type of a place over all kinds that could carry it; None when numbers there fit no column."""
    tags: Counter[str] = Counter()
    for kind in found.kinds.values():
        place = _place(kind, path)
        if place is not None and (tag := tag_of(place)) in ("S", "N"):
            tags[tag] += place.present
    if not tags:
        return None
    return _text_type(found, path) if tags.most_common(1)[0][0] == "S" else _number_type(found, path)


def _text_type(found: Discovered, path: tuple[str, ...]) -> str:
    fits = [
        kind.fits[path]
        for kind in found.kinds.values()
        if path in kind.fits and (place := _place(kind, path)) is not None and tag_of(place) == "S"
    ]
    if all(fit.uuid for fit in fits):
        return "Uuid()"
    return "Iso8601()" if all(fit.time for fit in fits) else "Text()"


def _number_type(found: Discovered, path: tuple[str, ...]) -> str | None:
    spans = []
    for kind in found.kinds.values():
        place = _place(kind, path)
        if place is not None and tag_of(place) == "N":
            seen = place.seen["N"]
            if seen.fractional or not isinstance(seen.low, int) or not isinstance(seen.high, int):
                return None
            spans.append((seen.low, seen.high))
    low, high = min(span[0] for span in spans), max(span[1] for span in spans)
    if LIKELY_MS[0] <= low <= high <= LIKELY_MS[1]:
        return "EpochMs()"
    return "Integer()" if _INT32[0] <= low <= high <= _INT32[1] else None


def _carried(kind: Kind, path: tuple[str, ...], type: str, must: bool) -> bool:
    """Whether one kind's items can have this Field: every value there is of the type's tag, or NULL."""
    place = _place(kind, path)
    if place is None or tag_of(place) != ("N" if type in _NUMBERS else "S"):
        return False
    if len(path) == 2 and not kind.profile.top.keys[path[0]].seen.keys() <= {"M", "NULL"}:
        return False
    return must or _worth(kind, path, place)


def _required(kind: Kind, path: tuple[str, ...]) -> bool:
    place = _place(kind, path)
    assert place is not None, "a place that is carried"
    return len(path) == 1 and "NULL" not in place.seen and place.present == kind.profile.items


def _place(kind: Kind, path: tuple[str, ...]) -> Place | None:
    place = kind.profile.top
    for step in path:
        found = place.keys.get(step)
        if found is None:
            return None
        place = found
    return place


def _sort_tag(found: Discovered) -> str:
    first = next(iter(found.kinds.values()))
    return str(tag_of(first.profile.top.keys[found.sort or ""]))


def _columns(types: dict[tuple[str, ...], str], key: str) -> dict[tuple[str, ...], str]:
    """A column name per place, each its own; the key first, then as alike places stand together."""
    names: dict[tuple[str, ...], str] = {}
    for path in sorted(types, key=lambda path: (path != (key,), path)):
        text = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", "_".join(path))
        text = re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")[:50]
        names[path] = _unique(text if re.match(r"[a-z]", text) else f"c_{text}".strip("_"), set(names.values()))
    return names


def _entity_name(value: str) -> str:
    """A name for a class of items from the text that tells it: `savings-goal` → `SavingsGoal`."""
    name = "".join(word[:1].upper() + word[1:] for word in re.findall(r"[A-Za-z0-9]+", value))[:50] or "Item"
    return f"Kind{name}" if not name[0].isalpha() or keyword.iskeyword(name) else name


def _unique(name: str, taken: set[str]) -> str:
    lower = {each.lower() for each in taken}
    if name.lower() not in lower:
        return name
    return next(made for n in range(2, len(lower) + 3) if (made := f"{name}_{n}").lower() not in lower)
