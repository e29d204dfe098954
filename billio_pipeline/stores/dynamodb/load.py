"""Batches of items into a table that is ours alone, each with its ledger entry after it; safe to repeat and to kill."""

from __future__ import annotations

import time
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from billio_pipeline.clock import Clock
from billio_pipeline.model.keys import item_key_text
from billio_pipeline.stores.dynamodb import ledger
from billio_pipeline.stores.dynamodb.ledger import Entry
from billio_pipeline.stores.dynamodb.read_back import compare
from billio_pipeline.stores.dynamodb.write import Refused, Writer

KEPT = 100  # conflicting keys named; all of them are found again by verify


@dataclass(frozen=True)
class Batch:
    """Wire items of one entity from one file, and what the ledger will say of them."""

    entry: Entry
    items: Sequence[Mapping[str, dict[str, Any]]]


@dataclass
class Loaded:
    """What a load did. `items` were written now, `present` were there already; of these `conflicts` differ and stayed.
    `units` is what writing consumed."""

    batches: int = 0
    items: int = 0
    present: int = 0
    conflicts: int = 0
    conflict_keys: list[str] = field(default_factory=list)
    refused: list[tuple[Entry, Refused]] = field(default_factory=list)
    units: float = 0.0
    seconds: float = 0.0
    clock_jump: float = 0.0
    retries: dict[str, int] = field(default_factory=dict)


def load(
    writer: Writer,
    batches: Iterable[Batch],
    committed: Container[str],
    *,
    replace: bool = True,
    progress: Callable[[int], None] | None = None,
) -> Loaded:
    """Write all batches. Of one whose id is among `committed`, as the ledger lists them, only what isn't there; what is
    there and differs is replaced, or stays and is a conflict.

    `progress` is told items settled, batch by batch. Raises TransientError when the error budget is used up; what was
    written stays, and loading again takes it up.
    """
    done, clock, started = Loaded(), Clock(), time.perf_counter()
    for batch in batches:
        items = batch.items
        if batch.entry.batch_id in committed:
            missing, different = compare(writer.client, writer.table, items, retries=writer.tries.retries)
            items = missing
            if replace:
                items = [*missing, *different]
            else:
                done.conflicts += len(different)
                keys = (item_key_text(writer.table, item) for item in different[: KEPT - len(done.conflict_keys)])
                done.conflict_keys += [key for key in keys if isinstance(key, str)]
        done.refused += [(batch.entry, refused) for refused in writer.write(items)]
        ledger.record(writer.client, batch.entry, retries=writer.tries.retries)
        done.batches += 1
        done.present += len(batch.items) - len(items)
        if progress:
            progress(len(batch.items))
    done.items = writer.items
    done.units = writer.units
    done.seconds = time.perf_counter() - started
    done.clock_jump = clock.jump("the load")
    done.retries = writer.tries.retries.as_dict()
    return done
