"""Does every staged row rebuild its item? Rebuilds each one and compares its content with what was read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

SHOWN = 20

Rebuild = Callable[[Mapping[str, Any]], bytes]  # a row → the content hash of the item it rebuilds


@dataclass
class Reversal:
    """Rows rebuilt, and those whose rebuilt item is not the one that was read: (file index, line, why)."""

    rows: int = 0
    failed: int = 0
    examples: list[tuple[int, int, str]] = field(default_factory=list)


def reverse(batches: Iterable[tuple[int, pa.Table]], rebuild: Rebuild) -> Reversal:
    """Rebuild every row of `batches` (file index, rows with `_line` and `_hash`; times as Arrow timestamps)."""
    found = Reversal()
    for file, table in batches:
        plain = table
        for index, column in enumerate(table.schema):
            if pa.types.is_timestamp(column.type):
                plain = plain.set_column(index, column.name, table[column.name].cast(pa.int64()))
        for row in plain.to_pylist():
            found.rows += 1
            try:
                why = None if rebuild(row) == row["_hash"] else "rebuilds another item"
            except (ValueError, KeyError, TypeError) as error:
                why = f"can't be rebuilt: {error}"
            if why:
                found.failed += 1
                if len(found.examples) < SHOWN:
                    found.examples.append((file, row["_line"], why))
    return found
