"""A source of rows, copied to Parquet before anything is made of it: complete, or not used.

<home>/source/<system>/<run>/<table>/<file>.parquet    the rows, as the source holds them
<home>/source/<system>/<run>/source.json               written last: where they come from, and as of when
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import orjson

from billio_pipeline.errors import ConfigurationError, InputError
from billio_pipeline.model.refusal import Refusal
from billio_pipeline.room import room

_KEPT = 3  # older copies beside the newest, for runs that still read them
_SUMMARY = "source.json"

Progress = Callable[[int], None]  # told how many rows were copied since the last call


@dataclass(frozen=True)
class SourceRow:
    """One row of a file, or why it is none. `line` counts from 1; `original` is what quarantine keeps of it."""

    line: int
    row: dict[str, Any] | Refusal
    original: bytes


@dataclass(frozen=True)
class SourceFile:
    """A file of the copy, by its path in it: rows of one entity's table."""

    name: str
    entity: str | None  # None: archived, and otherwise left out
    rows: int
    bytes: int


@dataclass(frozen=True)
class Copied:
    """A complete copy. `id` stands for its content, `as_of` is in µs since 1970, `about` what the source says."""

    path: Path
    id: str
    kind: str
    uri: str
    as_of: int
    files: tuple[SourceFile, ...]
    about: dict[str, Any]

    @property
    def rows(self) -> int:
        """Rows that are to become items."""
        return sum(file.rows for file in self.files if file.entity)

    @property
    def bytes(self) -> int:
        return sum(file.bytes for file in self.files)


# (folder of the copy, file in it, as declared) → its rows. A function a worker process can import.
Read = Callable[[Path, SourceFile, Any], Iterator[SourceRow]]


class RowSource(Protocol):
    """Where rows come from. `copy` fills a folder and says what is in it; `read` reads it back."""

    @property
    def read(self) -> Read: ...

    def copy(self, folder: Path, progress: Progress) -> Copied: ...


def take(source: RowSource, home: Path, system: str, run: str, progress: Progress) -> Copied:
    """Copy the source below `home`. A copy that fails leaves nothing behind."""
    folder = home / "source" / system / run
    shutil.rmtree(folder, ignore_errors=True)
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise ConfigurationError(
            f"can't write to {folder}: {error}", remedy="Set BILLIO_HOME to a folder with room."
        ) from error
    try:
        with room(folder):
            copied = source.copy(folder, progress)
            partial = folder / f"{_SUMMARY}.partial"
            partial.write_bytes(orjson.dumps({**asdict(copied), "path": ""}, option=orjson.OPT_INDENT_2))
            os.replace(partial, folder / _SUMMARY)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    for old in _complete(folder.parent)[:-_KEPT]:
        if old != folder:
            shutil.rmtree(old, ignore_errors=True)
    return copied


def find(home: Path, system: str, run: str) -> Copied:
    """This run's copy, else the newest. Raises InputError when there is none."""
    folder = home / "source" / system
    if not (folder / run / _SUMMARY).exists():
        complete = _complete(folder)
        if not complete:
            raise InputError(f"nothing was copied from the source of {system}", remedy="Materialise its source first.")
        run = complete[-1].name
    kept = orjson.loads((folder / run / _SUMMARY).read_bytes())
    return Copied(**{**kept, "path": folder / run, "files": tuple(SourceFile(**each) for each in kept["files"])})


def _complete(folder: Path) -> list[Path]:
    """Complete copies, the newest last."""
    return [p.parent for p in sorted(folder.glob(f"*/{_SUMMARY}"), key=lambda path: path.stat().st_mtime)]
