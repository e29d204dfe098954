"""sling 1.4.11, as its documentation shows it: a folder of gzipped JSON lines into a PostgreSQL table."""

from __future__ import annotations

import json

from benchmarks.bench import Bench
from benchmarks.measure import Run, watch

# Told beforehand, so that it need not guess from a sample; it names no type for uuid.
_TYPES = {
    "id": "string", "rating": "integer", "image_width": "integer", "image_height": "integer",
    "added_at": "timestampz", "moved_at": "timestampz", "data": "json",
}  # fmt: skip


def sling(bench: Bench) -> Run:
    """Rows as plain JSON, made beforehand and not counted: it reads no DynamoDB JSON. Then the indexes."""
    binary = bench.venvs["sling"].file("sling_linux_amd64/bin/sling-linux-amd64")
    data = bench.small
    with bench.server.database() as dsn:
        sling_home = str(bench.folder / "sling")
        environment = bench.environment(
            dsn, BENCH_PG=f"{dsn}?sslmode=disable", SLING_HOME_DIR=sling_home, SLING_LOADED_AT_COLUMN="false",
            SLING_DISABLE_TELEMETRY="true",
        )  # fmt: skip
        done = watch(
            [
                binary, "run", "--src-stream", f"file://{data.rows}/", "--src-options",
                json.dumps({"format": "jsonlines", "flatten": True}), "--tgt-conn", "BENCH_PG",
                "--tgt-object", "public.items", "--mode", "full-refresh", "--columns", json.dumps(_TYPES),
            ],
            items=data.items, postmaster=bench.server.pid, log=bench.folder / "sling.log", environment=environment,
        )  # fmt: skip
        return bench.finished(done, dsn)
