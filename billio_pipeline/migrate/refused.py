"""Rows the target itself refused join the quarantine, with the item's original line."""

from __future__ import annotations

import os
from collections.abc import Iterable

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from billio_pipeline.migrate.load import Loaded
from billio_pipeline.migrate.stage import QUARANTINE, Stage


def add_refused(stage: Stage, done: Iterable[Loaded]) -> None:
    """Write the rows refused in `done` into the stage's quarantine and move them from accepted to quarantined."""
    rows = [
        {
            "reason": refusal.reason.value,
            "message": refusal.message,
            "entity": batch.entity,
            "key": batch.rows[stage.system.target.key][0].as_py(),
            "file": batch.file,
            "line": batch.first_line,
            "original": _original(stage, batch.entity, batch.file, batch.first_line),
        }
        for each in done
        for batch, refusal in each.refused
    ]
    if not rows:
        return
    known = pq.read_table(stage.quarantine, schema=QUARANTINE)
    partial = stage.path / "quarantine.partial"
    pq.write_table(pa.concat_tables([known, pa.Table.from_pylist(rows, QUARANTINE)]), partial, compression="zstd")
    os.replace(partial, stage.quarantine)
    dropped = pq.read_table(stage.dropped)
    files = stage.files()
    more = [
        {
            **{name: row[name] for name in ("entity", "key", "line", "reason", "message")},
            "file": files.index(row["file"]),
        }
        for row in rows
    ]
    gone = pa.Table.from_pylist([{**each, "outcome": "quarantined"} for each in more], dropped.schema)
    partial = stage.path / "dropped.partial"
    pq.write_table(pa.concat_tables([dropped, gone]), partial, compression="zstd")
    os.replace(partial, stage.dropped)
    summary = stage.summary
    for row in rows:
        summary["counts"][row["entity"]]["quarantined"] += 1
        summary["counts"][row["entity"]]["accepted"] -= 1
    stage.complete(summary)


def _original(stage: Stage, entity: str, file: str, line: int) -> bytes:
    path = stage.path / "rows" / entity / f"{stage.files().index(file):06d}.parquet"
    table = pq.read_table(path, columns=["_line", "_source"], filters=[("_line", "=", line)])
    return table.filter(pc.equal(table["_line"], line))["_source"][0].as_py()
