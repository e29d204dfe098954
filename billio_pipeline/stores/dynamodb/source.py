"""Opens what items are read from, an AWS table export or backup arrays, and checks all that needs no item read."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal, Protocol

from billio_pipeline.errors import ExportError, InputError
from billio_pipeline.model.entity import System
from billio_pipeline.settings import Settings
from billio_pipeline.stores.dynamodb.backup import open_backup
from billio_pipeline.stores.dynamodb.layout import STARTED, SUMMARY
from billio_pipeline.stores.dynamodb.lines import Lines, SourceFile, damaged, read_lines
from billio_pipeline.stores.dynamodb.manifest import read_manifest
from billio_pipeline.stores.objects import ObjectStore, open_store

# Objects looked at to find an export below a parent: a few seconds of listing, in S3 a hundred requests.
MOST_LISTED = 100_000
_SUMMARY = f"{SUMMARY}.json"
_NAMED = 5

About = Mapping[str, str | int | None]


class Source(Protocol):
    """Data files and how to read them. Picklable: `lines` runs in worker processes.

    `id` is derived from the content and safe in a file name. `complete` says whether the source can prove that it
    holds every item. `items` is what the source itself states, None when it states nothing.
    """

    @property
    def kind(self) -> Literal["export", "backup"]: ...
    @property
    def uri(self) -> str: ...
    @property
    def id(self) -> str: ...
    @property
    def items(self) -> int | None: ...
    @property
    def bytes(self) -> int: ...
    @property
    def files(self) -> tuple[SourceFile, ...]: ...
    @property
    def complete(self) -> bool: ...
    @property
    def about(self) -> About: ...
    def lines(self, file: SourceFile) -> Iterator[Lines]:
        """Blocks of raw `{"Item":{…}}` lines. Raises ExportError at its end, or before, unless the file is exactly
        what was opened: use nothing before exhaustion."""


@dataclass(frozen=True)
class ExportSource:
    """A complete table export in AWS's layout."""

    store: ObjectStore
    id: str
    items: int
    bytes: int
    files: tuple[SourceFile, ...]
    about: About
    kind: Literal["export"] = "export"
    complete: bool = True

    @property
    def uri(self) -> str:
        return self.store.uri

    def lines(self, file: SourceFile) -> Iterator[Lines]:
        try:
            stream = self.store.open(file.key)
        except InputError as error:
            raise damaged(file.key, "a data file that can be read", error.message) from error
        with closing(stream):
            yield from read_lines(stream, file)


def open_source(location: str | Path, system: System, settings: Settings) -> Source:
    """The source at `location`: an export's own folder, any parent holding exactly one, or a folder of backup arrays.

    Raises InputError when the location can't be read, holds nothing or several; ExportError when what it holds is
    incomplete or damaged.
    """
    store = open_store(location, settings)
    store.check()
    if store.exists(_SUMMARY):
        return _export(store, {})
    found, unfinished = _exports_below(store)
    if len(found) == 1:
        return _export(store.within(found[0]), {"unfinished_exports_beside": len(unfinished)} if unfinished else {})
    if found:
        raise InputError(
            f"{store.uri} holds several exports: {_named(found)}",
            remedy="Name the one to read, by its own folder.",
            found=len(found),
        )
    if unfinished:
        raise ExportError(
            f"{store.uri}: the export was started but never finished: {_named(unfinished)} without {_SUMMARY}",
            remedy="Wait until the export is complete, or export again.",
            file=_SUMMARY,
            expected="a manifest summary",
            found="none",
        )
    if backup := open_backup(store, system):
        return backup
    raise InputError(
        f"{store.uri} holds no table export (no {_SUMMARY}) and no backup arrays",
        remedy="Give the folder that holds AWSDynamoDB/<export id>/, or one of {Type}.json backups.",
    )


def _export(store: ObjectStore, about: About) -> ExportSource:
    manifest = read_manifest(store)
    summary = manifest.summary
    return ExportSource(
        store,
        _export_id(summary.export_arn, manifest.files),
        summary.item_count,
        sum(file.size or 0 for file in manifest.files),
        manifest.files,
        {
            "export_arn": summary.export_arn,
            "table_arn": summary.table_arn,
            "table_id": summary.table_id,
            "export_time": summary.export_time,
            "files_without_checksum": ", ".join(manifest.unchecked) or None,
            "unlisted_data_files": manifest.unlisted,
            **about,
        },
    )


def _export_id(arn: str | None, files: tuple[SourceFile, ...]) -> str:
    """AWS's export id, when it has its usual form, and a digest of the listed content."""
    digest = hashlib.sha256()
    for file in sorted(files, key=lambda each: each.key):
        digest.update(f"{file.key}\0{file.items}\0{file.md5}\n".encode())
    own = (arn or "").rpartition("/")[2]
    known = f"{own}-" if re.fullmatch(r"[0-9]{8,20}-[0-9a-f]{4,16}", own) else ""
    return known + digest.hexdigest()[:16]


def _exports_below(store: ObjectStore) -> tuple[list[str], list[str]]:
    """Folders below the location that hold a summary, and those an export was only begun in."""
    finished: set[str] = set()
    begun: set[str] = set()
    objects = iter(store.list())
    for info in islice(objects, MOST_LISTED):
        folder, _, name = info.key.rpartition("/")
        if name == _SUMMARY:
            finished.add(folder)
        elif name == STARTED:
            begun.add(folder)
    if next(objects, None) is not None:
        raise InputError(
            f"{store.uri} holds more than {MOST_LISTED} files, too many to search for an export",
            remedy="Name the export's own folder, AWSDynamoDB/<export id>.",
        )
    return sorted(finished), sorted(begun - finished)


def _named(folders: list[str]) -> str:
    more = f" and {len(folders) - _NAMED} more" if len(folders) > _NAMED else ""
    return ", ".join(folder or "." for folder in folders[:_NAMED]) + more
