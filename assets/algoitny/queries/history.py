"""Search history in SQL: patterns 7 to 12, 17, 18 and 31."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, LiteralString

from assets.algoitny.model import HISTORY, PROBLEM
from assets.algoitny.queries.problems import BY_KEY
from assets.algoitny.queries.source import Source
from assets.algoitny.repository.history import history_row
from assets.algoitny.repository.items import Answer, answer
from assets.algoitny.repository.moments import micros
from assets.algoitny.repository.paging import Page, page
from billio_pipeline.errors import InputError
from billio_pipeline.model.canonical import jsonb_text

# IS NOT DISTINCT FROM would find NULL, too, but no index.
OWN: LiteralString = "user_id = %(user_id)s OR (%(user_id)s::bigint IS NULL AND user_id IS NULL)"
FILTERED: LiteralString = """
(%(platform)s::text IS NULL OR platform = %(platform)s) AND (%(language)s::text IS NULL OR language = %(language)s)
"""
DETAIL: LiteralString = """
SELECT {columns} FROM search_history
 WHERE id = %(id)s AND user_id IS NOT DISTINCT FROM %(user_id)s
"""
COUNTED: LiteralString = """
UPDATE problems
   SET metadata = jsonb_set(metadata, ARRAY['execution_count'],
                            to_jsonb(COALESCE((metadata ->> 'execution_count')::numeric, 0) + 1))
 WHERE id = %(id)s RETURNING {columns}
"""
STATS: LiteralString = """
SELECT platform, language, count(*) AS entries,
       sum(passed_count) AS passed, sum(failed_count) AS failed, sum(total_count) AS total
  FROM search_history
 WHERE user_id = %(user_id)s OR (%(user_id)s::bigint IS NULL AND user_id IS NULL)
 GROUP BY platform, language
 ORDER BY platform COLLATE "C", language COLLATE "C" NULLS LAST
"""


class Histories:
    """Reads and writes of search history."""

    source: Source
    clock: Callable[[], datetime]

    def user_history(self, user_id: int | None, *, limit: int = 50, after: str | None = None) -> Page:
        """Pattern 7."""
        rows = self.source.newest_first(HISTORY, OWN, user_id=user_id)
        return page(HISTORY, ["user_history", user_id], limit, after, rows)

    def public_history(self, *, limit: int = 50, after: str | None = None) -> Page:
        """Pattern 8."""
        return page(HISTORY, ["public_history"], limit, after, self.source.newest_first(HISTORY, "is_code_public"))

    def own_and_public_history(self, user_id: int, *, limit: int = 50, after: str | None = None) -> Page:
        """Pattern 9."""
        rows = self.source.newest_first(HISTORY, "user_id = %(user_id)s OR is_code_public", user_id=user_id)
        return page(HISTORY, ["own_and_public_history", user_id], limit, after, rows)

    def history_detail(self, user_id: int | None, history_id: int, created_at: int | None = None) -> Answer | None:
        """Pattern 10. The time is the target's way to find it; here the id is enough."""
        row = self.source.row(DETAIL, HISTORY, id=history_id, user_id=user_id)
        return row and answer(HISTORY, row)

    def filter_history(
        self, *, platform: str | None = None, language: str | None = None, limit: int = 50, after: str | None = None
    ) -> Page:
        """Pattern 11."""
        if platform is None and language is None:
            raise InputError("neither a platform nor a language to filter by", remedy="Give one, or both.")
        rows = self.source.newest_first(HISTORY, FILTERED, platform=platform, language=language)
        return page(HISTORY, ["filter_history", platform, language], limit, after, rows)

    def create_history(
        self, platform: str, problem_id: str, *, user_id: int | None, user_identifier: str, **columns: Any
    ) -> Answer | None:
        """Pattern 12."""
        row = history_row(columns) | {"user_id": user_id, "user_identifier": user_identifier}
        with self.source.connection.transaction():
            problem = self.source.row(BY_KEY, PROBLEM, platform=platform, problem_id=problem_id)
            if problem is None:
                return None
            about = {"problem_id": problem["id"], "problem_number": problem_id, "problem_title": problem["title"]}
            row |= about | {"platform": platform, "created_at": micros(self.clock())}
            self.source.rows(COUNTED, PROBLEM, id=problem["id"])
            return answer(HISTORY, self.source.insert(HISTORY, row))

    def set_hints(
        self, user_id: int | None, history_id: int, hints: Any, created_at: int | None = None
    ) -> Answer | None:
        """Pattern 17."""
        change = {"hints": None if hints is None else jsonb_text(hints)}
        condition: LiteralString = "id = %(id)s AND user_id IS NOT DISTINCT FROM %(owner)s"
        row = self.source.update(HISTORY, change, condition, id=history_id, owner=user_id)
        return row and answer(HISTORY, row)

    def hints(self, user_id: int | None, history_id: int, created_at: int | None = None) -> Any:
        """Pattern 18."""
        found = self.history_detail(user_id, history_id)
        return found and found["hints"]

    def user_stats(self, user_id: int | None) -> list[Answer]:
        """Pattern 31."""
        return self.source.rows(STATS, user_id=user_id)
