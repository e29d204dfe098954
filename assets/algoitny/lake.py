"""AlgoItny's items for analytics: one Parquet file of typed columns per entity; usage logs with the archived ones.

A full export is a new version beside the old: current.json names the one that counts, and is written last. Older
versions stay for readers that have them open; removing their folders clears them.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pyarrow.parquet as pq

from assets.algoitny.archived import fetch_snapshot, fetch_usage, newest_snapshot, with_expired
from assets.algoitny.model import SYSTEM, USAGE
from billio_pipeline import progress
from billio_pipeline.duck import connect
from billio_pipeline.migrate.rows_back import RowsBack, rows_back
from billio_pipeline.model.entity import RowSystem
from billio_pipeline.room import room
from billio_pipeline.stores.objects import ObjectStore
from billio_pipeline.verify.sides import literal

_CURRENT = "current.json"
_AT_ONCE = 1_000  # rows in memory


@dataclass(frozen=True)
class Lake:
    """One export: its Parquet file by source table (keys of the store), and rows by table, of which `archived` usage
    logs come from the archive."""

    version: str
    files: dict[str, str]
    rows: dict[str, int]
    archived: int


def export_lake(
    client: Any, archive: ObjectStore | None, store: ObjectStore, work: Path, *, system: RowSystem = SYSTEM
) -> tuple[Lake, RowsBack]:
    """Read the tables and write them as one version; what was read, too. `work` is an empty folder with room for it.

    Usage logs that only the archive has are united with the table's, by id.
    """
    with room(work):
        back = rows_back(client, system, work / "rows", progress=lambda items: progress.tell("read the tables", items))
        usage = work / "usage.parquet"
        archived = _united(back.files[USAGE.name], archive, usage, work) if archive else 0
        files = {e.table.name: back.files[e.name] for e in system.entities}
        if archived:
            files[USAGE.table.name] = usage
        version = f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(4)}"
        keys = {table: f"versions/{version}/{table}.parquet" for table in files}
        for table, path in files.items():
            with path.open("rb") as file:
                store.write(keys[table], file)
            progress.tell("write", 1, len(files))
    lake = Lake(version, keys, {table: pq.read_metadata(path).num_rows for table, path in files.items()}, archived)
    store.write(_CURRENT, orjson.dumps(asdict(lake), option=orjson.OPT_INDENT_2))
    return lake, back


def expected(back: RowsBack, lake: Lake, system: RowSystem = SYSTEM) -> Mapping[str, int]:
    """The rows each table must have, by what was read."""
    counts = {entity.table.name: back.rows[entity.name] for entity in system.entities}
    return counts | {USAGE.table.name: counts[USAGE.table.name] + lake.archived}


def _united(logs: Path, archive: ObjectStore, to: Path, work: Path) -> int:
    """Write the table's logs and those that only the archive has to one file, by id; how many these are."""
    kept = fetch_usage(archive, work / "archive")
    snapshot: list[Path] = []
    if newest_snapshot(archive) is not None:
        snapshot = fetch_snapshot(archive, work / "archive", [USAGE.table.name]).files(USAGE.table.name)
    columns = ", ".join([f'"{column.name}"' for column in USAGE.columns])
    there = f"SELECT {columns} FROM read_parquet({literal(str(logs))})"  # noqa: S608
    with connect(work / "usage.duckdb") as db:
        held = with_expired(logs, snapshot, datetime.now(UTC)) if snapshot else there
        db.execute(f"CREATE TABLE united AS {held}")
        for path in kept:  # the newest snapshot's rows first: an id is taken once
            db.execute(
                f"INSERT INTO united SELECT {columns} FROM read_parquet($1) ANTI JOIN united USING (id)",  # noqa: S608
                [str(path)],
            )
        with pq.ParquetWriter(to, USAGE.arrow_schema(), compression="zstd") as writer:
            for batch in db.sql("FROM united ORDER BY id").to_arrow_reader(_AT_ONCE):
                writer.write_batch(batch.cast(USAGE.arrow_schema()))
        ((rows,),) = db.sql("SELECT count(*) FROM united").fetchall()
    return rows - pq.read_metadata(logs).num_rows
