"""Does every staged row rebuild its item? Rebuilds each one and compares it with the line it came from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

SHOWN = 20

Rebuilds = Callable[[Mapping[str, Any], bytes], bool]  # (row, source line) → the row rebuilds the line's item


@dataclass
class Reversal:
    """Rows rebuilt, and those that don't rebuild the item that was read: (file index, line, why)."""

    rows: int = 0
    failed: int = 0
    examples: list[tuple[int, int, str]] = field(default_factory=list)

    def add(self, other: Reversal) -> None:
        self.rows += other.rows
        self.failed += other.failed
        self.examples = sorted([*self.examples, *other.examples])[:SHOWN]


def reverse(batches: Iterable[tuple[int, pa.Table]], rebuilds: Rebuilds, against: str = "_source") -> Reversal:
    """Rebuild every row of `batches` (file index, rows with `_line` and the column named by `against`)."""
    found = Reversal()
    for file, table in batches:
        names = table.column_names
        columns = [_values(table[name]) for name in names]
        for values in zip(*columns, strict=True):
            row = dict(zip(names, values, strict=True))
            found.rows += 1
            try:
                why = None if rebuilds(row, row[against]) else "rebuilds another item"
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                why = f"can't be rebuilt: {type(error).__name__}: {error}"
            if why:
                found.failed += 1
                if len(found.examples) < SHOWN:
                    found.examples.append((file, row["_line"], why))
    return found


def _values(column: pa.ChunkedArray) -> list[Any]:
    if column.null_count == len(column):
        return [None] * len(column)
    return (column.cast(pa.int64()) if pa.types.is_timestamp(column.type) else column).to_pylist()
