"""AlgoItny's archive, read back: its newest snapshot, and the usage logs that expiry has taken from the table."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from assets.algoitny.model import SYSTEM, USAGE
from assets.algoitny.source import TABLES
from billio_pipeline.errors import InputError
from billio_pipeline.settings import Settings
from billio_pipeline.stores.objects import ObjectStore, open_store
from billio_pipeline.stores.objects.local import LocalStore
from billio_pipeline.stores.sql.contents import Contents
from billio_pipeline.stores.sql.snapshot import Snapshot, read_snapshot
from billio_pipeline.verify.sides import literal

_AT_ONCE = 2_000  # rows in memory
_SUMMARY = re.compile(r"source/([^/]+)/snapshot\.json")


@dataclass(frozen=True)
class Archived:
    """A snapshot copied out of the archive, every file it lists being there."""

    snapshot: Snapshot
    folder: Path

    def files(self, table: str) -> list[Path]:
        return [self.folder / name for name in self.snapshot[table].files]


def archive_location(settings: Settings) -> str:
    """Where the archive is: the folder or s3:// URI that is configured, else below our home."""
    return settings.algoitny_archive or str(settings.home / "archive" / SYSTEM.name)


def archive_at(settings: Settings) -> ObjectStore:
    """The archive, to read from; it may be that nothing was archived yet."""
    return open_store(archive_location(settings), settings)


def newest_snapshot(store: ObjectStore) -> str | None:
    """The id of the snapshot taken last; None when the archive holds no complete one: the summary is written last."""
    found = [(info.key, match[1]) for info in store.list("source") if (match := _SUMMARY.fullmatch(info.key))]
    taken = [(orjson.loads(store.read(key))["as_of"], id) for key, id in found]
    return max(taken)[1] if taken else None


def fetch_snapshot(store: ObjectStore, folder: Path, only: Sequence[str] = TABLES) -> Archived:
    """Copy the newest snapshot's tables into `folder`. Raises InputError when there is none, or it isn't what was
    archived: a file is missing, or rows don't have their table's fingerprint."""
    id = newest_snapshot(store)
    if id is None:
        raise InputError(
            f"the archive {store.uri} holds no complete snapshot",
            remedy="Name the archive with --archive or BILLIO_ALGOITNY_ARCHIVE; a migration fills it.",
        )
    here = LocalStore(folder)
    here.write("snapshot.json", store.read(f"source/{id}/snapshot.json"))
    taken = read_snapshot(folder)
    if lacking := set(only) - {table.name for table in taken.tables}:
        raise InputError(f"the archive's snapshot {id} lacks {', '.join(sorted(lacking))}")
    wanted = [table for table in taken.tables if table.name in only]
    for table in wanted:
        for name in table.files:
            if not store.exists(f"source/{id}/{name}"):
                raise InputError(
                    f"the archive's snapshot {id} lacks {name}",
                    remedy="Copy the file back; or move that snapshot's folder away, and the one before it is used.",
                )
            with closing(store.open(f"source/{id}/{name}")) as file:
                here.write(name, file)
    archived = Archived(taken, folder)
    for table in wanted:
        if _fingerprint(archived.files(table.name)) != table.fingerprint:
            raise InputError(
                f"the archive's snapshot {id}: the rows of {table.name} are not those that were archived",
                remedy="Copy its files back; or move that snapshot's folder away, and the one before it is used.",
            )
    return archived


def _fingerprint(files: Sequence[Path]) -> str | None:
    """That of the rows in these files; None when they can't be read."""
    try:
        contents = Contents(pq.read_schema(files[0]).remove_metadata())
        for path in files:
            with pq.ParquetFile(path) as file:
                for batch in file.iter_batches(_AT_ONCE):
                    contents.add(pa.Table.from_batches([batch]))
    except pa.ArrowException:
        return None
    return contents.fingerprint


def fetch_usage(store: ObjectStore, folder: Path) -> list[Path]:
    """Copy the logs kept for good into `folder`: a file per snapshot they come from, all of the source's columns."""
    here = LocalStore(folder)
    for info in store.list("usage"):
        with closing(store.open(info.key)) as file:
            here.write(info.key, file)
    return sorted((folder / "usage").glob("*.parquet"))


def with_expired(logs: Path, archived: Sequence[Path], now: datetime) -> str:
    """SQL: the rows of `logs`, and those of the archived snapshot that expiry has taken from the table by `now`."""
    assert USAGE.expires is not None
    gone = now.replace(microsecond=0) - timedelta(days=USAGE.expires.days)  # expiry counts in whole seconds
    columns = ", ".join([f'"{column.name}"' for column in USAGE.columns])
    there = f"read_parquet({literal(str(logs))})"
    files = ", ".join([literal(str(file)) for file in archived])
    return (
        f"SELECT {columns} FROM {there} UNION ALL SELECT {columns} FROM read_parquet([{files}]) a "  # noqa: S608
        f"ANTI JOIN {there} USING (id) "
        f"WHERE date_trunc('second', a.created_at) <= TIMESTAMPTZ {literal(gone.isoformat())}"
    )
