"""AlgoItny's 33 access patterns over its DynamoDB tables. Answers are rows: ids int, times µs since 1970 UTC."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from assets.algoitny.repository.counters import Counters, SourceCounts, seed_counters, source_counts
from assets.algoitny.repository.history import Histories
from assets.algoitny.repository.items import Answer, Items, Tables
from assets.algoitny.repository.jobs import Jobs
from assets.algoitny.repository.moments import now
from assets.algoitny.repository.paging import Page
from assets.algoitny.repository.usage import Usage

__all__ = ["Answer", "Page", "Repository", "SourceCounts", "Tables", "seed_counters", "source_counts"]


class Repository(Histories, Usage, Jobs):
    """Every pattern as one method, its number in the docstring. Safe to share between threads, as its client is.

    `client`: a low-level DynamoDB client; `clock`: what time it is, for what is written and for what "today" means.
    """

    def __init__(self, client: Any, tables: Tables | None = None, clock: Callable[[], datetime] = now) -> None:
        self.items = Items(client, tables or Tables())
        self.counters = Counters(self.items)
        self.clock = clock
        self.problem_keys = {}
