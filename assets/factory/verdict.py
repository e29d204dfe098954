"""A run's verdict: the target compared with the stage; kept beside it for JSON and report.

Small tables are read back whole. Large ones are fingerprinted first, where they lie, and only buckets that differ are
read back; both find the same differences. Here, and only here, is decided which.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Literal

import orjson
import psycopg
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from billio_pipeline import progress
from billio_pipeline.errors import ConfigurationError
from billio_pipeline.migrate.stage import Stage
from billio_pipeline.model.entity import System
from billio_pipeline.room import room
from billio_pipeline.stores.sql import fingerprint as in_target
from billio_pipeline.stores.sql.readback import read_table
from billio_pipeline.stores.sql.target import Target
from billio_pipeline.verify import fingerprint as staged_side
from billio_pipeline.verify.fingerprint import Buckets
from billio_pipeline.verify.reconcile import Verdict, reconcile, spool
from billio_pipeline.verify.spot import spot_check

Mode = Literal["auto", "full", "fingerprint"]

# From here on `auto` fingerprints first. Measured, CPU of both sides: 1.4 s both ways at 50 k rows, 2.8 against 4.0 at
# 200 k, 11.5 s against 24.7 at 1 M. Below, reading everything back costs as little and is simpler to trust.
FINGERPRINT_ROWS = 100_000
# When more of the rows than this lie in buckets that differ, reading everything in one go costs less.
MOST_READ = 0.2

# What a target answers that lacks a function or a type the fingerprint is written with.
_LACKS = (psycopg.errors.FeatureNotSupported, psycopg.errors.UndefinedFunction, psycopg.errors.UndefinedObject)
_Rows = Callable[[list[str]], pa.Table]


def require_table(target: Target, system: System) -> None:
    """Raise ConfigurationError when the target has no table of this system."""
    with target.connection() as connection:
        found = connection.execute("SELECT to_regclass(%s)", (f"public.{system.target.name}",)).fetchone()
    if not found or found[0] is None:
        raise ConfigurationError(
            f"the target {target.name} has no table {system.target.name}",
            remedy="Name the right database with --target, or load it first: billio migrate.",
        )


def judge(stage: Stage, target: Target, mode: Mode = "auto") -> Verdict:
    """Compare the whole target table with every staged row. Writes verdict.json into the stage.

    Raises ConfigurationError when the target has no such table, or can't do what an explicit `mode` needs, or when the
    disk is full.
    """
    require_table(target, stage.system)
    with room(stage.path):
        return _judged(stage, target, mode)


def _judged(stage: Stage, target: Target, mode: Mode) -> Verdict:
    system = stage.system
    folder = stage.path / "verdict"
    folder.mkdir(parents=True, exist_ok=True)
    started = time.perf_counter()
    compared = None
    if mode == "fingerprint" or (mode == "auto" and _accepted(stage) >= FINGERPRINT_ROWS):
        compared = _by_fingerprint(stage, target, folder, mode)
    verdict, rows, read = compared or _full(stage, target, folder)
    verdict.seconds["compare"] = round(time.perf_counter() - started, 3)
    spots = [
        {**spot, "source": orjson.loads(spot["source"])["Item"]}
        for spot in spot_check(system, _paths(stage), stage.dropped, read)
    ]
    (folder / "target.parquet").unlink()
    values = {
        **asdict(verdict),
        "path": str(verdict.path),
        "rows": rows,
        "spot_check": spots,
        "target": target.name,
        "profile": target.profile.name,
    }
    (folder / "verdict.json").write_bytes(orjson.dumps(values, default=str))
    return verdict


def _full(stage: Stage, target: Target, folder: Path) -> tuple[Verdict, int, _Rows]:
    """Read the table back and compare every row; the verdict, the rows there are, and how to read some again."""
    system, back = stage.system, folder / "target.parquet"
    pages = read_table(target, system.target.name, system.columns, system.target.key)
    started = time.perf_counter()
    rows = spool(_told(pages), back, system.arrow_schema())
    seconds = round(time.perf_counter() - started, 3)
    verdict = reconcile(system, _paths(stage), stage.dropped, back, folder / "differences.parquet")
    verdict.compared = rows
    verdict.seconds["read_back"] = seconds

    def read(keys: list[str]) -> pa.Table:
        return pq.read_table(back, filters=pc.field(system.target.key).isin(keys))

    return verdict, rows, read


def _by_fingerprint(stage: Stage, target: Target, folder: Path, mode: Mode) -> tuple[Verdict, int, _Rows] | None:
    """As `_full`, of those buckets only that differ. None when the target lacks what it takes, or most rows differ."""
    system, back = stage.system, folder / "target.parquet"
    where = (target, system.target.name, system.columns, system.target.key)
    started = time.perf_counter()
    length = staged_side.staged_length(system, _paths(stage), stage.dropped)
    with ThreadPoolExecutor(1) as beside:  # both sides at once: one is the database's work, one ours
        asked = beside.submit(in_target.fingerprint, *where, length)
        ours = staged_side.fingerprint(system, _paths(stage), stage.dropped, length)
        try:
            theirs = asked.result()
        except _LACKS as error:
            if mode == "auto":
                return None
            raise ConfigurationError(
                f"{target.name} can't compute fingerprints: {error}", remedy="Compare with --mode full."
            ) from error
    fingerprinted = time.perf_counter()
    starts = staged_side.differing(ours, theirs)
    rows = sum(count for count, _, _ in theirs.values())
    progress.tell("fingerprint", rows, rows)
    if mode == "auto" and sum(theirs[start][0] for start in starts & theirs.keys()) > MOST_READ * rows:
        return None
    pages = in_target.read_buckets(*where, length, starts)
    compared = spool(_told(pages), back, system.arrow_schema())
    verdict = reconcile(
        system, _paths(stage), stage.dropped, back, folder / "differences.parquet", only=Buckets(length, starts)
    )
    verdict.mode, verdict.buckets, verdict.compared = "fingerprint", len(starts), compared
    verdict.seconds["fingerprint"] = round(fingerprinted - started, 3)
    return verdict, rows, lambda keys: in_target.read_keys(*where, keys)


def _told(pages: Iterable[pa.Table]) -> Iterator[pa.Table]:
    for page in pages:
        progress.tell("read back", page.num_rows)
        yield page


def _paths(stage: Stage) -> dict[str, list[Path]]:
    return {entity.name: stage.rows(entity.name) for entity in stage.system.entities}


def _accepted(stage: Stage) -> int:
    return sum(counts["accepted"] for counts in stage.summary["counts"].values())
