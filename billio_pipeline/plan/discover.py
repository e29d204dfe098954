"""What an undeclared table's export shows of itself: kinds of items, keys, types that fit. Every item is looked at."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from billio_pipeline.codec.wire import Item, parse
from billio_pipeline.duck import connect
from billio_pipeline.errors import InputError
from billio_pipeline.model.refusal import Refusal
from billio_pipeline.model.types import Iso8601, Uuid
from billio_pipeline.plan.places import Place, Profile
from billio_pipeline.plan.templates import Guesses
from billio_pipeline.stores.dynamodb.source import Source

# Names tables give the attribute that tells kinds of items apart, and their keys.
TYPE_NAMES = ("type", "entitytype", "entity_type", "entity", "kind", "itemtype", "recordtype", "datatype", "__typename")
PARTITION_NAMES, SORT_NAMES = ("pk", "partitionkey", "hashkey"), ("sk", "sortkey", "rangekey")
_MOST_CANDIDATES = 8
_uuid, _iso = Uuid(), Iso8601()


@dataclass
class Fit:
    """Whether all texts at one place are uuids, and whether all are times that come back as they were written."""

    uuid: bool = True
    time: bool = True

    def look(self, text: str) -> None:
        wire = {"S": text}
        if self.uuid and (len(text) != 36 or not isinstance(_uuid.read(wire), str)):
            self.uuid = False
        if self.time:
            moment = _iso.read(wire) if text[4:5] == "-" else None
            self.time = isinstance(moment, int) and _iso.write(moment) == wire


@dataclass
class Kind:
    """Items of one kind: their profile, what texts fit which type, what follows from what."""

    profile: Profile = field(default_factory=Profile)
    fits: dict[tuple[str, ...], Fit] = field(default_factory=dict)
    guesses: Guesses = field(default_factory=Guesses)

    def look(self, item: Item, size: int, at: tuple[int, int]) -> None:
        self.profile.look(item, size, at)
        texts: dict[str, str] = {}
        for name, wire in item.items():
            if "S" in wire:
                texts[name] = wire["S"]
                self.fits.setdefault((name,), Fit()).look(wire["S"])
            elif "M" in wire:
                for inner, value in wire["M"].items():
                    if "S" in value:
                        self.fits.setdefault((name, inner), Fit()).look(value["S"])
        self.guesses.look(texts)


@dataclass(frozen=True)
class Discovered:
    """`kinds` by the discriminator's value (one, named "", without a discriminator). Attributes of the source's key."""

    items: int
    discriminator: str | None
    kinds: dict[str, Kind]
    partition: str
    sort: str | None
    unique: tuple[str, ...]
    """Attributes of which no two items have the same text."""


def discover(source: Source, folder: Path, key: tuple[str, ...], progress: Callable[[int], None]) -> Discovered:
    """Read the export three times. `folder` takes temporary files; `key` is what the user said, or empty.

    Raises InputError when a line is no item, when the key can't be told, or is not one.
    """
    whole = Profile()
    for item, size, at in items(source, progress):
        whole.look(item, size, at)
    if not whole.items:
        raise InputError(f"{source.uri} holds no items", remedy="Give an export of a table with items in it.")
    candidates = _type_candidates(whole)
    texts = _key_candidates(whole, key)
    pair = _pair(whole, key)
    purity, distinct = _second_look(source, folder, candidates, texts, pair, progress)
    unique = tuple(name for name in texts if distinct[name] == whole.items)
    discriminator = _discriminator(whole, candidates, purity)
    kinds: dict[str, Kind] = {}
    for item, size, at in items(source, progress):
        value = item[discriminator]["S"] if discriminator else ""
        kinds.setdefault(value, Kind()).look(item, size, at)
    partition, sort = _key(whole, key, pair, unique, distinct, kinds)
    return Discovered(whole.items, discriminator, dict(sorted(kinds.items())), partition, sort, unique)


def items(source: Source, progress: Callable[[int], None]) -> Iterator[tuple[Item, int, tuple[int, int]]]:
    """Every item with its line's size and place. Raises InputError at a line that is none."""
    for file in source.files:
        for block in source.lines(file):
            for number, line in enumerate(block.lines, block.first):
                item = parse(line)
                if isinstance(item, Refusal):
                    raise InputError(
                        f"{file.key}, line {number}: {item.message}",
                        remedy="A model can be proposed for an export of whole items only.",
                        reason=item.reason.value,
                    )
                yield item, len(line), (file.index, number)
            progress(len(block.lines))


def _everywhere(whole: Profile, tags: tuple[str, ...] = ("S",)) -> dict[str, Place]:
    """Top-level attributes that every item has with one of these types, and no other."""
    return {
        name: place
        for name, place in whole.top.keys.items()
        if not whole.top.many and len(place.seen) == 1 and place.present == whole.items and place.seen.keys() <= {*tags}
    }


def _type_candidates(whole: Profile) -> list[str]:
    """Attributes that could tell kinds apart: few different texts, none empty, more items than texts."""
    found = []
    for name, place in _everywhere(whole).items():
        values = place.values
        most = whole.items if name.lower() in TYPE_NAMES else whole.items // 2
        if values and "" not in values and not set(name) & set(".{}") and len(values) <= most:
            found.append(name)
    return sorted(found, key=lambda name: (name.lower() not in TYPE_NAMES, name))


def _key_candidates(whole: Profile, key: tuple[str, ...]) -> list[str]:
    """Attributes that could be a key by themselves, the likeliest first."""
    found = []
    for name, place in _everywhere(whole).items():
        if not place.seen["S"].empty and (place.values is None or len(place.values) == whole.items):
            called = name.lower()
            found.append((name not in key, called in TYPE_NAMES, called != "id", not called.endswith("id"), name))
    likely = sorted(found, key=lambda each: each[:-1])  # stable: items begin with their keys more often than not
    return [name for *_, name in likely[:_MOST_CANDIDATES]]


def _pair(whole: Profile, key: tuple[str, ...]) -> tuple[str, str] | None:
    """The attributes that may be a key together: those the user named, or those called like one."""
    if len(key) == 2:
        return key[0], key[1]
    named = {name.lower().replace("_", ""): name for name in _everywhere(whole, ("S", "N"))}
    partition = next((named[name] for name in PARTITION_NAMES if name in named), None)
    sort = next((named[name] for name in SORT_NAMES if name in named), None)
    return (partition, sort) if not key and partition and sort else None


def _second_look(
    source: Source,
    folder: Path,
    types: list[str],
    keys: list[str],
    pair: tuple[str, str] | None,
    progress: Callable[[int], None],
) -> tuple[dict[str, int], dict[str, int]]:
    """Per type candidate how many attribute values stand where kinds should tell; per key how many are distinct."""
    present: dict[str, Counter[tuple[str, str]]] = {name: Counter() for name in types}
    kinds: dict[str, Counter[str]] = {name: Counter() for name in types}
    folder.mkdir(parents=True, exist_ok=True)
    names = [*keys, *(["+".join(pair)] if pair else [])]
    schema = pa.schema([pa.field(f"c{index}", pa.binary()) for index in range(len(names))] or [("none", pa.null())])
    rows: list[dict[str, bytes]] = []
    path = folder / "keys.parquet"
    with pq.ParquetWriter(path, schema) as writer:
        for item, _, _ in items(source, progress):
            for name in types:
                value = item[name]["S"]
                kinds[name][value] += 1
                present[name].update([(value, other) for other in item])
            made = [item[name]["S"] for name in keys]
            if pair:
                made.append("\0".join(str(next(iter(item.get(name, {"": None}).values()))) for name in pair))
            rows.append(
                {f"c{i}": hashlib.blake2b(text.encode(), digest_size=16).digest() for i, text in enumerate(made)}
            )
            if len(rows) == 10_000:
                writer.write_table(pa.Table.from_pylist(rows, schema))
                rows.clear()
        writer.write_table(pa.Table.from_pylist(rows, schema))
    distinct: dict[str, int] = {}
    with connect(folder / "keys.duckdb") as db:
        for index, name in enumerate(names):
            query = f"SELECT count(*) FROM (SELECT DISTINCT c{index} FROM read_parquet($1))"  # noqa: S608  a number
            distinct[name] = db.execute(query, [str(path)]).fetchall()[0][0]
    impurity = {
        name: sum(min(number, kinds[name][value] - number) for (value, _), number in present[name].items())
        for name in types
    }
    return impurity, distinct


def _discriminator(whole: Profile, candidates: list[str], impurity: dict[str, int]) -> str | None:
    """The one called like a type; else one whose kinds are much more alike than all items are.

    None without any: then all items are of one kind.
    """
    named = [name for name in candidates if name.lower() in TYPE_NAMES]
    if named:
        return min(named, key=lambda name: (impurity[name], TYPE_NAMES.index(name.lower())))
    before = sum(min(place.present, whole.items - place.present) for place in whole.top.keys.values())

    def score(name: str) -> tuple[float, str]:
        values = whole.top.keys[name].values or set()
        return impurity[name] + 0.01 * whole.items * len(values), name

    telling = [name for name in candidates if impurity[name] * 2 <= before and before]
    return min(telling, key=score, default=None)


def _key(
    whole: Profile,
    key: tuple[str, ...],
    pair: tuple[str, str] | None,
    unique: tuple[str, ...],
    distinct: dict[str, int],
    kinds: dict[str, Kind],
) -> tuple[str, str | None]:
    """The source table's key attributes: as the user said, as they are called, or the only ones they can be."""
    sure = _everywhere(whole, ("S", "N", "B"))
    if lacking := [name for name in key if name not in sure]:
        raise InputError(
            f"{', '.join(lacking)} is not in every item with one type", remedy="Give --key the table's key attributes."
        )
    if pair and distinct["+".join(pair)] == whole.items:
        partition, sort = pair[0], pair[1]
    elif len(key) == 1 and key[0] in unique:
        partition, sort = key[0], None
    elif key:
        raise InputError(f"{', '.join(key)} is not a key: items share it", remedy="Give --key PARTITION,SORT.")
    else:
        made = [n for n in unique if all(kind.guesses.held and kind.guesses.held.get(n) for kind in kinds.values())]
        named = [n for n in unique if re.sub("[^a-z]", "", n.lower()) in (*PARTITION_NAMES, "id")]
        first = sorted(unique, key=list(whole.top.keys).index)
        if not (found := [*made, *named, *first]):
            raise InputError(
                "no attribute tells all items apart, so the table's key can't be told",
                remedy="Give --key PARTITION or --key PARTITION,SORT.",
            )
        partition, sort = found[0], None
    if "S" not in sure[partition].seen:
        raise InputError(
            f"the partition key {partition} is no text", remedy="Tables keyed by numbers or binary can't be read yet."
        )
    return partition, sort


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=16).digest()


def tag_of(place: Place) -> Any:
    """The one type values have at a place, NULL aside; None when there are several, or none."""
    tags = place.seen.keys() - {"NULL"}
    return next(iter(tags)) if len(tags) == 1 else None
