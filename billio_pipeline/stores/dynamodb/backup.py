"""Backup arrays: one JSON array of plain items per type, read element by element and given out as wire lines.

A backup was read through an index, so it can't prove that it is complete: `complete` is False. Numbers never pass
through a float, and a name that occurs twice in an element occurs twice in its line.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from billio_pipeline.errors import InputError
from billio_pipeline.model.entity import Entity, System
from billio_pipeline.model.types import EpochMs
from billio_pipeline.model.words import Rewrite
from billio_pipeline.stores.dynamodb.elements import elements
from billio_pipeline.stores.dynamodb.lines import DECODED, READ, Hashed, Lines, SourceFile, damaged
from billio_pipeline.stores.objects import ObjectStore

_DATED = re.compile(r"(?:-(\d{4}-\d\d-\d\d[0-9T:.Z+-]*))?\.json")
# The one form the backup writes times in; any other spelling stays text, for the original could not be rebuilt.
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class BackupSource:
    """Backup arrays, one file per type. `times` lists, per file key, the attributes whose ISO text stands for epoch
    milliseconds."""

    store: ObjectStore
    id: str
    bytes: int
    files: tuple[SourceFile, ...]
    times: Mapping[str, frozenset[str]]
    about: Mapping[str, str | int | None]
    kind: Literal["backup"] = "backup"
    items: None = None
    complete: bool = False

    @property
    def uri(self) -> str:
        return self.store.uri

    def lines(self, file: SourceFile) -> Iterator[Lines]:
        """Blocks of synthesised lines; a line's number is its element's."""
        times = self.times[file.key]
        try:
            stream = self.store.open(file.key)
        except InputError as error:
            raise damaged(file.key, "a backup that can be read", error.message) from error
        with closing(stream):
            stored = Hashed(stream, file)
            first, block, size = 1, list[bytes](), 0
            for number, element in enumerate(elements(stored, file.key), 1):
                line = wire_line(element, times, file.key, number)
                block.append(line)
                size += len(line)
                if size >= DECODED:
                    yield Lines(first, block)
                    first, block, size = number + 1, [], 0
            if block:
                yield Lines(first, block)
            stored.require()


def open_backup(store: ObjectStore, system: System) -> BackupSource | None:
    """The backup whose files are in the store's own folder, or None when there is none.

    Each file is hashed here, so that `lines` notices a change. Raises InputError when a type has several backups.
    """
    entities = _entities_by_type(system)
    found: dict[str, list[str]] = {}
    sizes: dict[str, int] = {}
    for info in store.list():
        if "/" in info.key:
            continue
        for name in entities:
            if info.key.startswith(name) and _DATED.fullmatch(info.key, len(name)):
                found.setdefault(name, []).append(info.key)
                sizes[info.key] = info.size
    if not found:
        return None
    if several := [f"{name} in {', '.join(sorted(keys))}" for name, keys in found.items() if len(keys) > 1]:
        raise InputError(
            f"{store.uri} holds several backups of one type: {'; '.join(several)}",
            remedy="Put the files of one backup, one per type, into a folder of their own.",
        )
    keys = {keys[0]: name for name, keys in sorted(found.items())}
    files = tuple(SourceFile(index, key, None, _md5(store, key), sizes[key]) for index, key in enumerate(keys))
    digest = hashlib.sha256("".join(f"{file.key}\0{file.md5}\n" for file in files).encode()).hexdigest()
    absent = sorted(entity.name for entity in system.entities if entity.name not in found)
    return BackupSource(
        store,
        f"backup-{digest[:16]}",
        sum(sizes.values()),
        files,
        {key: _times(entities[name]) for key, name in keys.items()},
        {"types": ", ".join(keys.values()), "types_without_backup": ", ".join(absent) or None},
    )


def wire_line(element: bytes, times: frozenset[str], file: str, number: int) -> bytes:
    """The `{"Item":…}` line of a plain JSON object. Raises ExportError when the element is not valid JSON."""
    try:
        # Objects come out of the parser as _Object, numbers as _Number: texts that are already in wire form.
        value = _decoder.decode(element.decode())
    except (ValueError, RecursionError) as error:
        raise damaged(file, "a JSON array of objects", f"element {number}: {error}") from error
    if not isinstance(value, _Object):
        raise damaged(file, "a JSON array of objects", f"element {number} is no object")
    return f'{{"Item":{_attributes(value, times)}}}'.encode()


class _Number(str):
    """A number's own text."""


class _Object(list[tuple[str, Any]]):
    """An object's pairs, in order, names that occur twice included."""


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


_decoder = json.JSONDecoder(object_pairs_hook=_Object, parse_int=_Number, parse_float=_Number, parse_constant=_refuse)
_text = json.dumps  # ASCII: a lone surrogate stays the escape it was, for the decoder downstream to refuse


def _attributes(pairs: _Object, times: frozenset[str] = frozenset()) -> str:
    return "{" + ",".join([f"{_text(name)}:{_wire(value, name in times)}" for name, value in pairs]) + "}"


def _wire(value: Any, is_time: bool = False) -> str:
    if isinstance(value, _Number):
        return f'{{"N":"{value}"}}'
    if isinstance(value, str):
        milliseconds = _milliseconds(value) if is_time else None
        return f'{{"S":{_text(value)}}}' if milliseconds is None else f'{{"N":"{milliseconds}"}}'
    if isinstance(value, bool):
        return '{"BOOL":true}' if value else '{"BOOL":false}'
    if value is None:
        return '{"NULL":true}'
    if isinstance(value, _Object):
        return f'{{"M":{_attributes(value)}}}'
    return '{"L":[' + ",".join([_wire(each) for each in value]) + "]}"


def _milliseconds(text: str) -> int | None:
    if not _TIME.fullmatch(text):
        return None
    try:
        return (datetime.fromisoformat(text) - _EPOCH) // timedelta(milliseconds=1)
    except ValueError:
        return None


def _entities_by_type(system: System) -> dict[str, Entity]:
    """Entities by the names their backups may have: their own, and those a Rewrite of their condition still maps."""
    names: dict[str, Entity] = {}
    for entity in system.entities:
        names[entity.name] = entity
        for attribute in entity.when:
            part = entity.rewrites.get(attribute)
            if isinstance(part, Rewrite) and isinstance(part.using, Mapping):
                names |= {old: entity for old, new in part.using.items() if new == entity.when[attribute]}
    return names


def _times(entity: Entity) -> frozenset[str]:
    return frozenset(field.attribute for field in entity.fields if isinstance(field.type, EpochMs))


def _md5(store: ObjectStore, key: str) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    with closing(store.open(key)) as stream:
        while chunk := stream.read(READ):
            digest.update(chunk)
    return digest.hexdigest()
