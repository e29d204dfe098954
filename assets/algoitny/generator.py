"""Seeded, realistic and nasty AlgoItny rows for the demo, tests and benchmarks; and some that DynamoDB must refuse.

The same size, seed and `as_of` give the same rows. A table is a sequence made row by row: memory does not grow with it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import overload

from assets.algoitny.invented import Invented
from assets.algoitny.source import Row

SEED = 20_250_115  # any number does; this is the day of the design
AS_OF = datetime(2025, 6, 1, 12, 0, 0, 654_321, UTC)
POISON_ID = 900_000_001


class Rows(Sequence[Row]):
    """`count` rows, made when asked for, and a few more."""

    def __init__(self, make: Callable[[int], Row], count: int, more: Sequence[Row] = ()) -> None:
        self._make, self._count, self._more = make, count, more

    def __len__(self) -> int:
        return self._count + len(self._more)

    @overload
    def __getitem__(self, place: int) -> Row: ...
    @overload
    def __getitem__(self, place: slice) -> list[Row]: ...
    def __getitem__(self, place: int | slice) -> Row | list[Row]:
        if isinstance(place, slice):
            return [self[each] for each in range(*place.indices(len(self)))]
        at = range(len(self))[place]
        return self._make(at) if at < self._count else self._more[at - self._count]


@dataclass(frozen=True)
class Poison:
    """One row DynamoDB can't take as it is, and why not; or, not `refused`, one that only just fits."""

    table: str
    row: Row
    why: str
    refused: bool = True


def generate(
    users: int = 50, seed: int = SEED, *, as_of: datetime = AS_OF, poison: bool = False
) -> dict[str, Sequence[Row]]:
    """Rows of the eight tables, sized by the number of users (about 35 rows each), none later than `as_of`.

    With `poison` the rows of `poisoned` stand at the ends of their tables.
    """
    make = Invented(seed, users, as_of)
    bad = poisoned(users, seed, as_of=as_of) if poison else []
    counts: dict[str, tuple[Callable[[int], Row], int]] = {
        "subscription_plans": (make.plan, make.plans),
        "users": (make.user, users),
        "problems": (make.problem, make.problems),
        "test_cases": (make.test_case, make.problems * 3),
        "search_history": (make.history, make.histories),
        "script_generation_jobs": (make.job, make.jobs),
        "usage_logs": (make.usage, make.usages),
        "task_results": (make.task, make.tasks),
    }
    return {
        table: Rows(row, count, [each.row for each in bad if each.table == table])
        for table, (row, count) in counts.items()
    }


def poisoned(users: int = 50, seed: int = SEED, *, as_of: datetime = AS_OF) -> list[Poison]:
    """Rows to refuse, referring to rows `generate` makes."""
    make = Invented(seed, users, as_of)

    def test_case(id: int, output: str) -> Row:
        return make.test_case(0) | {"id": id, "output": output}

    def problem(id: int, metadata: object) -> Row:
        return make.problem(0) | {"id": id, "problem_id": f"poison#{id}", "metadata": metadata}

    def user(id: int, email: str, **values: object) -> Row:
        return make.user(0) | {"id": id, "email": email, "google_id": None, **values}

    deep: object = 1
    for _ in range(40):
        deep = {"deeper": deep}
    first = POISON_ID
    return [
        Poison("test_cases", test_case(first, "7" * 400_000), "400,000 of 409,600 bytes: fits", refused=False),
        Poison("test_cases", test_case(first + 1, "7" * 409_600), "an item over 400 KB"),
        Poison("test_cases", test_case(first + 2, "칠" * 140_000), "over 400 KB in UTF-8 only"),
        Poison("problems", problem(first, {"n": Decimal("1" * 39)}), "a number of 39 digits"),
        Poison("problems", problem(first + 1, {"n": Decimal("1E+126")}), "a number beyond 9.9E+125"),
        Poison("problems", problem(first + 2, {"deep": deep}), "nested deeper than 32 levels"),
        Poison("users", user(first, "Twice@example.com"), "an e-mail that differs in case only"),
        Poison("users", user(first + 1, "twice@Example.com"), "an e-mail that differs in case only"),
        Poison("users", user(first + 2, "never@example.com", last_login="infinity"), "a time without an ISO form"),
    ]
