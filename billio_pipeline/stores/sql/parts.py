"""A table written as numbered Parquet files of at most so many rows, in small row groups, as its blocks come in."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

# What one batch of a load holds at most; readers take a group at a time.
GROUP_ROWS = 2_500


class Parts:
    """folder/000000.parquet and so on; without rows one empty file, which has the columns. Open within a `with`."""

    def __init__(self, folder: Path, schema: pa.Schema, most: int) -> None:
        self.files: list[Path] = []
        self._folder, self._schema, self._most = folder, schema, most
        self._room = 0
        self._writer: pq.ParquetWriter | None = None

    def __enter__(self) -> Parts:
        self._folder.mkdir(parents=True)
        return self

    def __exit__(self, failed: type[BaseException] | None, *_: object) -> None:
        if not self.files and failed is None:
            self._next()
        self._close()

    def write(self, block: pa.Table) -> None:
        """Write rows, into the next file where this one is full."""
        while block.num_rows:
            writer = self._writer if self._writer is not None and self._room else self._next()
            some = block.slice(0, self._room)
            writer.write_table(some, row_group_size=GROUP_ROWS)
            self._room -= some.num_rows
            block = block.slice(some.num_rows)

    def _next(self) -> pq.ParquetWriter:
        self._close()
        path = self._folder / f"{len(self.files):06d}.parquet"
        self._writer = pq.ParquetWriter(path, self._schema, compression="zstd", compression_level=1)
        self.files.append(path)
        self._room = self._most
        return self._writer

    def _close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None
