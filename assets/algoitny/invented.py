"""AlgoItny's rows as they are made up, table by table: each a function of seed, table and place alone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random
from uuid import UUID

from assets.algoitny.source import JsonText, Row

_PLANS = (("Free", 5, 50, -1), ("Pro", 30, 200, -1), ("Équipe ∞ #1", 100, 1000, 500), ("Admin", -1, -1, -1))
_NAMES = ("Ada", "지우", "Çelik", 'O\'Brien "Bob"', "川上 弘美", "", "Ólafur 🎮", "מיכל", " padded ", "x" * 255)
_MAIL = ("ada.lovelace", "Mixed.Case", "jürgen", "a+tag", "지우")
_HOSTS = ("example.com", "Example.COM", "bücher.example")
_TITLES = (
    "A+B",
    "덧셈 – 뺄셈",
    '100% "quoted"',
    "tab\tand\nnewline",
    "Größte Zahl 🧮",
    "e\u0301tude",
    "C:\\temp",
    "null",
)
_LANGUAGES = ("python", "cpp", "java", "javascript", "C#")
_CODE = (
    "print(1)",
    "a,b=map(int,input().split())\nprint(a+b)\n",
    "// 한국어 주석\r\nint main(){}\t\\0",
    "",
    "\u2028# '\"",
)
_STATUS = ("PENDING", "PROCESSING", "COMPLETED", "FAILED")
_TASK_STATUS = ("PENDING", "STARTED", "PROGRESS", "SUCCESS", "FAILURE", "RETRY", "REVOKED")
# As Python's floats come out of json: a whole one keeps its `.0`, which jsonb keeps, too.
_SECONDS = [Decimal(text) for text in ("0.002", "0.1", "1.0", "0.30000000000000004", "1E-5", "12")]
_BIG = Decimal("123456789012345678901234567890")
_JSON_NULL = JsonText("null")


@dataclass(frozen=True)
class Invented:
    """Rows by their place in their table, none later than `as_of`; tables are sized by the number of users."""

    seed: int
    users: int
    as_of: datetime

    @property
    def problems(self) -> int:
        return self.users // 2 + 12

    @property
    def histories(self) -> int:
        return self.users * 8

    @property
    def usages(self) -> int:
        return self.users * 20

    @property
    def tasks(self) -> int:
        return self.jobs - (self.jobs + 2) // 3  # of the jobs with a task

    @property
    def plans(self) -> int:
        return len(_PLANS)

    @property
    def jobs(self) -> int:
        return self.users // 3 + 12

    def plan(self, i: int) -> Row:
        name, hints, executions, problems = _PLANS[i]
        return {
            "id": i + 1, "name": name, "description": ("", f"{name} plan", None)[i % 3],
            "max_hints_per_day": hints, "max_executions_per_day": executions, "max_problems": problems,
            "can_view_all_problems": i > 0, "can_register_problems": i == 3, "is_active": i != 2,
            **self._since(self._random("plan", i), 700, updated=True),
        }  # fmt: skip

    def user(self, i: int) -> Row:
        r = self._random("user", i)
        return {
            "id": row_id(i), "password": ("!unusable", "", "pbkdf2_sha256$1000000$sält$h=")[i % 3],
            "last_login": None if i % 6 == 1 else self._moment(r, 90), "is_superuser": i == 0,
            "email": f"{_MAIL[i % len(_MAIL)]}{i}@{_HOSTS[i % len(_HOSTS)]}", "name": _NAMES[i % len(_NAMES)],
            "picture": ("https://example.org/p.png", "", None)[i % 3],
            "google_id": None if i % 4 == 1 else str(10**20 + i * 977),
            "is_active": i % 13 != 5, "is_staff": i % 10 == 0,
            "subscription_plan_id": None if i % 5 == 2 else r.choice((1, 1, 1, 2, 3)),
            **self._since(r, 700, updated=True),
        }  # fmt: skip

    def problem(self, i: int) -> Row:
        r = self._random("problem", i)
        deleted, done = i % 9 == 4, r.random() < 0.6
        deep: object = [None, True, Decimal("-0.5")]
        for level in range(i % 20):
            deep = {f"level {level}": deep}
        metadata: Row = {"execution_count": r.randrange(10_000), "difficulty": ("easy", "hard", None)[i % 3]}
        metadata |= {"big": _BIG, "exact": Decimal("0.1"), "deep": deep, "이름#1": ["", []]} if i % 2 else {}
        return {
            "id": row_id(i), **self._identity(i), "title": f"{_TITLES[i % len(_TITLES)]} {i}",
            "problem_url": None if i % 3 == 1 else f"https://example.org/{i}",
            "tags": ["math", "dp", "그래프"][: i % 4],
            "solution_code": r.choice(_CODE) if done else None, "language": r.choice(_LANGUAGES) if done else None,
            "constraints": (None, "", "0 < A, B < 10\n1 ≤ N ≤ 10⁵")[i % 3], "is_completed": done, "is_deleted": deleted,
            "deleted_at": self._moment(r, 60) if deleted else None,
            "deleted_reason": ("duplicate", "", None)[i // 9 % 3] if deleted else None,
            "metadata": {} if i % 8 == 0 else metadata, **self._since(r, 500),
        }  # fmt: skip

    def test_case(self, i: int) -> Row:
        r = self._random("test", i - i % 3 if i % 3 == 1 else i)  # two of three were made at the same time
        created, size = self._since(r, 60), 20_000 if i % 97 == 50 else r.randrange(1, 40)
        return {
            "id": row_id(i), "problem_id": row_id(i // 3),
            "input": "" if i % 11 == 5 else f"{i} " + "9 " * size + "\n", "output": ("3", "", "정답\r\n", " \n")[i % 4],
            **created,
        }  # fmt: skip

    def history(self, i: int) -> Row:
        created = self._since(self._random("history time", i - (i % 6 == 1)), 365)  # some at the same microsecond
        r = self._random("history", i)
        of, problem, total = r.randrange(self.users), r.randrange(self.problems), r.randrange(1, 4)
        anonymous, subject = i % 8 == 5, self._identity(problem)
        results = [
            {"test_case_id": row_id(problem * 3 + n), "status": "passed", "execution_time": r.choice(_SECONDS)}
            for n in range(total)
        ]
        return {
            "id": 2**53 + 1 if i == self.histories - 1 else row_id(i),
            "user_id": None if anonymous else row_id(of),
            "user_identifier": "anonymous" if anonymous else self.user(of)["email"], "problem_id": row_id(problem),
            "platform": subject["platform"], "problem_number": subject["problem_id"],
            "problem_title": f"{_TITLES[problem % len(_TITLES)]} {problem}" + " (old title)" * (i % 7 == 3),
            "language": None if i % 19 == 7 else r.choice(_LANGUAGES), "code": r.choice(_CODE),
            "result_summary": None if i % 23 == 9 else {"passed": total, "failed": 0, "ratio": Decimal("1.0")},
            "passed_count": total, "failed_count": 0, "total_count": total, "is_code_public": i % 3 == 0,
            "test_results": (results, results, None, [], _JSON_NULL)[i % 5],
            "hints": (None, ["Check edge cases", "힌트 #2", ""], [])[i % 3],
            "metadata": None if i % 29 == 11 else {"big": _BIG, "task": None} if i % 4 == 2 else {},
            **created,
        }  # fmt: skip

    def job(self, i: int) -> Row:
        r, problem = self._random("job", i), self.problem(i % self.problems)
        status = _STATUS[i % 4]
        same = ("platform", "problem_id", "title", "problem_url", "tags", "solution_code", "constraints")
        return {
            "id": row_id(i), **{name: problem[name] for name in same}, "language": None if i % 5 == 4 else "python",
            "job_type": ("script_generation", "problem_extraction")[i % 2], "status": status,
            "celery_task_id": self._task_id(i) if i % 3 else None,
            "generator_code": "def generate(n): ..." if status == "COMPLETED" else None,
            "error_message": ("Traceback:\n  …", "")[i % 8 // 4] if status == "FAILED" else None,
            **self._since(r, 40, updated=True),
        }  # fmt: skip

    def usage(self, i: int) -> Row:
        """Of ten rows the third, fourth and fifth share user, action and second, the last two the microsecond."""
        behind = {3: 1, 4: 2}.get(i % 10, 0)
        r = self._random("usage", i - behind)
        days = {0: (91, 200), 1: (80, 90), 2: (0, 0)}.get((i - behind) % 10, (0, 80))
        created = self._moment(r, days[1], days[0])
        of, action, problem = r.randrange(self.users), r.choice(("hint", "execution")), r.randrange(self.problems)
        if behind:
            created = created.replace(microsecond=(created.microsecond + 400) % 1_000_000)
        return {
            "id": row_id(i), "user_id": None if (i - behind) % 40 == 25 else row_id(of), "action": action,
            "problem_id": None if i % 6 == 3 else row_id(problem),
            "metadata": None if i % 31 == 13 else {"history_id": str(i), "task_id": self._task_id(i)} if i % 2 else {},
            "created_at": created,
        }  # fmt: skip

    def task(self, i: int) -> Row:
        job = i // 2 * 3 + 1 + i % 2
        status = _TASK_STATUS[i % len(_TASK_STATUS)]
        return {
            "id": row_id(i), "task_id": self._task_id(job), "status": status,
            "result": ({"cases": [1, Decimal("2.50"), None]}, None, _JSON_NULL)[i % 3],
            "error_message": "Boom ✗" if status == "FAILURE" else None, "metadata": {"retries": i % 3},
            **self._since(self._random("task", i), 40, updated=True),
        }  # fmt: skip

    def _identity(self, i: int) -> Row:
        platform = ("baekjoon", "codeforces", "leetcode", "프로그래머스")[i % 4]
        letter = "ABCDEF"[i % 6]
        return {
            "platform": platform,
            "problem_id": (str(1000 + i), f"{1500 + i}#{letter}", f"two-sum-{i}", f"№ {i}")[i % 4],
        }

    def _random(self, kind: str, i: int) -> Random:
        return Random(f"{self.seed}/{kind}/{i}")

    def _task_id(self, job: int) -> str:
        return str(UUID(int=self._random("task id", job).getrandbits(128), version=4))

    def _since(self, r: Random, days: int, *, updated: bool = False) -> Row:
        created = self._moment(r, days)
        later = min(created + timedelta(seconds=r.randrange(3_000_000)), self.as_of)
        return {"created_at": created, **({"updated_at": later} if updated else {})}

    def _moment(self, r: Random, most: int, least: int = 0) -> datetime:
        """A time `least` to `most` days ago, today for 0: half of them whole seconds, some milliseconds."""
        today = self.as_of.hour * 3600 + self.as_of.minute * 60 + self.as_of.second
        moment = self.as_of - timedelta(seconds=r.randrange(least * 86_400 + 1, most * 86_400 or max(today, 1) + 1))
        fraction = r.choice((0, 0, r.randrange(1000) * 1000, r.randrange(1_000_000)))
        return moment.replace(microsecond=fraction)


def row_id(i: int) -> int:
    """The id of a table's row: rows were deleted here and there."""
    return i + 1 + i // 5 * 3
