"""Lines of an export that were repaired after they had been refused, kept so that every later reading has them too.

A repaired item takes the place of its line: it is decoded, settled, loaded and verified instead of it, and the counts
stay those of the export. Kept below our home, one file per export; without it, repaired rows are `extra` to a verify.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.parquet as pq

from billio_pipeline.stores.dynamodb.lines import Lines, SourceFile
from billio_pipeline.stores.dynamodb.source import About, Source

REPAIRS = pa.schema([("file", pa.string()), ("line", pa.int64()), ("item", pa.binary())])


@dataclass(frozen=True)
class Repair:
    """What line `line` of data file `file` is read as: a whole `{"Item":{…}}` line."""

    file: str
    line: int
    item: bytes


def kept(home: Path, system: str, export_id: str) -> Path:
    """The file an export's repairs are kept in."""
    return home / "repairs" / system / f"{export_id}.parquet"


def save(path: Path, repairs: Iterable[Repair]) -> None:
    """Add repairs to the file at `path`; the newest of a line counts. Whole or not at all."""
    known = {(each.file, each.line): each for each in [*read(path), *repairs]}
    rows = [{"file": each.file, "line": each.line, "item": each.item} for _, each in sorted(known.items())]
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    pq.write_table(pa.Table.from_pylist(rows, REPAIRS), partial, compression="zstd")
    os.replace(partial, path)


def read(path: Path) -> list[Repair]:
    """The repairs kept at `path`; none when there is no file."""
    if not path.exists():
        return []
    return [Repair(**row) for row in pq.read_table(path, schema=REPAIRS).to_pylist()]


def repaired(source: Source, path: Path) -> Source:
    """`source` with its repaired lines in the place of the refused ones; itself when nothing was repaired."""
    found: dict[str, dict[int, bytes]] = {}
    for each in read(path):
        found.setdefault(each.file, {})[each.line] = each.item
    return RepairedSource(source, found) if found else source


@dataclass(frozen=True)
class RepairedSource:
    """A source, some lines of which are read as something else. The source still checks its files as they are."""

    source: Source
    replaced: dict[str, dict[int, bytes]]

    @property
    def kind(self) -> Literal["export", "backup"]:
        return self.source.kind

    @property
    def uri(self) -> str:
        return self.source.uri

    @property
    def id(self) -> str:
        return self.source.id

    @property
    def items(self) -> int | None:
        return self.source.items

    @property
    def bytes(self) -> int:
        return self.source.bytes

    @property
    def files(self) -> tuple[SourceFile, ...]:
        return self.source.files

    @property
    def complete(self) -> bool:
        return self.source.complete

    @property
    def about(self) -> About:
        return {**self.source.about, "repaired_lines": sum(map(len, self.replaced.values()))}

    def lines(self, file: SourceFile) -> Iterator[Lines]:
        mine = self.replaced.get(file.key, {})
        for block in self.source.lines(file):
            here = {line: item for line, item in mine.items() if 0 <= line - block.first < len(block.lines)}
            if here:
                lines = list(block.lines)
                for line, item in here.items():
                    lines[line - block.first] = item
                block = Lines(block.first, lines)
            yield block
