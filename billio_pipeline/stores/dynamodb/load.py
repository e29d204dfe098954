"""Batches of items into a table that is ours alone, each with its ledger entry after it; safe to repeat and to kill."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from billio_pipeline.clock import Clock
from billio_pipeline.stores.dynamodb import ledger
from billio_pipeline.stores.dynamodb.ledger import Entry
from billio_pipeline.stores.dynamodb.read_back import absent
from billio_pipeline.stores.dynamodb.write import Refused, Writer


@dataclass(frozen=True)
class Batch:
    """Wire items of one entity from one file, and what the ledger will say of them."""

    entry: Entry
    items: Sequence[Mapping[str, dict[str, Any]]]


@dataclass
class Loaded:
    """What a load did. `items` were written now, `present` were there already, `units` is what writing consumed."""

    batches: int = 0
    items: int = 0
    present: int = 0
    refused: list[tuple[Entry, Refused]] = field(default_factory=list)
    units: float = 0.0
    seconds: float = 0.0
    clock_jump: float = 0.0
    retries: dict[str, int] = field(default_factory=dict)


def load(
    writer: Writer,
    batches: Iterable[Batch],
    committed: Collection[str],
    *,
    progress: Callable[[int], None] | None = None,
) -> Loaded:
    """Write all batches. Of one whose id is among `committed`, as the ledger lists them, only what isn't there.

    `progress` is told items settled, batch by batch. Raises TransientError when the error budget is used up; what was
    written stays, and loading again takes it up.
    """
    done, clock, started = Loaded(), Clock(), time.perf_counter()
    for batch in batches:
        items = batch.items
        if batch.entry.batch_id in committed:
            items = absent(writer.client, writer.table, items, retries=writer.tries.retries)
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
