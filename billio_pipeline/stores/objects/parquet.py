"""Parquet files in an object store: how many rows one holds, as it was stored."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import closing

import pyarrow as pa
import pyarrow.parquet as pq

from billio_pipeline.errors import InputError
from billio_pipeline.stores.objects.store import ObjectStore

_COPIED = 1 << 20


def stored_rows(store: ObjectStore, key: str) -> int:
    """The rows of the file, every one of them read. Raises InputError when it can't be."""
    with closing(store.open(key)) as stream, tempfile.TemporaryFile() as file:
        shutil.copyfileobj(stream, file, _COPIED)
        file.seek(0)
        try:
            with pq.ParquetFile(file) as parquet:
                return sum(batch.num_rows for batch in parquet.iter_batches())
        except pa.ArrowException as error:
            raise InputError(f"{store.uri}/{key}: {error}", remedy="Export again.") from error
