"""Usage and its limits in SQL: patterns 14, 15, 32 and 33; and the counts the target's counters begin with."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, LiteralString

from assets.algoitny.model import BUCKETS, KEPT_DAYS, USAGE
from assets.algoitny.queries.problems import Problems
from assets.algoitny.queries.source import Source
from assets.algoitny.queries.users import Users
from assets.algoitny.repository.counters import SourceCounts
from assets.algoitny.repository.items import Answer, answer
from assets.algoitny.repository.moments import DAY, day_bounds, day_of, micros, moment
from assets.algoitny.repository.partitions import partition
from assets.algoitny.repository.usage import LIMIT_OF, UNLIMITED
from billio_pipeline.errors import InputError
from billio_pipeline.model.canonical import jsonb_text

COUNT: LiteralString = """
SELECT count(*) AS count FROM usage_logs
 WHERE (user_id = %(user_id)s OR (%(user_id)s::bigint IS NULL AND user_id IS NULL))
   AND action = %(action)s AND created_at >= %(begin)s AND created_at < %(end)s
"""
LOCK: LiteralString = "SELECT id FROM users WHERE id = %(user_id)s FOR UPDATE"
STATS: LiteralString = """
SELECT to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD') AS day, action, count(*) AS count
  FROM usage_logs WHERE created_at > %(since)s
 GROUP BY 1, 2 ORDER BY 1, action COLLATE "C"
"""
TOP: LiteralString = """
SELECT user_id, count(*) AS count FROM usage_logs WHERE created_at > %(since)s AND user_id IS NOT NULL
 GROUP BY user_id ORDER BY count(*) DESC, user_id LIMIT %(most)s
"""
COUNTS: LiteralString = """
SELECT user_id, CASE WHEN user_id IS NULL THEN id %% %(buckets)s ELSE 0 END AS bucket,
       to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD') AS day, action, count(*) AS count
  FROM usage_logs WHERE created_at > %(since)s
 GROUP BY 1, 2, 3, 4
"""
HIGHEST: LiteralString = """
SELECT COALESCE((SELECT max(id) FROM problems), 0) AS "Problem",
       COALESCE((SELECT max(id) FROM test_cases), 0) AS "TestCase",
       COALESCE((SELECT max(id) FROM search_history), 0) AS "SearchHistory",
       COALESCE((SELECT max(id) FROM usage_logs), 0) AS "UsageLog",
       COALESCE((SELECT max(id) FROM script_generation_jobs), 0) AS "ScriptGenerationJob",
       COALESCE((SELECT max(id) FROM users), 0) AS "User",
       COALESCE((SELECT max(id) FROM subscription_plans), 0) AS "SubscriptionPlan"
"""


class Usage(Users, Problems):
    """Reads and writes of usage logs. A day is one of UTC."""

    source: Source
    clock: Callable[[], datetime]

    def usage_count(self, user_id: int | None, action: str, day: str | None = None) -> int:
        """Pattern 14."""
        begin, end = day_bounds(day or day_of(micros(self.clock())))
        return int(self.source.rows(COUNT, user_id=user_id, action=action, begin=begin, end=end)[0]["count"])

    def log_usage(
        self,
        user_id: int | None,
        action: str,
        *,
        problem: tuple[str, str] | None = None,
        metadata: Any = None,
    ) -> Answer | None:
        """Pattern 15. The user's row is locked, so that a limit holds."""
        if action not in LIMIT_OF:
            raise InputError(f"no action is called {action!r}", remedy=f"Name one of: {', '.join(LIMIT_OF)}.")
        found = None if problem is None else self.problem_by_key(*problem)
        if problem is not None and found is None:
            raise InputError(f"no problem {problem[1]!r} on {problem[0]!r}")
        row = {"user_id": user_id, "action": action, "problem_id": found and found["id"]}
        row |= {"metadata": jsonb_text({} if metadata is None else metadata), "created_at": micros(self.clock())}
        with self.source.connection.transaction():
            if user_id is not None:
                self.source.rows(LOCK, user_id=user_id)
                limits = self.plan_limits(user_id)
                if limits is None:
                    raise InputError(f"no user has the id {user_id}")
                most = limits[LIMIT_OF[action]]
                if most != UNLIMITED and self.usage_count(user_id, action) >= most:
                    return None
            return answer(USAGE, self.source.insert(USAGE, row))

    def usage_stats(self) -> list[Answer]:
        """Pattern 32. Logs that have expired are not counted: the target doesn't hold them."""
        return self.source.rows(STATS, since=self._since())

    def top_users(self, most: int = 10) -> list[Answer]:
        """Pattern 33. As for pattern 32."""
        return self.source.rows(TOP, since=self._since(), most=most)

    def counts(self) -> SourceCounts:
        """What the target's counters begin with. Ids count whether or not their rows are dropped."""
        rows = self.source.rows(COUNTS, buckets=BUCKETS, since=self._since())
        usage = {(partition(row["user_id"], row["bucket"]), row["day"], row["action"]): row["count"] for row in rows}
        highest = Source(self.source.connection).rows(HIGHEST)[0]
        return SourceCounts(usage, highest)

    def _since(self) -> datetime:
        return moment(micros(self.clock()) - KEPT_DAYS * DAY)
