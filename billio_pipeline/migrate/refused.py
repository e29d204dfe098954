"""Rows and items the target itself refused join the quarantine, with what they were made of."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from billio_pipeline.migrate.load import Loaded
from billio_pipeline.migrate.stage import QUARANTINE, ItemStage, Stage
from billio_pipeline.model.canonical import canonical_item, content_hash
from billio_pipeline.model.refusal import Refusal


@dataclass(frozen=True)
class RefusedItem:
    """An item that its table refused, and the entity and file it is staged in."""

    entity: str
    file: str
    item: Mapping[str, Mapping[str, Any]]
    refusal: Refusal


def add_refused(stage: Stage, done: Iterable[Loaded]) -> None:
    """Move the rows refused in `done` from accepted to quarantined."""
    rows = [
        (batch.entity, batch.file, "_line", batch.first_line, stage.system.target.key, refusal)
        for each in done
        for batch, refusal in each.refused
    ]
    _add(stage, [_row(stage, *row) for row in rows])


def add_refused_items(stage: ItemStage, refused: Iterable[RefusedItem]) -> None:
    """Move the items from accepted to quarantined."""
    _add(
        stage,
        [
            _row(stage, each.entity, each.file, "_hash", content_hash(canonical_item(each.item)), "_key", each.refusal)
            for each in refused
        ],
    )


def _row(
    stage: Stage, entity: str, file: str, by: str, value: int | bytes, key: str, refusal: Refusal
) -> dict[str, Any]:
    """A row of the quarantine: of the staged row whose column `by` holds `value`."""
    path = stage.path / "rows" / entity / f"{stage.files().index(file):06d}.parquet"
    table = pq.read_table(path, columns=list(dict.fromkeys((by, "_line", "_source", key))))
    found = table.filter(pc.equal(table[by], pa.scalar(value, table.schema.field(by).type))).slice(0, 1).to_pylist()[0]
    return {
        "reason": refusal.reason.value,
        "message": refusal.message,
        "entity": entity,
        "key": found[key],
        "file": file,
        "line": found["_line"],
        "original": found["_source"],
    }


def _add(stage: Stage, rows: Sequence[dict[str, Any]]) -> None:
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
