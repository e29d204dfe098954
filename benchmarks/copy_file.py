"""What psql does alone: \\copy BINARY of a file encoded beforehand, and a full join of two tables."""

from __future__ import annotations

import os
from pathlib import Path

from benchmarks import plain
from benchmarks.data import Data
from benchmarks.measure import Run, watch
from benchmarks.servers import Server, libpq_environment
from benchmarks.stages import StageTime


def copy_in(server: Server, dsn: str, data: Data, folder: Path) -> Run:
    """Load the encoded rows into `items`, which has its primary key and nothing else."""
    names = ", ".join(plain.COLUMNS)
    return _psql(server, dsn, data, folder, f"\\copy items ({names}) FROM '{data.encoded}' WITH (FORMAT binary)")


def full_join(server: Server, dsn: str, data: Data, folder: Path) -> Run:
    """Count the rows of `reference` and `items` that differ or that one of them lacks."""
    query = "SELECT count(*) FROM reference r FULL JOIN items i USING (id) WHERE r IS DISTINCT FROM i"
    run = _psql(server, dsn, data, folder, query)
    run.stages = [StageTime("verify", *_numbers(stage)) for stage in run.stages]
    if run.error is None:
        run.facts["found"] = int((folder / "psql.log").read_text())
    return run


def _numbers(stage: StageTime) -> tuple[float, float, float, float, int]:
    return stage.began, stage.ended, stage.client, stage.server, stage.peak


def _psql(server: Server, dsn: str, data: Data, folder: Path, command: str) -> Run:
    arguments = ["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1", "--command", command]
    environment = {"PATH": os.environ.get("PATH", os.defpath), **libpq_environment(dsn)}
    return watch(
        [server.psql, *arguments], items=data.items, postmaster=server.pid, log=folder / "psql.log",
        environment=environment,
    )  # fmt: skip
