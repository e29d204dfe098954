"""Script generation jobs in SQL: patterns 19 to 22."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, LiteralString

from assets.algoitny.model import JOB
from assets.algoitny.queries.source import Source
from assets.algoitny.repository.items import Answer, answer
from assets.algoitny.repository.jobs import NEW_JOB, job_columns
from assets.algoitny.repository.moments import micros
from assets.algoitny.repository.paging import Page, page

BY_ID: LiteralString = "SELECT {columns} FROM script_generation_jobs WHERE id = %(id)s"


class Jobs:
    """Reads and writes of jobs."""

    source: Source
    clock: Callable[[], datetime]

    def create_job(self, job_type: str, platform: str, problem_id: str, /, **columns: Any) -> Answer:
        """Pattern 19."""
        now = micros(self.clock())
        row = {**job_columns(job_type, {**NEW_JOB, **columns}), "platform": platform, "problem_id": problem_id}
        with self.source.connection.transaction():
            return answer(JOB, self.source.insert(JOB, row | {"created_at": now, "updated_at": now}))

    def job_by_id(self, id: int) -> Answer | None:
        """Pattern 20."""
        row = self.source.row(BY_ID, JOB, id=id)
        return row and answer(JOB, row)

    def jobs_by_type(self, job_type: str, *, limit: int = 50, after: str | None = None) -> Page:
        """Pattern 21."""
        rows = self.source.newest_first(JOB, "job_type = %(job_type)s", job_type=job_type)
        return page(JOB, ["jobs_by_type", job_type], limit, after, rows)

    def update_job(self, id: int, /, **columns: Any) -> Answer | None:
        """Pattern 22."""
        change = job_columns(None, columns) | {"updated_at": micros(self.clock())}
        with self.source.connection.transaction():
            row = self.source.update(JOB, change, "id = %(id)s", id=id)
            return row and answer(JOB, row)
