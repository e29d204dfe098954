"""Staged items into their DynamoDB tables, batch by batch with a ledger; safe to repeat, and to kill."""

from __future__ import annotations

import time
from collections.abc import Container, Iterator
from typing import Any, Literal

import orjson

from billio_pipeline.clock import Clock
from billio_pipeline.migrate.batch import Batch as Staged
from billio_pipeline.migrate.stage import ItemStage
from billio_pipeline.model.tables import DynamoTable
from billio_pipeline.stores.dynamodb import ledger
from billio_pipeline.stores.dynamodb.ledger import Entry
from billio_pipeline.stores.dynamodb.load import KEPT, Batch, Loaded, load
from billio_pipeline.stores.dynamodb.put_live import LiveWriter
from billio_pipeline.stores.dynamodb.send import Progress
from billio_pipeline.stores.dynamodb.tables import is_empty
from billio_pipeline.stores.dynamodb.write import Writer

Policy = Literal["insert", "replace"]


class _Every:
    """Holds every batch id: each is compared with what is there before it is put."""

    def __contains__(self, _: object) -> bool:
        return True


_ALL: Container[str] = _Every()
_NONE: Container[str] = ()


def load_table(
    client: Any, stage: ItemStage, table: DynamoTable, policy: Policy, *, max_wcu: float | None, progress: Progress
) -> Loaded:
    """Load every staged item of one table, which must be ours alone: empty, or loaded from here before.

    A table that was empty takes all items as they are. Else each batch is compared with what is there first: what is
    missing is put; what differs stays and is counted (policy insert), or becomes ours (replace). Raises TargetError
    when the table isn't there or holds another's items, TransientError when the error budget is used up.
    """
    ledger.create(client)
    blind = is_empty(client, table.name)
    ledger.claim(client, table)
    with Writer(client, table, max_wcu=max_wcu, progress=lambda items: progress(0)) as writer:
        compared = _NONE if blind else _ALL
        return load(writer, _batches(stage, table), compared, replace=policy == "replace", progress=progress)


def load_live_table(
    client: Any, stage: ItemStage, table: DynamoTable, *, max_wcu: float | None, progress: Progress
) -> Loaded:
    """Load into a table that others write to meanwhile: each item is put where its key is absent, or in place of one
    that is no newer by the attribute its entity names; what stays as others wrote it is a conflict."""
    ledger.create(client)
    done, clock, started = Loaded(), Clock(), time.perf_counter()
    with LiveWriter(client, table, max_wcu=max_wcu, progress=lambda items: progress(0)) as writer:
        for batch in _batches(stage, table):
            put = writer.put(batch.items, newer_by=stage.system.by_name[batch.entry.entity].newer_by)
            ledger.record(client, batch.entry, retries=writer.tries.retries)
            done.batches += 1
            done.items += put.items
            done.present += put.present + put.conflicts
            done.conflicts += put.conflicts
            done.conflict_keys += put.conflict_keys[: KEPT - len(done.conflict_keys)]
            done.refused += [(batch.entry, refused) for refused in put.refused]
            progress(len(batch.items))
        done.units, done.retries = writer.units, writer.tries.retries.as_dict()
    done.seconds, done.clock_jump = time.perf_counter() - started, clock.jump("the load")
    return done


def _batches(stage: ItemStage, table: DynamoTable) -> Iterator[Batch]:
    export_id, files = stage.summary["export"]["id"], stage.files()
    for entity in stage.system.within(table):
        for index, rows in stage.batches(entity.name, also=("_hash", "_item")):
            staged = Staged(export_id, entity.name, files[index], rows)
            entry = Entry(
                staged.id, export_id, entity.name, staged.file, staged.first_line, rows.num_rows, staged.content_hash
            )
            yield Batch(entry, [orjson.loads(item) for item in rows["_item"].to_pylist()])
