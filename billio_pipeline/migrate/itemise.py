"""Copied rows to staged items, a process per file: each row's item, or the reason why there is none."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from billio_pipeline.codec.items import ItemCodec
from billio_pipeline.migrate.copied import Copied, Progress, Read, SourceFile
from billio_pipeline.migrate.groups import MAX_BYTES, RowGroups
from billio_pipeline.migrate.stage import REFUSED, ItemStage
from billio_pipeline.model.canonical import canonical_item, content_hash
from billio_pipeline.model.entity import Entity, RowSystem
from billio_pipeline.model.keys import item_key_text
from billio_pipeline.model.refusal import Reason, Refusal
from billio_pipeline.processes import spread
from billio_pipeline.stores.dynamodb.size import holdable

_AT_ONCE = 2_000
_SECONDS = re.compile("-?[0-9]{1,18}").fullmatch  # what fits in 8 bytes
_WORTH_PROCESSES = 20_000  # rows below which starting workers costs more than they save

# What every staged item has beside its row's columns.
STAGED = [
    ("_file", pa.int32()), ("_line", pa.int64()), ("_table", pa.string()), ("_key", pa.string()),
    ("_hash", pa.binary(16)), ("_item", pa.binary()), ("_ttl", pa.int64()), ("_source", pa.binary()),
]  # fmt: skip


@dataclass
class FileItems:
    """What one file of the copy held, by what became of it."""

    index: int
    entity: str
    rows: int = 0
    accepted: int = 0
    refused: int = 0
    expired: int = 0
    seconds: float = 0.0
    refusals: list[dict[str, Any]] = field(default_factory=list, repr=False)


def itemise(copied: Copied, read: Read, stage: ItemStage, *, workers: int, progress: Progress) -> list[FileItems]:
    """Stage every row of the copy that is an entity's. `progress` is told rows done, or 0 at a safe point."""
    calls = [
        (copied.path, file, index, read, stage.system, stage.path, copied.as_of)
        for index, file in enumerate(copied.files)
        if file.entity
    ]
    done = []
    for each in spread(itemise_file, calls, workers if copied.rows >= _WORTH_PROCESSES else 1, lambda: progress(0)):
        progress(each.rows)
        done.append(each)
    return sorted(done, key=lambda each: each.index)


def itemise_file(
    copied: Path, file: SourceFile, index: int, read: Read, system: RowSystem, path: Path, as_of: int
) -> FileItems:
    """One file: a process's whole work. Memory is flat in the file's size."""
    assert file.entity is not None
    started = time.perf_counter()
    entity, codec = system.by_name[file.entity], ItemCodec(system)
    done = FileItems(index, entity.name)
    groups = RowGroups(path / "rows" / entity.name / f"{index:06d}.parquet")
    schema = pa.schema([*[(c.name, c.type.arrow) for c in entity.columns], *STAGED])
    refused = pq.ParquetWriter(path / "refused" / f"{index:06d}.parquet", REFUSED, compression="zstd")
    pending: list[dict[str, Any]] = []
    held = 0
    try:
        for staged in _staged(codec, entity, read(copied, file, entity), done, index, as_of // 1_000_000):
            pending.append(staged)
            held += len(staged["_item"])
            if len(pending) >= _AT_ONCE or held >= MAX_BYTES:
                groups.add(pa.Table.from_pylist(pending, schema))
                pending, held = [], 0
        groups.add(pa.Table.from_pylist(pending, schema))
    finally:
        groups.close()
        refused.write_table(pa.Table.from_pylist(done.refusals, REFUSED))
        refused.close()
    done.refusals = []
    done.seconds = time.perf_counter() - started
    return done


def _staged(
    codec: ItemCodec, entity: Entity, rows: Iterator[Any], done: FileItems, index: int, now: int
) -> Iterator[dict[str, Any]]:
    """The accepted rows with their items; what is refused or expired is counted in `done`."""
    assert entity.items is not None
    columns = [column.name for column in entity.columns]
    for source in rows:
        done.rows += 1
        key = None
        found: Any = source.row if isinstance(source.row, Refusal) else _item(codec, entity, source.row)
        if not isinstance(found, Refusal):
            item = found
            key = item_key_text(entity.items, item)
            found = key if isinstance(key, Refusal) else holdable(entity.items, item) or item
        if isinstance(found, Refusal):
            done.refused += 1
            told = None if isinstance(key, Refusal) else key
            row_key = None if isinstance(source.row, Refusal) else str(source.row[entity.table.key])
            done.refusals.append(_refusal(index, source.line, entity.name, told, row_key, found, source.original))
            continue
        ttl = expiry(entity, item)
        if entity.expires and ttl is not None and ttl <= now:
            done.expired += 1
            continue
        done.accepted += 1
        canonical = canonical_item(item)
        yield {name: source.row[name] for name in columns} | {
            "_file": index, "_line": source.line, "_table": entity.items.name, "_key": key,
            "_hash": content_hash(canonical), "_item": canonical, "_ttl": ttl, "_source": source.original,
        }  # fmt: skip


def _item(codec: ItemCodec, entity: Entity, row: dict[str, Any]) -> Any:
    try:
        return codec.to_item(entity, row)
    except RecursionError:
        return Refusal(Reason.OVER_DYNAMODB_LIMIT, "nested far deeper than DynamoDB allows")


def expiry(entity: Entity, item: Mapping[str, Any]) -> int | None:
    """When the item expires, in epoch seconds; None for never, as beyond the times that there are."""
    assert entity.items is not None
    text = item.get(entity.items.ttl or "", {}).get("N")
    return int(text) if text and _SECONDS(text) else None


def _refusal(
    index: int, line: int, entity: str, key: str | None, row_key: str | None, why: Refusal, original: bytes
) -> dict[str, Any]:
    return {
        "file": index, "line": line, "entity": entity, "key": _utf8(key), "source_key": _utf8(row_key),
        "reason": why.reason.value, "message": _utf8(why.message), "original": original,
    }  # fmt: skip


def _utf8(text: str | None) -> str | None:
    return None if text is None else text.encode("utf-8", "backslashreplace").decode()
