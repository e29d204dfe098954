"""Subscription plans: patterns 28 to 30. A plan's name is its key."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

from assets.algoitny.model import PLAN, PLANS
from assets.algoitny.repository.changes import check_columns
from assets.algoitny.repository.counters import Counters
from assets.algoitny.repository.items import METADATA, Answer, Items, Row, answer
from assets.algoitny.repository.moments import micros
from billio_pipeline.errors import TargetError

# A new plan, where its writer says nothing: the models' defaults for the limits (DATA_MODELS.md, C1), else no rights.
NEW_PLAN: Mapping[str, Any] = {
    "description": "",
    "max_hints_per_day": 5,
    "max_executions_per_day": 50,
    "max_problems": -1,
    "can_view_all_problems": False,
    "can_register_problems": False,
    "is_active": True,
}


class Plans:
    """Reads and writes of plans."""

    items: Items
    counters: Counters
    clock: Callable[[], datetime]

    def all_plans(self, *, active: bool | None = None) -> list[Answer]:
        """Pattern 28. All plans, or those that are active or not, by name (by its UTF-8 bytes)."""
        wanted = ("true", "false") if active is None else (str(active).lower(),)
        rows = [row for which in wanted for row in self._of(which)]
        return [answer(PLAN, row) for row in sorted(rows, key=lambda row: row["name"])]

    def plan_by_name(self, name: str) -> Answer | None:
        """Pattern 29. The plan of that name, as it is now."""
        row = self.items.get_row(PLAN, plan_key(name))
        return row and answer(PLAN, row)

    def upsert_plan(self, name: str, /, **columns: Any) -> Answer:
        """Pattern 30. Change the plan of that name, or make it; its place in the index changes with it.

        What is not given stays, or is as NEW_PLAN has it. Raises InputError.
        """
        check_columns(columns, NEW_PLAN)
        now = micros(self.clock())

        def change(row: Row) -> Row:
            return row | columns | {"updated_at": now}

        for _ in range(2):
            row = self.items.rewrite(PLAN, plan_key(name), METADATA, change)
            if row is None:
                new = {"name": name, **NEW_PLAN, **columns, "created_at": now, "updated_at": now}
                new["id"] = self.counters.next_id(PLAN)
                row = new if self.items.create(PLAN, new) else None  # else another made it meanwhile
            if row is not None:
                return answer(PLAN, row)
        raise TargetError(f"the plan {name!r} neither is there nor can be made")

    def plan_stands(self, plan: Row) -> dict[str, Any]:
        """A transaction's condition: the plan still is the one of that id."""
        check = self.items.update(
            PLANS,
            plan_key(plan["name"]),
            METADATA,
            ConditionExpression="PlanId = :id",
            ExpressionAttributeValues={":id": {"S": str(plan["id"])}},
        )
        return {"ConditionCheck": check}

    def _of(self, active: str) -> Iterator[Row]:
        return (self.items.row(PLAN, item) for item in self.items.query(PLANS, f"ACTIVE#{active}", index=1))


def plan_key(name: str) -> str:
    """The partition of a plan."""
    return f"PLAN#{name}"
