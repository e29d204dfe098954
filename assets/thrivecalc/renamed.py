"""User ids of older generations, replaced on the way in by what they stand for, and given back on the way out.

A record whose id is replaced keeps the id it had in a member of its own: its old path follows from the item alone. Two
records that meet under one id and key are both quarantined, as two items of one key always are.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import orjson

from assets.thrivecalc.aliases import Aliases, read_aliases
from assets.thrivecalc.records import Row
from assets.thrivecalc.source import open_source
from billio_pipeline.migrate.copied import Copied, Progress, Read, RowSource, SourceFile, SourceRow
from billio_pipeline.model.canonical import jsonb_text, parse_jsonb
from billio_pipeline.model.entity import Entity
from billio_pipeline.model.refusal import Reason, Refusal
from billio_pipeline.settings import Settings
from resources.migration import MigrationResource

# The member with the id a record had; no record of the application's has one of that name.
BEFORE = "$userId"

_ALIASES = "aliases.json"  # in a copy, so that it is read again by the map it was made with


@dataclass(frozen=True)
class Renamed:
    """A source whose user ids are replaced by what `aliases` says they stand for."""

    source: RowSource
    aliases: Aliases

    @property
    def read(self) -> Read:
        return partial(_read, self.source.read)

    def copy(self, folder: Path, progress: Progress) -> Copied:
        """Copy the source; another map is another copy, of another id."""
        copied = self.source.copy(folder, progress)
        if not self.aliases.final:
            return copied
        text = orjson.dumps(dict(self.aliases.final), option=orjson.OPT_SORT_KEYS)
        (folder / _ALIASES).write_bytes(text)
        id = hashlib.blake2b(copied.id.encode() + text, digest_size=16).hexdigest()
        return replace(copied, id=id, about={**copied.about, "aliases": len(self.aliases.final)})


def open_renamed(migration: MigrationResource, settings: Settings) -> Renamed:
    """The records a run is asked for, with the map of user ids that is configured. Raises InputError when it's none."""
    file = settings.thrivecalc_aliases
    return Renamed(open_source(migration, settings), read_aliases(Path(file).expanduser()) if file else Aliases())


def aliases_in(copied: Path) -> Aliases:
    """The map a copy was made with."""
    kept = copied / _ALIASES
    return Aliases(orjson.loads(kept.read_bytes()) if kept.exists() else {})


def original(item: Mapping[str, Any]) -> dict[str, Any]:
    """The item under the user id its record had."""
    before = item.get(BEFORE)
    if before is None:
        return dict(item)
    return {name: wire for name, wire in item.items() if name != BEFORE} | {"userId": before}


def _read(read: Read, copied: Path, file: SourceFile, entity: Entity) -> Iterator[SourceRow]:
    aliases = aliases_in(copied)
    for source in read(copied, file, entity):
        yield source if isinstance(source.row, Refusal) else replace(source, row=_renamed(source.row, aliases))


def _renamed(row: Row, aliases: Aliases) -> Row | Refusal:
    extra, user = row["extra"], row["user_id"]
    if f'"{BEFORE}"' in extra and BEFORE in parse_jsonb(extra):
        return Refusal(Reason.DUPLICATE_ATTRIBUTE, f"{BEFORE}: kept for the id a record had, a record must not have it")
    now = aliases.resolve(user)
    if now == user:
        return row
    return row | {"user_id": now, "extra": jsonb_text(parse_jsonb(extra) | {BEFORE: user})}
