"""Rows gathered into Parquet row groups, each of which is one batch: what one transaction commits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

# Aurora DSQL allows 3,000 rows and 10 MiB with index entries; the rest is room for the ledger row and for estimates.
MAX_ROWS = 2_500
MAX_BYTES = 5 << 20
# Per row: fixed-width columns, tuple header, and the keys of about ten index entries.
_FIXED_BYTES = 640


class RowGroups:
    """Writes one entity's rows of one file. The Parquet file appears with the first row; an empty one never does."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writer: pq.ParquetWriter | None = None
        self._pending: list[pa.Table] = []
        self._rows = self._bytes = 0

    def add(self, table: pa.Table) -> None:
        """Take more rows; full batches are written at once."""
        if not table.num_rows:
            return
        self._pending.append(table)
        self._rows += table.num_rows
        self._bytes += table.nbytes
        if self._rows >= MAX_ROWS or self._bytes >= 3 * MAX_BYTES:
            self._write(last=False)

    def close(self) -> None:
        """Write what is left."""
        if self._pending:
            self._write(last=True)
        if self._writer:
            self._writer.close()

    def _write(self, *, last: bool) -> None:
        table = pa.concat_tables(self._pending).combine_chunks()
        start = 0
        for end in cuts(row_bytes(table)):
            if end < table.num_rows or last or end - start == MAX_ROWS:
                self._group(table.slice(start, end - start))
                start = end
        rest = table.slice(start)
        self._pending = [rest] if rest.num_rows else []
        self._rows, self._bytes = rest.num_rows, rest.nbytes

    def _group(self, table: pa.Table) -> None:
        if self._writer is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._writer = pq.ParquetWriter(self._path, table.schema, compression="zstd", compression_level=1)
        self._writer.write_table(table, row_group_size=table.num_rows)


def row_bytes(table: pa.Table) -> np.ndarray:
    """Estimated bytes each row costs a transaction: text twice (the row, an index entry), the rest by a constant."""
    total = np.full(table.num_rows, _FIXED_BYTES, dtype=np.int64)
    for name in table.column_names:
        if not name.startswith("_") and pa.types.is_string(table.schema.field(name).type):
            lengths = pc.fill_null(pc.binary_length(table[name]), 0).to_numpy()
            total += lengths * 2
    return total


def cuts(sizes: np.ndarray) -> list[int]:
    """Ends of consecutive batches over rows of these sizes: at most MAX_ROWS and MAX_BYTES, at least one row each."""
    ends: list[int] = []
    start, used = 0, 0
    for index, size in enumerate(sizes.tolist()):
        if index > start and (index - start == MAX_ROWS or used + size > MAX_BYTES):
            ends.append(index)
            start, used = index, 0
        used += size
    if start < len(sizes):
        ends.append(len(sizes))
    return ends
