"""Many requests to one table at once: so many in flight, at the pace the table takes, each until it is done."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from types import TracebackType
from typing import Any, Self

from billio_pipeline.errors import TargetError
from billio_pipeline.model.tables import DynamoTable
from billio_pipeline.stores.dynamodb.rate import AdaptiveRate
from billio_pipeline.stores.dynamodb.retry import BUDGET, Budget, Tries
from billio_pipeline.stores.dynamodb.tables import Live, live
from billio_pipeline.stores.retry import BACKOFF, Backoff, Retries

REQUESTS = 16  # in flight; at 10 ms each that is more than one Python process can write

Progress = Callable[[int], None]  # items done since the last call; 0 is only a safe point


class Sender:
    """A table that is written to. A context manager: leaving it waits for the requests in flight.

    `max_wcu` caps write units per second, of the table or of its busiest index, whichever uses more. `progress` is
    called from the request threads; what it raises ends the work at that safe point. `items` counts those written, in
    `requests`, `units` what DynamoDB says that consumed.
    """

    def __init__(
        self,
        client: Any,
        table: DynamoTable,
        *,
        max_wcu: float | None = None,
        requests: int = REQUESTS,
        budget: Budget = BUDGET,
        backoff: Backoff = BACKOFF,
        retries: Retries | None = None,
        progress: Progress | None = None,
    ) -> None:
        """Raises TargetError when there is no such table or its key is another."""
        self.client = client
        self.table = table
        self.live = _fit(table, live(client, table.name))
        self.rate = AdaptiveRate(self.live.write_units, max_wcu)
        self.progress: Progress = progress or (lambda items: None)
        self.tries = Tries(
            f"table {table.name}",
            retries=retries,
            budget=budget,
            backoff=backoff,
            safe_point=lambda: self.progress(0),
        )
        self.items = 0
        self.requests = 0
        self.units = 0.0
        self.lock = threading.Lock()
        self._in_flight = requests
        self._pool = ThreadPoolExecutor(requests, thread_name_prefix="put")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if error is not None:
            self.tries.stop()
        self._pool.shutdown(cancel_futures=True)

    def each(self, jobs: Iterable[Callable[[], None]]) -> None:
        """Do all jobs, some at once. When one fails the others end at their next safe point, and its error is raised:
        a sender that failed is of no more use."""
        self.tries.begin()
        waiting: set[Future[None]] = set()
        try:
            for job in jobs:
                waiting.add(self._pool.submit(job))
                if len(waiting) >= 2 * self._in_flight:
                    waiting = _checked(waiting)
            while waiting:
                waiting = _checked(waiting)
        except BaseException:
            self.tries.stop()
            for future in waiting:
                future.cancel()
            wait(waiting)
            raise


def _checked(waiting: set[Future[None]]) -> set[Future[None]]:
    """Wait for at least one; raise what any of the finished ones raised."""
    done, rest = wait(waiting, return_when=FIRST_COMPLETED)
    for future in done:
        future.result()
    return rest


def _fit(table: DynamoTable, found: Live | None) -> Live:
    if found is None:
        raise TargetError(
            f"there is no table {table.name}", remedy="Create it first, or check its name and AWS_REGION."
        )
    if found.key != table.key:
        raise TargetError(
            f"table {table.name}: its key is {found.key}, declared is {table.key}",
            remedy="Name another table: the key of one can't be changed.",
        )
    return found
