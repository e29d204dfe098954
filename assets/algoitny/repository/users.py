"""Users and what their plans allow: patterns 16 and 23 to 27. An e-mail address is a key in lower case."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from assets.algoitny.model import PLAN, USER, USERS
from assets.algoitny.repository.items import METADATA, Answer, Items, Row, answer
from assets.algoitny.repository.moments import micros
from assets.algoitny.repository.paging import Page, Timeline, check_limit, page, read_cursor, write_cursor
from assets.algoitny.repository.plans import Plans, plan_key
from billio_pipeline.codec.items import looked_up, lookup_column
from billio_pipeline.errors import InputError
from billio_pipeline.stores.dynamodb.client_form import Item

# What holds for users without a plan: the models' defaults (DATA_MODELS.md, C1). -1: no limit.
DEFAULT_LIMITS = {"max_hints_per_day": 5, "max_executions_per_day": 50, "max_problems": -1}


class Users(Plans):
    """Reads of users, and the change of their plan."""

    items: Items
    clock: Callable[[], datetime]

    def plan_limits(self, user_id: int) -> Answer | None:
        """Pattern 16. {"plan", "max_hints_per_day", "max_executions_per_day", "max_problems"} as they are now; the
        defaults without a plan, None without such a user. -1: no limit."""
        user = self._found_by(3, f"USERID#{user_id}")
        if user is None:
            return None
        name = user.get("SubscriptionPlanName", {}).get("S")
        plan = self.items.get_row(PLAN, plan_key(name)) if name else None
        if plan is None:
            return {"plan": None, **DEFAULT_LIMITS}
        return {"plan": plan["name"], **{column: plan[column] for column in DEFAULT_LIMITS}}

    def all_users(self, *, limit: int = 50, after: str | None = None) -> Page:
        """Pattern 23. All users, in no order: a scan, for administrators. The last page may be empty."""
        check_limit(limit)
        begin = None if after is None else read_cursor(after, "all_users", (str,))[0]
        items, end = self.items.scan_page(USERS, limit, begin)
        rows = [answer(USER, self.items.row(USER, item)) for item in items]
        return Page(rows, None if end is None else write_cursor([end], "all_users"))

    def user_by_email(self, email: str) -> Answer | None:
        """Pattern 24. The user of an e-mail address, in whatever case."""
        row = self.items.get_row(USER, user_key(email))
        return row and answer(USER, row)

    def user_by_google_id(self, google_id: str) -> Answer | None:
        """Pattern 25. The user who signs in with that account, as they are now."""
        user = self._found_by(1, f"GOOGLEID#{google_id}")
        row = user and self.items.row(USER, user)
        return answer(USER, row) if row and row["google_id"] == google_id else None

    def change_plan(self, email: str, plan: str | None) -> Answer | None:
        """Pattern 26. Give a user another plan, by name, or none; the plan's name and the user's place in the index of
        plans change with it. None when there is no such user. Raises InputError when there is no such plan."""
        found = None if plan is None else self.items.get_row(PLAN, plan_key(plan))
        if plan is not None and found is None:
            raise InputError(f"no plan is called {plan!r}", remedy="Name one that all_plans lists.")
        looked = {lookup_column("plan", f): found and found[str(f.column)] for f in looked_up(USER)["plan"]}
        now = micros(self.clock())

        def change(row: Row) -> Row:
            return row | looked | {"subscription_plan_id": found and found["id"], "updated_at": now}

        also = [] if found is None else [self.plan_stands(found)]
        row = self.items.rewrite(USER, user_key(email), METADATA, change, also)
        return row and answer(USER, row)

    def users_of_plan(self, plan_id: int, *, limit: int = 50, after: str | None = None) -> Page:
        """Pattern 27. The users of a plan, newest first."""
        stream = Timeline(self.items, USER, f"PLAN#{plan_id}", 2).newest_first
        return page(USER, ["users_of_plan", plan_id], limit, after, stream)

    def _found_by(self, index: int, partition: str) -> Item | None:
        """The item of the user an index names, as the table has it now."""
        item = next(self.items.query(USERS, partition, index=index), None)
        return item and self.items.get(USERS, item["PK"]["S"])


def user_key(email: str) -> str:
    """The partition of a user."""
    return f"USER#{email.lower()}"
