"""What a stage's rows come up against in a target: bytes of keys, values and rows, rows and bytes of a transaction.

Measured on the real batches. Bytes of text are its UTF-8; of other types their fixed width. A target counts its own
way, so what comes close to a limit is worth a look too: every measure is given beside what is allowed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from billio_pipeline.migrate.stage import Stage
from billio_pipeline.model.entity import System
from billio_pipeline.stores.sql.ddl import IndexDef, TableDef, tables
from billio_pipeline.stores.sql.profiles import Profile

SHOWN = 5  # keys named per limit
SMALLEST = 128  # bytes a row or an index entry counts at least: docs/dsql.md
LEDGER_BYTES = 320  # a ledger row: five texts and two numbers
_WIDTH = {"uuid": 16, "integer": 4, "timestamptz": 8}
_NOT_NULL = re.compile(r"([a-z_][a-z0-9_]*) IS NOT NULL", re.IGNORECASE)


@dataclass
class Limit:
    """One limit of the target: the most that was met, and how much is allowed (None: no limit)."""

    name: str
    unit: str
    allowed: int | None
    most: int = 0
    beyond: int = 0
    examples: list[tuple[str, str, int]] = field(default_factory=list)
    """(entity, key, found) of the first ones beyond it."""

    def measure(self, found: np.ndarray, entity: str, keys: pa.ChunkedArray) -> None:
        """One number per row."""
        if not len(found):
            return
        self.most = max(self.most, int(found.max()))
        if self.allowed is None or self.most <= self.allowed:
            return
        beyond = np.flatnonzero(found > self.allowed)
        self.beyond += len(beyond)
        for index in beyond[: SHOWN - len(self.examples)].tolist():
            self.examples.append((entity, keys[index].as_py(), int(found[index])))


@dataclass
class Volume:
    """What would be written: rows and bytes of the table, and of the index entries beside it."""

    rows: int = 0
    row_bytes: int = 0
    entries: int = 0
    entry_bytes: int = 0
    transactions: int = 0
    most_rows: int = 0
    most_bytes: int = 0
    transactions_of: dict[str, int] = field(default_factory=dict)
    billed: int = 0
    """Bytes of the load's transactions, each at least 1,024: what is paid for."""


@dataclass
class Measured:
    """All limits, in the order they are shown, and the volume."""

    limits: list[Limit]
    volume: Volume

    @property
    def violated(self) -> list[Limit]:
        return [limit for limit in self.limits if limit.beyond]


def measure(stage: Stage, profile: Profile) -> Measured:
    """Go through the stage's batches, as a load would commit them. Memory: one batch."""
    table = tables(stage.system, profile)[-1]
    keys = {index.name: Limit(f"key of {index.name}", "bytes", profile.key_bytes) for index in table.indexes}
    primary = Limit(f"primary key {table.key}", "bytes", profile.key_bytes)
    value = Limit("one value", "bytes", profile.value_bytes)
    row = Limit("one row", "bytes", profile.row_bytes)
    rows = Limit("rows of a transaction", "rows", profile.max_rows)
    size = Limit("bytes of a transaction, index entries included", "bytes", profile.max_bytes)
    indexes = Limit("indexes, the primary key's included", "indexes", profile.indexes_per_table)
    volume = Volume()
    for entity, batch in _batches(stage):
        names, width = batch[table.key], _widths(batch, stage.system)
        primary.measure(width[table.key], entity, names)
        widest = np.maximum.reduce(list(width.values()))
        value.measure(widest, entity, names)
        whole = np.sum(list(width.values()), axis=0)
        row.measure(whole, entity, names)
        entries = np.zeros(batch.num_rows, dtype=np.int64)
        for index in table.indexes:
            there = _there(index, batch)
            key = _key_bytes(index, table, profile, width) * there
            keys[index.name].measure(key, entity, names)
            entries += np.maximum(key, SMALLEST) * there
            volume.entries += int(there.sum())
        _commit(volume, entity, np.maximum(whole, SMALLEST), entries)
        first = names.slice(0, 1)
        # With its ledger row, which the same transaction commits.
        rows.measure(np.array([batch.num_rows + 1]), entity, first)
        size.measure(np.array([int(whole.sum() + entries.sum()) + LEDGER_BYTES]), entity, first)
    indexes.measure(np.array([len(table.indexes) + 1]), "", pa.chunked_array([[table.name]]))
    return Measured([primary, *keys.values(), value, row, rows, size, indexes], volume)


def _batches(stage: Stage) -> Iterator[tuple[str, pa.Table]]:
    for entity in stage.system.entities:
        for _, batch in stage.batches(entity.name):
            yield entity.name, batch


def _commit(volume: Volume, entity: str, rows: np.ndarray, entries: np.ndarray) -> None:
    row_bytes = int(rows.sum())
    volume.rows += len(rows)
    volume.row_bytes += row_bytes
    volume.entry_bytes += int(entries.sum())
    volume.transactions += 1
    volume.transactions_of[entity] = volume.transactions_of.get(entity, 0) + 1
    volume.most_rows = max(volume.most_rows, len(rows) + 1)
    volume.most_bytes = max(volume.most_bytes, row_bytes + int(entries.sum()) + LEDGER_BYTES)
    volume.billed += max(row_bytes + LEDGER_BYTES, 1_024)


def _widths(batch: pa.Table, system: System) -> dict[str, np.ndarray]:
    """Bytes of each row's value, per column; an absent one has none."""
    widths = {}
    for column in system.columns:
        values = batch[column.name]
        fixed = _WIDTH.get(column.sql)
        if fixed is None and pa.types.is_string(values.type):
            widths[column.name] = pc.fill_null(pc.binary_length(values), 0).to_numpy().astype(np.int64)
        else:
            there = pc.is_valid(values).to_numpy(zero_copy_only=False) if values.null_count else np.ones(len(values))
            widths[column.name] = there.astype(np.int64) * (fixed or 8)
    return widths


def _there(index: IndexDef, batch: pa.Table) -> np.ndarray:
    """1 for each row that has an entry: all, unless the index is of rows where some column is not NULL."""
    match = _NOT_NULL.fullmatch(index.where or "")
    if not match or match[1] not in batch.column_names:
        return np.ones(batch.num_rows, dtype=np.int64)
    return pc.is_valid(batch[match[1]]).to_numpy(zero_copy_only=False).astype(np.int64)


def _key_bytes(index: IndexDef, table: TableDef, profile: Profile, width: dict[str, np.ndarray]) -> np.ndarray:
    columns = [key.column for key in index.keys]
    if profile.keys_include_primary and table.key not in columns:
        columns.append(table.key)
    return np.sum([width[column] for column in columns], axis=0)
