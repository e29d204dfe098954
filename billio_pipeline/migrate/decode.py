"""Every data file of an export to staged Parquet, each read once, a process per file; all of them, or an error."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from billio_pipeline.codec.compile import Refused, compile
from billio_pipeline.codec.decode import Decoder
from billio_pipeline.migrate.groups import RowGroups
from billio_pipeline.migrate.stage import REFUSED, UNKNOWN, Stage
from billio_pipeline.model.entity import System
from billio_pipeline.processes import spread
from billio_pipeline.stores.dynamodb.source import Source, SourceFile

# Below this many stored bytes, starting worker processes costs more than they save (about 0.7 s each).
_WORTH_PROCESSES = 4 << 20

Progress = Callable[[int], None]  # told how many lines were decoded since the last call


@dataclass
class FileCounts:
    """What one data file held. `accepted` and `refused` count lines by entity."""

    index: int
    key: str
    lines: int = 0
    fast: int = 0
    accepted: dict[str, int] = field(default_factory=dict)
    refused: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0


def decode(
    source: Source, stage: Stage, *, workers: int, fast: bool = True, progress: Progress | None = None
) -> list[FileCounts]:
    """Decode all files of `source` into `stage`.

    Raises ExportError when any file is not what its manifest says; nothing staged may be used then.
    """
    stored = sum(file.size or 0 for file in source.files)
    if workers == 1 or len(source.files) < 2 or stored < _WORTH_PROCESSES:
        return [_counted(decode_file(source, file, stage.system, stage.path, fast), progress) for file in source.files]
    largest_first = sorted(source.files, key=lambda file: -(file.size or 0))
    calls = [(source, file, stage.system, stage.path, fast) for file in largest_first]
    safe_point = (lambda: progress(0)) if progress else (lambda: None)
    counts = [_counted(each, progress) for each in spread(decode_file, calls, workers, safe_point)]
    return sorted(counts, key=lambda each: each.index)


def decode_file(source: Source, file: SourceFile, system: System, path: Path, fast: bool) -> FileCounts:
    """Decode one data file into the stage at `path`: a process's whole work. Memory is flat in the file's size."""
    started = time.perf_counter()
    counts = FileCounts(file.index, file.key)
    decoder = Decoder(compile(system), fast=fast)
    groups = {
        entity.name: RowGroups(path / "rows" / entity.name / f"{file.index:06d}.parquet") for entity in system.entities
    }
    refused = pq.ParquetWriter(path / "refused" / f"{file.index:06d}.parquet", REFUSED, compression="zstd")
    try:
        for lines in source.lines(file):
            block = decoder.block(lines.lines, lines.first)
            counts.lines += block.lines
            counts.fast += block.fast
            for entity, table in block.tables.items():
                counts.accepted[entity] = counts.accepted.get(entity, 0) + table.num_rows
                groups[entity].add(table.append_column("_file", pa.array([file.index] * table.num_rows, pa.int32())))
            if block.refused:
                refused.write_table(_refused_table(file.index, block.refused))
            for _, why, _ in block.refused:
                name = why.entity or UNKNOWN
                counts.refused[name] = counts.refused.get(name, 0) + 1
    finally:
        refused.close()
        for group in groups.values():
            group.close()
    counts.seconds = time.perf_counter() - started
    return counts


def _counted(counts: FileCounts, progress: Progress | None) -> FileCounts:
    if progress:
        progress(counts.lines)
    return counts


def _refused_table(index: int, refused: list[tuple[int, Refused, bytes]]) -> pa.Table:
    rows = [
        {
            "file": index,
            "line": line,
            "entity": why.entity or UNKNOWN,
            "key": _utf8(why.key),
            "source_key": _utf8(why.source_key),
            "reason": why.refusal.reason.value,
            "message": _utf8(why.refusal.message),
            "original": original,
        }
        for line, why, original in refused
    ]
    return pa.Table.from_pylist(rows, REFUSED)


def _utf8(text: str | None) -> str | None:
    """`text` as something UTF-8 can hold: messages may quote half a surrogate pair."""
    return None if text is None else text.encode("utf-8", "backslashreplace").decode()
