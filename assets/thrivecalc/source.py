"""ThriveCalc's records as a source of rows: the object tree copied, each object read as the row of its entity."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from time import time_ns

import pyarrow.parquet as pq

from assets.thrivecalc.model import RECORD
from assets.thrivecalc.places import Places
from assets.thrivecalc.records import record_row
from assets.thrivecalc.table_source import TableSource, is_table
from billio_pipeline.errors import ConfigurationError
from billio_pipeline.migrate.copied import Copied, Progress, Read, RowSource, SourceFile, SourceRow
from billio_pipeline.model.entity import Entity
from billio_pipeline.settings import Settings
from billio_pipeline.stores.objects import ObjectStore, open_store
from billio_pipeline.stores.objects.records import copy_records
from resources.migration import MigrationResource


def read_records(copied: Path, file: SourceFile, _: Entity) -> Iterator[SourceRow]:
    """The objects of one file of the copy, in its order; the original is the object's bytes."""
    line = 0
    with pq.ParquetFile(copied / file.name) as parquet:
        for group in range(parquet.num_row_groups):  # each of some MiB, however large its objects are
            objects = parquet.read_row_group(group, columns=["key", "body"])
            for key, body in zip(objects["key"].to_pylist(), objects["body"].to_pylist(), strict=True):
                line += 1
                yield SourceRow(line, record_row(key, body), body)


@dataclass(frozen=True)
class RecordSource:
    """A tree of records in a store."""

    store: ObjectStore

    @property
    def read(self) -> Read:
        return read_records

    def copy(self, folder: Path, progress: Progress) -> Copied:
        """Copy every object below `users/`. Raises InputError when the tree changes meanwhile."""
        as_of = time_ns() // 1_000
        listing = copy_records(self.store, folder, progress=progress)
        files = tuple(SourceFile(each.name, RECORD.name, each.objects, each.bytes) for each in listing.files)
        return Copied(folder, listing.id, "records", listing.uri, as_of, files, {"objects": listing.objects})


def open_source(migration: MigrationResource, settings: Settings) -> RowSource:
    """The records the run is asked for, as a tree or as a table; else those the environment names.

    Raises ConfigurationError when none are named.
    """
    location = migration.export or Places.from_env().location
    if not location:
        raise ConfigurationError(
            "no records are named", remedy="Name their folder or s3:// URI with --export, or set DATA_BUCKET_NAME."
        )
    if location.startswith("iceberg://") or location.endswith(".metadata.json"):
        return TableSource(location, settings)
    store = open_store(location, settings)
    store.check()
    return TableSource(location, settings) if is_table(store) else RecordSource(store)
