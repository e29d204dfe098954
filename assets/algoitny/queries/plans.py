"""Subscription plans in SQL: patterns 28 to 30."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, LiteralString

from assets.algoitny.model import PLAN
from assets.algoitny.queries.source import Source
from assets.algoitny.repository.changes import check_columns
from assets.algoitny.repository.items import Answer, answer
from assets.algoitny.repository.moments import micros
from assets.algoitny.repository.plans import NEW_PLAN

ALL: LiteralString = """
SELECT {columns} FROM subscription_plans WHERE %(active)s::boolean IS NULL OR is_active = %(active)s
 ORDER BY name COLLATE "C"
"""
BY_NAME: LiteralString = "SELECT {columns} FROM subscription_plans WHERE name = %(name)s"


class Plans:
    """Reads and writes of plans."""

    source: Source
    clock: Callable[[], datetime]

    def all_plans(self, *, active: bool | None = None) -> list[Answer]:
        """Pattern 28."""
        return [answer(PLAN, row) for row in self.source.rows(ALL, PLAN, active=active)]

    def plan_by_name(self, name: str) -> Answer | None:
        """Pattern 29."""
        row = self.source.row(BY_NAME, PLAN, name=name)
        return row and answer(PLAN, row)

    def upsert_plan(self, name: str, /, **columns: Any) -> Answer:
        """Pattern 30. Names are unique: of two who make a plan at once one is refused, with 23505."""
        check_columns(columns, NEW_PLAN)
        now = micros(self.clock())
        with self.source.connection.transaction():
            change = {**columns, "updated_at": now}
            row = self.source.update(PLAN, change, "name = %(key)s", key=name)
            if row is None:
                row = self.source.insert(PLAN, {"name": name, **NEW_PLAN, **change, "created_at": now})
            return answer(PLAN, row)
