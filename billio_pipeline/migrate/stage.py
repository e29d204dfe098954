"""The stage: one export, decoded once into Parquet, with what was refused and why. Complete, or not used.

rows/<Entity>/<file>.parquet   accepted rows; a row group is a batch; `_source` holds each item's original line
refused/<file>.parquet         lines refused while decoding
dropped.parquet                accepted rows that settle took out again: quarantined or excluded
quarantine.parquet             everything refused, with reason, place and original bytes
summary.json                   written last: counts, and where the stage came from
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, overload

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock, Timeout

from billio_pipeline.errors import ConfigurationError, InputError
from billio_pipeline.model.entity import Column, RowSystem, System

UNKNOWN = "_unknown"  # the entity of lines whose entity can't be told

REFUSED = pa.schema(
    [
        ("file", pa.int32()),
        ("line", pa.int64()),
        ("entity", pa.string()),
        ("key", pa.string()),
        ("source_key", pa.string()),
        ("reason", pa.string()),
        ("message", pa.string()),
        ("original", pa.binary()),
    ]
)
QUARANTINE = pa.schema(
    [
        ("reason", pa.string()),
        ("message", pa.string()),
        ("entity", pa.string()),
        ("key", pa.string()),
        ("file", pa.string()),
        ("line", pa.int64()),
        ("original", pa.binary()),
    ]
)

# Older stages of the same export that are kept beside the newest, for runs that still read them.
_KEPT = 3
# Locked by the process that fills the stage, so that one left by a killed process is told from one being filled.
_FILLING = "filling.lock"


@dataclass(frozen=True)
class Stage:
    """A folder with one decoded export. Made by `migrate.decode`, settled by `migrate.settle`, then read only."""

    path: Path
    system: System

    def columns(self, entity: str) -> tuple[Column, ...]:
        """The columns an entity's rows are staged with."""
        return self.system.columns

    def rows(self, entity: str) -> list[Path]:
        return sorted((self.path / "rows" / entity).glob("*.parquet"))

    def refused(self) -> list[Path]:
        return sorted((self.path / "refused").glob("*.parquet"))

    @property
    def dropped(self) -> Path:
        return self.path / "dropped.parquet"

    @property
    def quarantine(self) -> Path:
        return self.path / "quarantine.parquet"

    @cached_property
    def summary(self) -> dict[str, Any]:
        """What `complete` wrote. Raises ConfigurationError for a stage that was never finished."""
        try:
            return orjson.loads((self.path / "summary.json").read_bytes())
        except FileNotFoundError:
            raise ConfigurationError(
                f"{self.path} holds no complete stage", remedy="Materialise the rows of this export first."
            ) from None

    def complete(self, summary: dict[str, Any]) -> None:
        """Mark the stage complete; from here on it is found by `latest`."""
        partial = self.path / "summary.partial"
        partial.write_bytes(orjson.dumps(summary, option=orjson.OPT_INDENT_2))
        os.replace(partial, self.path / "summary.json")

    def files(self) -> list[str]:
        """The export's data files by index: what `_file` numbers mean."""
        return self.summary["files"]

    def batches(self, entity: str, also: tuple[str, ...] = ("_hash",)) -> Iterator[tuple[int, pa.Table]]:
        """(file index, rows with `_line` and the columns named in `also`) per staged row group, less dropped rows."""
        dropped = self._dropped_lines(entity)
        for path in self.rows(entity):
            yield from self._batches_of(entity, path, dropped, also)

    def batches_of(self, entity: str, path: Path, also: tuple[str, ...]) -> Iterator[tuple[int, pa.Table]]:
        """As `batches`, of one of its `rows`."""
        return self._batches_of(entity, path, self._dropped_lines(entity), also)

    def _batches_of(
        self, entity: str, path: Path, dropped: dict[int, pa.Array], also: tuple[str, ...]
    ) -> Iterator[tuple[int, pa.Table]]:
        columns = [column.name for column in self.columns(entity)] + ["_line", *also]
        index = int(path.stem)
        gone = dropped.get(index)
        with pq.ParquetFile(path) as file:
            for group in range(file.num_row_groups):
                table = file.read_row_group(group, columns=columns)
                if gone is not None:
                    table = table.filter(pa.compute.invert(pa.compute.is_in(table["_line"], gone)))
                if table.num_rows:
                    yield index, table

    def _dropped_lines(self, entity: str) -> dict[int, pa.Array]:
        table = pq.read_table(self.dropped, columns=["file", "line"], filters=[("entity", "=", entity)])
        return {
            index: table.filter(pa.compute.equal(table["file"], index))["line"].combine_chunks()
            for index in table["file"].unique().to_pylist()
        }


@dataclass(frozen=True)
class ItemStage(Stage):
    """A stage of rows with the items they become, one source's copy. Made by `migrate.itemise`."""

    system: RowSystem  # type: ignore[assignment]  # the other direction's stage, used by what knows of neither

    def columns(self, entity: str) -> tuple[Column, ...]:
        return self.system.by_name[entity].columns


@overload
def create(home: Path, system: System, export_id: str, run: str) -> Stage: ...
@overload
def create(home: Path, system: RowSystem, export_id: str, run: str) -> ItemStage: ...
def create(home: Path, system: System | RowSystem, export_id: str, run: str) -> Stage:
    """A new, empty stage for this export, below `home`. A left-over of the same run is replaced."""
    path = home / "stage" / system.name / export_id / run
    try:
        shutil.rmtree(path, ignore_errors=True)
        (path / "refused").mkdir(parents=True)
        (path / "rows").mkdir()
    except OSError as error:
        raise ConfigurationError(
            f"can't write to {path}: {error}", remedy="Set BILLIO_HOME to a folder with room."
        ) from error
    return stage_at(path, system)


def stage_at(path: Path, system: System | RowSystem) -> Stage:
    """The stage in this folder, of the kind its system has."""
    return ItemStage(path, system) if isinstance(system, RowSystem) else Stage(path, system)


@overload
def filling(home: Path, system: System, export_id: str, run: str) -> AbstractContextManager[Stage]: ...
@overload
def filling(home: Path, system: RowSystem, export_id: str, run: str) -> AbstractContextManager[ItemStage]: ...
@contextmanager  # type: ignore[misc]
def filling(home: Path, system: System | RowSystem, export_id: str, run: str) -> Iterator[Stage]:
    """A new stage, to be completed within the block; what a failure leaves of it is removed, for it may be large."""
    stage = create(home, system, export_id, run)
    with FileLock(stage.path / _FILLING):
        try:
            yield stage
        except BaseException:
            shutil.rmtree(stage.path, ignore_errors=True)
            raise
    (stage.path / _FILLING).unlink(missing_ok=True)


@overload
def find(home: Path, system: System, export_id: str, run: str) -> Stage: ...
@overload
def find(home: Path, system: RowSystem, export_id: str, run: str) -> ItemStage: ...
def find(home: Path, system: System | RowSystem, export_id: str, run: str) -> Stage:
    """This run's own stage of the export, else the newest complete one. Raises InputError when there is none."""
    folder = home / "stage" / system.name / export_id
    own = folder / run
    if (own / "summary.json").exists():
        return stage_at(own, system)
    complete = sorted(folder.glob("*/summary.json"), key=lambda path: path.stat().st_mtime)
    if not complete:
        raise InputError(f"export {export_id} has not been decoded", remedy="Materialise its rows first, then this.")
    return stage_at(complete[-1].parent, system)


def prune(home: Path, system: System | RowSystem, export_id: str, own: str = "") -> None:
    """Remove stages of this export beyond the newest few, so that reruns don't fill the disk; never the `own` run's.

    Newest by the clock, which may have been set back since: hence the exception. What killed processes left of stages
    they were filling goes too, of whatever export.
    """
    folder = home / "stage" / system.name / export_id
    by_age = sorted(folder.glob("*/summary.json"), key=lambda path: path.stat().st_mtime, reverse=True)
    for summary in by_age[_KEPT:]:
        if summary.parent.name != own:
            shutil.rmtree(summary.parent, ignore_errors=True)
    for lock in (home / "stage" / system.name).glob(f"*/*/{_FILLING}"):
        with suppress(Timeout), FileLock(lock, timeout=0):
            if not (lock.parent / "summary.json").exists():
                shutil.rmtree(lock.parent, ignore_errors=True)
