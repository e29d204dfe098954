"""DuckDB connections: bounded memory, spilling beside their work, reaching nothing else."""

from __future__ import annotations

from pathlib import Path

import duckdb

# Below what two decoding workers hold, so that no join is the peak of a run. Measured: settling 1 M keys needs 128 MB.
MEMORY = "256MB"


def connect(database: Path | None = None, memory: str = MEMORY) -> duckdb.DuckDBPyConnection:
    """In memory, or in the file `database` (then it may grow beyond memory). Times are UTC; no extension is fetched."""
    config: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": memory,
        "TimeZone": "UTC",
        "autoinstall_known_extensions": "false",
    }
    db = duckdb.connect(str(database or ":memory:"), config=config)
    if database:
        db.execute("SET temp_directory = $1", [f"{database}.tmp"])
    db.execute("SET preserve_insertion_order = false")
    return db
