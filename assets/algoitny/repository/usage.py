"""Usage and its limits: patterns 14 to 16, 32 and 33. A limit holds however many requests ask at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from assets.algoitny.model import KEPT_DAYS, MAIN, USAGE
from assets.algoitny.repository.counters import Counters
from assets.algoitny.repository.items import Answer, Items, Row, answer
from assets.algoitny.repository.moments import DAY, day_bounds, day_of, micros
from assets.algoitny.repository.partitions import partition, partitions
from assets.algoitny.repository.problems import Problems
from assets.algoitny.repository.users import Users
from billio_pipeline.codec.items import looked_up, lookup_column
from billio_pipeline.errors import InputError, TargetError, TransientError
from billio_pipeline.model.canonical import jsonb_text
from billio_pipeline.model.refusal import Refusal
from billio_pipeline.model.scalars import IsoMicros

# A plan's column for each action, and what holds for users without a plan (DATA_MODELS.md, C1). -1: no limit.
LIMIT_OF = {"hint": "max_hints_per_day", "execution": "max_executions_per_day"}
UNLIMITED = -1
_TRIES = 5  # of a log whose counter has to be written first


class Usage(Users, Problems):
    """Reads and writes of usage logs. A day is one of UTC."""

    items: Items
    counters: Counters
    clock: Callable[[], datetime]

    def usage_count(self, user_id: int | None, action: str, day: str | None = None) -> int:
        """Pattern 14. How often a user (None: those not signed in) did something today, or on a day like 2025-01-15.

        As the counter says, now; by its logs where there is no counter.
        """
        day = _checked(day) or day_of(micros(self.clock()))
        counts = [(self.counters.used(key, day, action), key) for key in partitions(user_id)]
        return sum(self.counters.logged(key, day, action) if count is None else count for count, key in counts)

    def log_usage(
        self,
        user_id: int | None,
        action: str,
        *,
        problem: tuple[str, str] | None = None,
        metadata: Any = None,
    ) -> Answer | None:
        """Pattern 15. Log a use and count it, both or neither; None when the user's limit of today is reached.

        `problem` is named by platform and its id there. Those not signed in have no limit. Raises InputError.
        """
        most = self._limit(user_id, action)
        if most != UNLIMITED and self.usage_count(user_id, action) >= most:
            return None  # for the price of a read; whether the limit holds is for the transaction to say
        now = micros(self.clock())
        row: Row = {"user_id": user_id, "action": action, "problem_id": None, "created_at": now}
        row |= {"metadata": jsonb_text({} if metadata is None else metadata)} | self._named(problem)
        row["id"] = self.counters.next_id(USAGE)
        day, key = day_of(now), partition(user_id, row["id"])
        log = self.items.creation(MAIN, self.items.item(USAGE, row))
        for _ in range(_TRIES):
            failed = self.items.transact(
                [self.counters.one_more(key, day, action, None if most == UNLIMITED else most), log]
            )
            if not failed:
                return answer(USAGE, row)
            counter, there = failed
            if counter is None:
                raise TargetError(f"usage log {row['id']} is there: {there}", remedy="Seed the counters again.")
            if counter:
                return None
            # No counter yet: what is logged counts. No log can be added meanwhile, for that takes the counter.
            self.counters.seed_usage((key, day, action), self.counters.logged(key, day, action))
        raise TransientError(f"{key}: its counter of {day} does not stay")

    def usage_stats(self) -> list[Answer]:
        """Pattern 32. Logs of the last 90 days by day and action: {"day", "action", "count"}. A scan."""
        counts = Counter((day_of(at), action) for at, action, _ in self._alive())
        return [{"day": day, "action": action, "count": counts[day, action]} for day, action in sorted(counts)]

    def top_users(self, most: int = 10) -> list[Answer]:
        """Pattern 33. The users with most logs in the last 90 days: {"user_id", "count"}; of equal ones the older
        first. A scan."""
        counts = Counter(user_id for _, _, user_id in self._alive() if user_id is not None)
        ordered = sorted(counts.items(), key=lambda each: (-each[1], each[0]))
        return [{"user_id": user_id, "count": count} for user_id, count in ordered[:most]]

    def _alive(self) -> Iterator[tuple[int, str, int | None]]:
        """Time, action and user of each log that has not expired, whether or not DynamoDB removed those that have."""
        since = micros(self.clock()) - KEPT_DAYS * DAY
        for item in self.items.scan(MAIN, where=USAGE.when, select=("CreatedAt", "Action", "UserId", "PK", "SK")):
            at = IsoMicros().read(item["CreatedAt"])
            if isinstance(at, Refusal):
                raise TargetError(f"{item['PK']['S']} / {item['SK']['S']}: {at.message}")
            if at > since:
                user = item.get("UserId", {}).get("S")
                yield at, item["Action"]["S"], None if user is None else int(user)

    def _limit(self, user_id: int | None, action: str) -> int:
        if action not in LIMIT_OF:
            raise InputError(f"no action is called {action!r}", remedy=f"Name one of: {', '.join(LIMIT_OF)}.")
        if user_id is None:
            return UNLIMITED
        limits = self.plan_limits(user_id)
        if limits is None:
            raise InputError(f"no user has the id {user_id}")
        return int(limits[LIMIT_OF[action]])

    def _named(self, problem: tuple[str, str] | None) -> Row:
        if problem is None:
            return {}
        row = self.problem_row(*problem)
        if row is None:
            raise InputError(f"no problem {problem[1]!r} on {problem[0]!r}")
        looked = {lookup_column("problem", f): row[str(f.column)] for f in looked_up(USAGE)["problem"]}
        return {"problem_id": row["id"], **looked}


def _checked(day: str | None) -> str | None:
    if day is not None:
        day_bounds(day)
    return day
