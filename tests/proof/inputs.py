"""Exports a row works on: seeded items of Billio's shapes in several files, with the rows they must become."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import orjson
from exports import write_export

from assets.billio.generator import generate
from proof import independent

Item = dict[str, Any]


@dataclass(frozen=True)
class Export:
    """An export's folder, and what the standard library and the oracle make of it."""

    path: Path

    @cached_property
    def wanted(self) -> dict[str, independent.Row]:
        """The row of every item, by id: all of them are items that load."""
        return independent.expected(independent.items_of(self.path))


def line(item: Item) -> bytes:
    return orjson.dumps({"Item": item})


def export_of(folder: Path, items: Iterable[Item], files: int) -> Export:
    """An export of these items, spread evenly and in order over `files` data files."""
    lines = [line(item) for item in items]
    size = -(-len(lines) // files)
    return Export(write_export(folder, [lines[n : n + size] for n in range(0, len(lines), size)]))


def generated(folder: Path, items: int, seed: int, files: int = 4) -> Export:
    return export_of(folder, generate(items, seed), files)
