"""A day of AlgoItny: what a daily active user does, and the requests the repository makes for it.

The seed counts 50 usage logs per user and day; the free plan allows 50 executions and 5 hints. From it follow 45
executions and 5 hints; all other numbers are assumptions of ours. Change them here, and `billio plan algoitny` follows.
"""

from decimal import Decimal

from assets.algoitny.model import HISTORY, JOB, MAIN, PLAN, PROBLEM, TEST_CASE, USAGE, USER
from billio_pipeline.plan.activity import Activity, Event, Other, Read, Scan, Step, Write
from billio_pipeline.plan.dynamodb_prices import Instance

LOGS, HINTS = 50, 5  # usage logs of a user a day, and how many of them are hints
CASES = 10  # test cases of a problem
PAGE = 51  # items of a page of 50, and one more to know whether there is another

SMALL = Instance("db.t3.medium", storage=20, backup=20)
LARGE = Instance("db.r5.2xlarge", storage=200, backup=200, replicas=2)

_COUNTER = "Counter"
_PROBLEM, _USER, _PLAN = Read({PROBLEM.name: 1}), Read({USER.name: 1}), Read({PLAN.name: 1})
_COUNT, _ID = Read({_COUNTER: 1}), Write(_COUNTER)  # how often today; the next id of a sequence
_ENTRY = Read({HISTORY.name: 1})
# What it takes to know a user's limits: the index of ids, the user, the plan.
_LIMITS: tuple[Step, ...] = (Read({USER.name: 1}, "GSI3"), _USER, _PLAN)
# A log and its counter, both or neither. A log is in no index.
_LOG: tuple[Step, ...] = (
    *_LIMITS, _COUNT, _PROBLEM, _ID, Write(_COUNTER, transaction=True), Write(USAGE.name, new=True, transaction=True),
)  # fmt: skip


def _list(kind: str, index: str | None) -> Read:
    return Read({kind: PAGE}, index)


def _per_user(name: str, times: Decimal | int, patterns: tuple[int, ...], *steps: Step) -> Event:
    return Event(name, steps, per_user=Decimal(times), patterns=patterns)


def _per_day(name: str, times: int, patterns: tuple[int, ...], *steps: Step) -> Event:
    return Event(name, steps, per_day=Decimal(times), patterns=patterns)


EVENTS = (
    _per_user("sign in", 1, (25,), Read({USER.name: 1}, "GSI1"), _USER),
    _per_user("list problems", 6, (3, 4), _list(PROBLEM.name, "GSI2")),
    _per_user("filter problems by platform", 4, (3,), _list(PROBLEM.name, "GSI1")),
    _per_user("open a problem", 8, (2, 6, 13), Read({PROBLEM.name: 1, TEST_CASE.name: CASES})),
    # The entry and the problem's count, both or neither; the problem's entries in its indexes hold the count, too.
    _per_user(
        "execute code", LOGS - HINTS, (12, 14, 15, 16),
        *_LOG, _PROBLEM, _ID, Write(HISTORY.name, new=True, transaction=True), Write(PROBLEM.name, transaction=True),
    ),
    _per_user("ask for a hint", HINTS, (14, 15, 16, 17), *_LOG, _ENTRY, _ENTRY, Write(HISTORY.name)),
    _per_user("read hints", HINTS, (18,), _ENTRY),
    _per_user("own history", 3, (7,), _list(HISTORY.name, None)),
    _per_user("public history", 1, (8, 9, 11), _list(HISTORY.name, "GSI1")),
    _per_user("open an entry", 10, (10,), _ENTRY),
    _per_user("what is left today", 4, (14, 16), *_LIMITS, Read({_COUNTER: 1}, times=2)),
    # A user's first log of a day and action makes its counter: asked for, then written on a condition.
    _per_user("first of the day", 2, (15,), _COUNT, Write(_COUNTER, new=True)),
    _per_user(
        "register", Decimal("0.01"), (24,), _ID, Read({USER.name: 1}), Write(USER.name, new=True),
    ),
    _per_user(
        "add a problem", Decimal("0.005"), (1, 19, 20, 22),
        _ID, Write(JOB.name, new=True), Read({JOB.name: 1}, times=6),
        Write(JOB.name, moved=("GSI2",), times=2), Write(_COUNTER, times=1 + CASES), Write(PROBLEM.name, new=True),
        Write(TEST_CASE.name, new=True, times=CASES), Write(PROBLEM.name, moved=("GSI2",)),
    ),
    _per_user(
        "change plan", Decimal("0.002"), (26,), _PLAN, _USER, Write(USER.name, transaction=True, moved=("GSI2",)),
    ),
    _per_day("plans", 1_000, (28, 29, 30), Read({PLAN.name: 5}, "GSI1")),
    _per_day("administrators' lists", 50, (5, 21, 23, 27), _list(PROBLEM.name, "GSI2"), _list(JOB.name, "GSI1")),
    _per_day("a user's statistics", 20, (31,), Read({HISTORY.name: 1_000})),
    _per_day("usage statistics and top users", 1, (32, 33), Scan(MAIN.name), Scan(MAIN.name)),
)  # fmt: skip

ACTIVITY = Activity(EVENTS, others=(Other(_COUNTER, MAIN.name, bytes=130, days=91),), instances=(SMALL, LARGE))
