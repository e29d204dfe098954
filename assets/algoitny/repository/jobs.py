"""Script generation jobs: patterns 19 to 22."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from assets.algoitny.model import JOB
from assets.algoitny.repository.changes import check_columns
from assets.algoitny.repository.counters import Counters
from assets.algoitny.repository.items import METADATA, Answer, Items, answer
from assets.algoitny.repository.moments import micros
from assets.algoitny.repository.paging import Page, Timeline, page
from billio_pipeline.errors import InputError, TargetError
from billio_pipeline.model.canonical import jsonb_text

STATUSES = ("PENDING", "PROCESSING", "COMPLETED", "FAILED")
JOB_TYPES = ("script_generation", "problem_extraction")
# A new job, where its writer says nothing; and what of a job changes.
NEW_JOB: Mapping[str, Any] = {
    "title": "", "problem_url": None, "tags": [], "solution_code": None, "language": None, "constraints": None,
    "status": "PENDING", "celery_task_id": None, "generator_code": None, "error_message": None,
}  # fmt: skip


class Jobs:
    """Reads and writes of jobs."""

    items: Items
    counters: Counters
    clock: Callable[[], datetime]

    def create_job(self, job_type: str, platform: str, problem_id: str, /, **columns: Any) -> Answer:
        """Pattern 19. Add a job; what is not given is as NEW_JOB has it. Raises InputError."""
        now = micros(self.clock())
        row = {**job_columns(job_type, {**NEW_JOB, **columns}), "platform": platform, "problem_id": problem_id}
        row |= {"id": self.counters.next_id(JOB), "created_at": now, "updated_at": now}
        if not self.items.create(JOB, row):
            raise TargetError(f"a job {row['id']} is there already", remedy="Seed the counters again.")
        return answer(JOB, row)

    def job_by_id(self, id: int) -> Answer | None:
        """Pattern 20. The job of that id, as it is now."""
        row = self.items.get_row(JOB, job_key(id))
        return row and answer(JOB, row)

    def jobs_by_type(self, job_type: str, *, limit: int = 50, after: str | None = None) -> Page:
        """Pattern 21. Jobs of a type, newest first."""
        stream = Timeline(self.items, JOB, f"JOBTYPE#{job_type}", 1).newest_first
        return page(JOB, ["jobs_by_type", job_type], limit, after, stream)

    def update_job(self, id: int, /, **columns: Any) -> Answer | None:
        """Pattern 22. Change a job; its places by status and by task change with it. None when there is none.

        Raises InputError for columns that don't change.
        """
        changed = job_columns(None, columns) | {"updated_at": micros(self.clock())}
        row = self.items.rewrite(JOB, job_key(id), METADATA, lambda row: row | changed)
        return row and answer(JOB, row)


def job_columns(job_type: str | None, columns: Mapping[str, Any]) -> dict[str, Any]:
    """Columns as a row has them, of a new job when `job_type` is given. Raises InputError."""
    check_columns(columns, NEW_JOB)
    if job_type is not None and job_type not in JOB_TYPES:
        raise InputError(f"no job is of type {job_type!r}", remedy=f"Name one of: {', '.join(JOB_TYPES)}.")
    if columns.get("status", STATUSES[0]) not in STATUSES:
        raise InputError(f"no status is called {columns['status']!r}", remedy=f"Name one of: {', '.join(STATUSES)}.")
    tags = {"tags": jsonb_text(columns["tags"])} if "tags" in columns else {}
    return {**columns, **tags, **({"job_type": job_type} if job_type is not None else {})}


def job_key(id: int) -> str:
    """The partition of a job."""
    return f"JOB#{id}"
