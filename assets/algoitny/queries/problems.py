"""Problems and their test cases in SQL: patterns 1 to 6 and 13."""

from __future__ import annotations

from typing import LiteralString

from assets.algoitny.model import PROBLEM, TEST_CASE
from assets.algoitny.queries.source import Source
from assets.algoitny.repository.items import Answer, answer
from assets.algoitny.repository.paging import Page, page
from assets.algoitny.repository.problems import lower

BY_ID: LiteralString = "SELECT {columns} FROM problems WHERE id = %(id)s"
BY_KEY: LiteralString = "SELECT {columns} FROM problems WHERE platform = %(platform)s AND problem_id = %(problem_id)s"
FILTERED: LiteralString = """
NOT is_deleted
   AND (%(platform)s::text IS NULL OR platform = %(platform)s)
   AND (%(language)s::text IS NULL OR language = %(language)s)
   AND (%(title)s::text IS NULL OR position(%(title)s IN lower(title)) > 0)
"""
TEST_CASES: LiteralString = """
SELECT {columns} FROM test_cases
 WHERE problem_id = (SELECT id FROM problems WHERE platform = %(platform)s AND problem_id = %(problem_id)s)
 ORDER BY created_at, id
"""
COMPLETE: LiteralString = "platform = %(platform)s AND problem_id = %(number)s"


class Problems:
    """Reads of problems and test cases, and what completes a problem."""

    source: Source

    def problem_by_id(self, id: int) -> Answer | None:
        """Pattern 1."""
        row = self.source.row(BY_ID, PROBLEM, id=id)
        return row and answer(PROBLEM, row)

    def problem_by_key(self, platform: str, problem_id: str) -> Answer | None:
        """Pattern 2."""
        row = self.source.row(BY_KEY, PROBLEM, platform=platform, problem_id=problem_id)
        return row and answer(PROBLEM, row)

    def filter_problems(
        self,
        *,
        platform: str | None = None,
        title: str | None = None,
        language: str | None = None,
        limit: int = 50,
        after: str | None = None,
    ) -> Page:
        """Pattern 3. What case is, the database's collation says."""
        small = None if title is None else lower(title)
        rows = self.source.newest_first(PROBLEM, FILTERED, platform=platform, title=small, language=language)
        return page(PROBLEM, ["filter_problems", platform, title, language], limit, after, rows)

    def completed_problems(self, *, limit: int = 50, after: str | None = None) -> Page:
        """Pattern 4."""
        rows = self.source.newest_first(PROBLEM, "is_completed AND NOT is_deleted")
        return page(PROBLEM, ["completed_problems"], limit, after, rows)

    def draft_problems(self, *, limit: int = 50, after: str | None = None) -> Page:
        """Pattern 5."""
        rows = self.source.newest_first(PROBLEM, "NOT is_completed AND NOT is_deleted")
        return page(PROBLEM, ["draft_problems"], limit, after, rows)

    def problem_with_test_cases(self, platform: str, problem_id: str) -> Answer | None:
        """Pattern 6."""
        problem = self.problem_by_key(platform, problem_id)
        return problem and {"problem": problem, "test_cases": self.test_cases(platform, problem_id)}

    def test_cases(self, platform: str, problem_id: str) -> list[Answer]:
        """Pattern 13."""
        rows = self.source.rows(TEST_CASES, TEST_CASE, platform=platform, problem_id=problem_id)
        return [answer(TEST_CASE, row) for row in rows]

    def complete_problem(self, platform: str, problem_id: str, *, completed: bool = True) -> Answer | None:
        """Move a problem between patterns 4 and 5; None when there is none."""
        change = {"is_completed": completed}
        row = self.source.update(PROBLEM, change, COMPLETE, platform=platform, number=problem_id)
        return row and answer(PROBLEM, row)
