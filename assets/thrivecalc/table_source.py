"""ThriveCalc's records in their other form, the table `user_financial_data`: Parquet files, or Iceberg."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from time import time_ns

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from assets.thrivecalc.model import RECORD
from assets.thrivecalc.records import open_table, table_rows
from billio_pipeline.migrate.copied import Copied, Progress, Read, SourceFile, SourceRow
from billio_pipeline.model.entity import Entity
from billio_pipeline.settings import Settings
from billio_pipeline.stores.objects import ObjectStore

_AT_ONCE = 2_000  # rows in memory
_FILE_ROWS = 100_000


def is_table(store: ObjectStore) -> bool:
    """Whether a location holds the table, and no tree: Parquet files, and nothing below `users/`."""
    if next(iter(store.list("users")), None) is not None:
        return False
    return any(info.key.endswith((".parquet", ".metadata.json")) for info in store.list())


def read_table_rows(copied: Path, file: SourceFile, _: Entity) -> Iterator[SourceRow]:
    """The rows of one file of the copy, in its order; the original is the row as JSON."""
    line = 0
    with pq.ParquetFile(copied / file.name) as parquet:
        for batch in parquet.iter_batches(_AT_ONCE):
            for row, original in zip(table_rows(batch), batch.to_pylist(), strict=True):
                line += 1
                yield SourceRow(line, row, _json(original))


@dataclass(frozen=True)
class TableSource:
    """A table of records: a folder or s3:// prefix of Parquet files, an Iceberg table's metadata, iceberg://…"""

    location: str
    settings: Settings

    @property
    def read(self) -> Read:
        return read_table_rows

    def copy(self, folder: Path, progress: Progress) -> Copied:
        """Copy the rows in the table's order. Raises InputError when its columns are not the table's."""
        as_of, digest = time_ns() // 1_000, hashlib.blake2b(digest_size=16)
        files: list[SourceFile] = []
        pending: list[pa.RecordBatch] = []
        for batch in open_table(self.location, self.settings):
            for row in batch.to_pylist():
                digest.update(hashlib.blake2b(_json(row), digest_size=16).digest())
            pending.append(batch)
            progress(batch.num_rows)
            if sum(each.num_rows for each in pending) >= _FILE_ROWS:
                files.append(_written(folder, len(files), pending))
                pending = []
        if pending:
            files.append(_written(folder, len(files), pending))
        rows = sum(file.rows for file in files)
        return Copied(folder, digest.hexdigest(), "table", self.location, as_of, tuple(files), {"rows": rows})


def _written(folder: Path, number: int, batches: list[pa.RecordBatch]) -> SourceFile:
    name = f"{number:06d}.parquet"
    table = pa.Table.from_batches(batches)
    pq.write_table(table, folder / name, compression="zstd", row_group_size=_AT_ONCE)
    return SourceFile(name, RECORD.name, table.num_rows, (folder / name).stat().st_size)


def _json(row: dict[str, object]) -> bytes:
    return orjson.dumps(row, default=str, option=orjson.OPT_SORT_KEYS)
