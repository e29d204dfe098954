"""AlgoItny's 33 access patterns in SQL, over the Django tables: named, asked and answered as the repository's."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import psycopg

from assets.algoitny.queries.history import Histories
from assets.algoitny.queries.jobs import Jobs
from assets.algoitny.queries.source import Source
from assets.algoitny.queries.usage import Usage
from assets.algoitny.repository.moments import now

__all__ = ["Queries"]


class Queries(Histories, Usage, Jobs):
    """Every pattern as one method, its number in the docstring. For one thread, as its connection is.

    `dropped`: ids by table of rows that were excluded or quarantined, which reads then don't see; `clock` as the
    repository's.
    """

    def __init__(
        self,
        connection: psycopg.Connection[Any],
        clock: Callable[[], datetime] = now,
        dropped: Mapping[str, Sequence[int]] | None = None,
    ) -> None:
        self.source = Source(connection, dropped or {})
        self.clock = clock
