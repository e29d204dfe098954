"""Users and what their plans allow, in SQL: patterns 16 and 23 to 27."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import LiteralString

from assets.algoitny.model import PLAN, USER
from assets.algoitny.queries.plans import BY_NAME, Plans
from assets.algoitny.queries.source import Source
from assets.algoitny.repository.items import Answer, answer
from assets.algoitny.repository.moments import micros
from assets.algoitny.repository.paging import Page, check_limit, page, read_cursor, write_cursor
from assets.algoitny.repository.users import DEFAULT_LIMITS
from billio_pipeline.errors import InputError

LIMITS: LiteralString = """
SELECT subscription_plans.name AS plan,
       COALESCE(max_hints_per_day, %(max_hints_per_day)s) AS max_hints_per_day,
       COALESCE(max_executions_per_day, %(max_executions_per_day)s) AS max_executions_per_day,
       COALESCE(max_problems, %(max_problems)s) AS max_problems
  FROM users LEFT JOIN subscription_plans ON subscription_plans.id = subscription_plan_id
 WHERE users.id = %(user_id)s
"""
ALL: LiteralString = "SELECT {columns} FROM users WHERE id > %(after)s ORDER BY id LIMIT %(wanted)s"
BY_EMAIL: LiteralString = "SELECT {columns} FROM users WHERE lower(email) = %(email)s"
BY_GOOGLE_ID: LiteralString = "SELECT {columns} FROM users WHERE google_id = %(google_id)s"
_BEFORE_ALL = -(2**63)


class Users(Plans):
    """Reads of users, and the change of their plan."""

    source: Source
    clock: Callable[[], datetime]

    def plan_limits(self, user_id: int) -> Answer | None:
        """Pattern 16."""
        return next(iter(self.source.rows(LIMITS, None, user_id=user_id, **DEFAULT_LIMITS)), None)

    def all_users(self, *, limit: int = 50, after: str | None = None) -> Page:
        """Pattern 23. Here by id; the order is nobody's promise."""
        check_limit(limit)
        begin = _BEFORE_ALL if after is None else read_cursor(after, "all_users", (int,))[0]
        found = self.source.rows(ALL, USER, after=begin, wanted=limit + 1)
        rows = [answer(USER, row) for row in found[:limit]]
        return Page(rows, write_cursor([rows[-1]["id"]], "all_users") if len(found) > limit else None)

    def user_by_email(self, email: str) -> Answer | None:
        """Pattern 24."""
        row = self.source.row(BY_EMAIL, USER, email=email.lower())
        return row and answer(USER, row)

    def user_by_google_id(self, google_id: str) -> Answer | None:
        """Pattern 25."""
        row = self.source.row(BY_GOOGLE_ID, USER, google_id=google_id)
        return row and answer(USER, row)

    def change_plan(self, email: str, plan: str | None) -> Answer | None:
        """Pattern 26."""
        with self.source.connection.transaction():
            found = None if plan is None else self.source.row(BY_NAME, PLAN, name=plan)
            if plan is not None and found is None:
                raise InputError(f"no plan is called {plan!r}", remedy="Name one that all_plans lists.")
            change = {"subscription_plan_id": found and found["id"], "updated_at": micros(self.clock())}
            row = self.source.update(USER, change, "lower(email) = %(key)s", key=email.lower())
            return row and answer(USER, row)

    def users_of_plan(self, plan_id: int, *, limit: int = 50, after: str | None = None) -> Page:
        """Pattern 27."""
        rows = self.source.newest_first(USER, "subscription_plan_id = %(plan_id)s", plan_id=plan_id)
        return page(USER, ["users_of_plan", plan_id], limit, after, rows)
