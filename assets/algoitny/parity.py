"""Parity: every reading pattern, asked of the tables and in SQL of the source with sampled arguments, answers the same.

Both must stand at one state and have one clock: "today", and what has expired, are as of it. Writing patterns (12, 15,
17, 19, 22, 26, 30) would change both; that they agree from equal states is shown by tests instead. Answers compare in
their order and to the last digit; only pattern 23, which has no order, compares as a set.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, LiteralString

import psycopg

from assets.algoitny.model import HISTORY, JOB, KEPT_DAYS, PLAN, PROBLEM, USAGE, USER
from assets.algoitny.queries import Queries
from assets.algoitny.repository import Repository
from assets.algoitny.repository.items import Row
from assets.algoitny.repository.moments import day_bounds, day_of
from assets.algoitny.repository.paging import MOST_PER_PAGE, Page, place, write_cursor
from assets.algoitny.repository.partitions import partitions
from assets.algoitny.repository.usage import LIMIT_OF
from assets.factory.parity import ParityCase
from billio_pipeline.model.canonical import jsonb_text
from billio_pipeline.model.entity import Entity

_PAGE = 7  # small, so that a window spans several pages and their cursors
_WINDOW = 25  # rows compared from a place on
_NOBODY = -1  # an id no row has


def parity(
    repository: Repository,
    connection: psycopg.Connection[Any],
    *,
    samples: int = 20,
    seed: int = 0,
    dropped: Mapping[str, Sequence[int]] | None = None,
) -> list[ParityCase]:
    """Ask each reading pattern `samples` times (fewer where there are fewer arguments). Same seed, same questions.

    The repository's clock is asked of both. `dropped`: ids by table of rows excluded or quarantined on the way.
    """
    return list(_Parity(repository, Queries(connection, repository.clock, dropped), samples, str(seed)).cases())


@dataclass(frozen=True)
class _Parity:
    repository: Repository
    queries: Queries
    samples: int
    seed: str

    def cases(self) -> Iterator[ParityCase]:
        yield from self._problems(self._sample(PROBLEM))
        yield from self._history(self._sample(HISTORY), self._sample(USER))
        yield from self._usage(self._sample(USER))
        yield from self._jobs(self._sample(JOB))
        yield from self._users(self._sample(USER), self._sample(PLAN))
        for active in (None, True, False):
            yield self._same(28, "all_plans", active=active)
        for name in [*(row["name"] for row in self._sample(PLAN)), "No such plan"]:
            yield self._same(29, "plan_by_name", name=name)

    def _problems(self, rows: list[Row]) -> Iterator[ParityCase]:
        for id in [*(row["id"] for row in rows), _NOBODY]:
            yield self._same(1, "problem_by_id", id=id)
        keys = [(row["platform"], row["problem_id"]) for row in rows]
        for platform, problem_id in [*keys, ("nowhere", "0")]:
            key = {"platform": platform, "problem_id": problem_id}
            yield self._same(2, "problem_by_key", **key)
            yield self._same(6, "problem_with_test_cases", **key)
            yield self._same(13, "test_cases", **key)
        for number, row in enumerate(rows):
            platform, part, language = row["platform"], row["title"][1:4].upper(), row["language"]
            wanted = ((platform, None, None), (platform, part, None), (None, None, language), (None, part, None),
                      (platform, None, language))[number % 5]  # fmt: skip
            names = dict(zip(("platform", "title", "language"), wanted, strict=True))
            yield self._pages(3, "filter_problems", None, **names)
        for start in [None, *rows]:
            yield self._pages(4, "completed_problems", start)
            yield self._pages(5, "draft_problems", start)

    def _history(self, rows: list[Row], users: list[Row]) -> Iterator[ParityCase]:
        owners = list(dict.fromkeys([None, *(row["user_id"] for row in rows), *(user["id"] for user in users)]))
        for user_id in owners[: 2 * self.samples]:
            yield self._pages(7, "user_history", None, user_id=user_id)
            yield self._same(31, "user_stats", user_id=user_id)
            if user_id is not None:
                yield self._pages(9, "own_and_public_history", None, user_id=user_id)
        for start in [None, *rows]:
            yield self._pages(8, "public_history", start)
        for number, row in enumerate(rows):
            platform, language = row["platform"], row["language"]
            wanted = ((platform, None), (platform, language), (platform if language is None else None, language))
            names = dict(zip(("platform", "language"), wanted[number % 3], strict=True))
            yield self._pages(7, "user_history", row, user_id=row["user_id"])
            yield self._pages(11, "filter_history", row if number % 2 else None, **names)
            entry = {"user_id": row["user_id"], "history_id": row["id"]}
            entry |= {"created_at": row["created_at"]} if number % 2 else {}
            yield self._same(10, "history_detail", **entry)
            yield self._same(18, "hints", **entry)
        yield self._same(10, "history_detail", user_id=None, history_id=10**15)

    def _usage(self, users: list[Row]) -> Iterator[ParityCase]:
        # Of the day the oldest logs alive were made on, some have expired: the target can't count it.
        whole = day_bounds((self.repository.clock() - timedelta(days=KEPT_DAYS - 1)).date().isoformat())[0]
        logs = self._sample(USAGE, "created_at >= %(whole)s", whole=whole)
        asked: list[tuple[int | None, str, str | None]]
        asked = [(row["user_id"], row["action"], day_of(row["created_at"])) for row in logs]
        asked += [(user["id"], action, None) for user in users for action in LIMIT_OF]
        for user_id, action, day in dict.fromkeys(asked):
            case = self._same(14, "usage_count", user_id=user_id, action=action, day=day)
            yield case
            if day is not None:
                counters = self.repository.counters
                logged = sum(counters.logged(key, day, action) for key in partitions(user_id))
                yield _case("14 usage_count, by logs", case.arguments, case.expected, logged)
        for user_id in [*(user["id"] for user in users), _NOBODY]:
            yield self._same(16, "plan_limits", user_id=user_id)
        yield self._same(32, "usage_stats")
        for most in (1, 10, 1000):
            yield self._same(33, "top_users", most=most)

    def _jobs(self, rows: list[Row]) -> Iterator[ParityCase]:
        for id in [*(row["id"] for row in rows), _NOBODY]:
            yield self._same(20, "job_by_id", id=id)
        for row in rows:
            yield self._pages(21, "jobs_by_type", row, job_type=row["job_type"])
        for job_type in dict.fromkeys(row["job_type"] for row in rows):
            yield self._pages(21, "jobs_by_type", None, job_type=job_type)

    def _users(self, rows: list[Row], plans: list[Row]) -> Iterator[ParityCase]:
        sides = (_everything(self.queries), _everything(self.repository))
        yield _case("23 all_users", {}, *sides)
        for email in [*(row["email"].swapcase() for row in rows), "nobody@example.invalid"]:
            yield self._same(24, "user_by_email", email=email)
        for google_id in [*(row["google_id"] for row in rows if row["google_id"] is not None), "nobody"]:
            yield self._same(25, "user_by_google_id", google_id=google_id)
        for plan in plans:
            yield self._pages(27, "users_of_plan", None, plan_id=plan["id"])

    def _same(self, number: int, name: str, /, **arguments: Any) -> ParityCase:
        expected, found = (getattr(side, name)(**arguments) for side in (self.queries, self.repository))
        return _case(f"{number} {name}", arguments, expected, found)

    def _pages(self, number: int, name: str, start: Row | None, /, **arguments: Any) -> ParityCase:
        """Rows from a place on, page by page, each side continuing the other's cursors."""
        after = None if start is None else write_cursor(place(start), [name, *arguments.values()])
        expected: list[Any] = []
        found: list[Any] = []
        for _ in range(-(-_WINDOW // _PAGE)):
            old, new = (
                getattr(side, name)(**arguments, limit=_PAGE, after=after) for side in (self.queries, self.repository)
            )
            expected += [*old.rows, {"cursor": old.cursor}]
            found += [*new.rows, {"cursor": new.cursor}]
            after = old.cursor
            if after is None or new.cursor != after:
                break
        return _case(f"{number} {name}", arguments | {"start": start and start["id"]}, expected, found)

    def _sample(self, entity: Entity, condition: LiteralString = "true", **parameters: Any) -> list[Row]:
        return self.queries.source.sample(entity, condition, self.samples, self.seed, **parameters)


def _everything(side: Any) -> list[Any]:
    rows: list[Any] = []
    page: Page = side.all_users(limit=MOST_PER_PAGE)
    while True:
        rows += page.rows
        if page.cursor is None:
            return sorted(rows, key=lambda row: row["id"])
        page = side.all_users(limit=MOST_PER_PAGE, after=page.cursor)


def _case(pattern: str, arguments: dict[str, Any], expected: Any, found: Any) -> ParityCase:
    expected, found = _shown(expected), _shown(found)
    # As text, for Python has True == 1.
    equal = jsonb_text(expected) == jsonb_text(found)
    return ParityCase(pattern, arguments, expected, found, equal, "" if equal else _difference(expected, found))


def _shown(value: Any) -> Any:
    """An answer as it may be shown: of a password's hash only whether it is the same."""
    if isinstance(value, list):
        return [_shown(each) for each in value]
    if isinstance(value, dict) and isinstance(value.get("password"), str):
        return value | {"password": hashlib.blake2b(value["password"].encode(), digest_size=6).hexdigest()}
    return value


def _difference(expected: Any, found: Any, at: str = "") -> str:
    """Where two answers differ first, in words."""
    if isinstance(expected, dict) and isinstance(found, dict):
        names = [n for n in expected | found if _text(expected.get(n, ...)) != _text(found.get(n, ...))]
        return f"{at}differs in {', '.join(names)}"
    if isinstance(expected, list) and isinstance(found, list):
        pairs = enumerate(zip(expected, found, strict=False))
        differing = next(((n, *pair) for n, pair in pairs if _text(pair[0]) != _text(pair[1])), None)
        if differing is not None:
            return _difference(differing[1], differing[2], f"row {differing[0] + 1} {at}")
        return f"{len(found)} rows, not {len(expected)}"
    return f"{at}is {_kind(found)}, not {_kind(expected)}"


def _text(value: Any) -> str:
    return "absent" if value is ... else jsonb_text(value)


def _kind(value: Any) -> str:
    return jsonb_text(value)[:60] if value is None or isinstance(value, int) else f"a {type(value).__name__}"
