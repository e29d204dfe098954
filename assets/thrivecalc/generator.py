"""Seeded, realistic ThriveCalc records as objects of its S3 tree, for the demo, tests and benchmarks; some to refuse.

The same count and seed give the same objects. Streams: memory does not grow with the count.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any
from uuid import UUID

from billio_pipeline.model.refusal import Reason
from billio_pipeline.stores.objects import ObjectStore

SEED = 20_251_118  # any number does; this is the day savings goals left the application
_FROM, _DAYS = datetime(2025, 1, 1, tzinfo=UTC), 320
_NAMES = ("Ada", "Çelik", "Éva", "川上弘美", "Ólafur", 'O\'Brien "Q"', "مها", "e\u0301tienne", "📈", " padded ")
_GOALS = ("Emergency Fund", "Trip to 京都", "Haus", "100% \\ paid", "", "Line one\nline two", "null")
_MILLION = 10**8  # in hundredths

Object = tuple[str, bytes]


@dataclass(frozen=True)
class Plant:
    """One object to refuse, and why."""

    key: str
    body: bytes
    reason: Reason


def generate(users: int, seed: int = SEED) -> Iterator[Object]:
    """(key, body) of every record of `users` users: each has a profile, and some records of every type there is."""
    random = Random(seed)
    for number in range(users):
        user = _user(random, number)
        yield _object(random, user, "user-profile", "profile", _profile(random))
        for data_type, make in _MAKERS.items():
            for _ in range(random.choice((0, 1, 1, 2, 3))):
                yield _object(random, user, data_type, _record_id(random), make(random))


def write(store: ObjectStore, users: int, seed: int = SEED, *, poison: bool = False) -> int:
    """Write the records, and the planted ones if asked for, as objects of `store`; how many."""
    written = 0
    for key, body in generate(users, seed):
        store.write(key, body)
        written += 1
    for plant in planted(seed) if poison else ():
        store.write(plant.key, plant.body)
        written += 1
    return written


def planted(seed: int = SEED) -> list[Plant]:
    """Objects that must be refused, one per cause; their keys differ from those of `generate`."""
    random = Random(f"planted {seed}")
    sub = str(UUID(int=random.getrandbits(128), version=4))

    def plant(reason: Reason, **changes: Any) -> Plant:
        record_id = str(UUID(int=random.getrandbits(128), version=4))
        record = _record(random, sub, "account", record_id, _account(random))
        body = changes.pop("body", None) or _json(record | changes).encode()
        return Plant(f"users/{sub}/account/{record_id}.json", body, reason)

    path_only = plant(Reason.KEY_MISMATCH)
    return [
        plant(Reason.KEY_MISMATCH, userId="someone@else.example"),
        plant(Reason.KEY_MISMATCH, recordId="another"),
        Plant(f"users/{sub}/account.json", path_only.body, Reason.KEY_MISMATCH),
        plant(Reason.NOT_JSON, body=b'{"userId": "cut o'),
        plant(Reason.NOT_JSON, body=path_only.body.replace(b'"status"', b'"rate": NaN, "status"')),
        plant(Reason.BAD_UTF8, body=b'{"userId": "\xff"}'),
        plant(Reason.LONE_SURROGATE, body=path_only.body.replace(b'"active"', b'"\\ud83d"')),
        plant(Reason.DUPLICATE_ATTRIBUTE, body=path_only.body.replace(b'"status"', b'"balance": 1, "status"')),
        plant(Reason.WRONG_TYPE, body=b"[]"),
        plant(Reason.WRONG_TYPE, recordId=7),
        plant(Reason.MISSING_ATTRIBUTE, body=path_only.body.replace(b'"createdAt"', b'"created"')),
        plant(Reason.BAD_TIME, createdAt="yesterday"),
        # One digit more than a number holds; and, found only where the item is made, more than an item does.
        plant(Reason.OVER_DYNAMODB_LIMIT, data={"balance": Decimal("1234567890123456789012345678901234567.89")}),
        plant(Reason.OVER_DYNAMODB_LIMIT, data={"notes": "x" * 409_600}),
    ]


def _user(random: Random, number: int) -> str:
    """Mostly a Cognito sub; some from when ids were e-mails, and from before that the provider's."""
    draw = random.random()
    if draw < 0.1:
        return f"google-oauth2|{random.randrange(10**9, 10**10)}{number}"
    if draw < 0.25:
        return f"{random.choice(('user', 'Ada.Lovelace', 'o+tag'))}{number}@example.com"
    return str(UUID(int=random.getrandbits(128), version=4))


def _record_id(random: Random) -> str:
    made = str(UUID(int=random.getrandbits(128), version=4))
    return f"{made[:8]}#{made[9:13]}" if random.random() < 0.05 else made


def _object(random: Random, user: str, data_type: str, record_id: str, data: Any) -> Object:
    record = _record(random, user, data_type, record_id, data)
    if random.random() < 0.03:  # what a later version of the application added
        record["schemaVersion"] = 2
        record["tags"] = ["imported", {"by": None, "at": record["createdAt"]}]
    return f"users/{user}/{data_type}/{record_id}.json", _json(record).encode()


def _record(random: Random, user: str, data_type: str, record_id: str, data: Any) -> dict[str, Any]:
    created = _FROM + timedelta(milliseconds=random.randrange(_DAYS * 86_400_000))
    updated = created + timedelta(milliseconds=random.choice((0, random.randrange(30 * 86_400_000))))
    return {
        "userId": user, "dataType": data_type, "recordId": record_id, "data": data,
        "createdAt": _time(created), "updatedAt": _time(updated),
    }  # fmt: skip


def _time(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def _money(random: Random, most: int = _MILLION) -> Decimal | int:
    cents = random.randrange(most)
    return cents // 100 if random.random() < 0.3 else Decimal(cents).scaleb(-2)


def _profile(random: Random) -> Any:
    return {
        "firstname": random.choice(_NAMES), "dateOfBirth": f"{random.randrange(1950, 2004)}-07-04",
        "maritalStatus": random.choice(("married", "single")), "numberOfDependents": random.randrange(5),
        "onboardingComplete": random.random() < 0.8,
    }  # fmt: skip


def _account(random: Random) -> dict[str, Any]:
    return {
        "accountType": random.choice(("401k", "roth-ira", "checking", "credit-card")),
        "accountName": random.choice(_NAMES), "institution": "Example Bank",
        "balance": _money(random) * random.choice((1, 1, 1, -1)), "asOfDate": "2025-11-01", "status": "active",
    }  # fmt: skip


def _scenario(random: Random) -> Any:
    return {
        "name": random.choice(_GOALS), "isDefault": random.random() < 0.5, "retirementAge": random.randrange(55, 71),
        "socialSecurityIncome": _money(random, 4 * 10**6), "investmentReturnRate": Decimal("6.5"),
        "inflationRate": Decimal("2.125"), "assumptionBuckets": [
            {"id": "b1", "order": 0, "assumptions": {"annualIncome": _money(random), "contributions": {"401k": 23000}}}
        ],
        "lumpSumEvents": [], "mortgages": [{"id": "m1", "loanAmount": _money(random), "monthlyEscrow": None}],
    }  # fmt: skip


def _projection(random: Random) -> Any:
    years = [{"year": 2025 + n, "age": 40 + n, "netIncome": _money(random)} for n in range(random.randrange(40))]
    summary = {"finalNetWorth": _money(random, 10**12), "yearsInDeficit": 0}
    return {"scenarioName": random.choice(_GOALS), "projection": {"years": years, "summary": summary}}


def _savings_goal(random: Random) -> Any:
    return {
        "name": random.choice(_GOALS), "targetAmount": _money(random), "currentAmount": _money(random),
        "targetDate": random.choice((None, "2026-12-31")), "monthlyContribution": _money(random, 10**5),
    }  # fmt: skip


def _holding(random: Random) -> Any:
    return {
        "symbol": random.choice(("VTI", "BRK.B", "BTC")), "name": random.choice(_NAMES),
        "shares": Decimal(random.randrange(10**12)).scaleb(-8),
        "purchasePrice": _money(random, 10**6), "currentPrice": _money(random, 10**6),
    }  # fmt: skip


def _plan(random: Random) -> Any:
    return {"retirementAge": random.randrange(50, 75), "desiredIncome": _money(random), "assets": [_money(random), []]}


def _transaction(random: Random) -> Any:
    return {"amount": -_money(random, 10**6), "date": "2025-06-30", "memo": random.choice(_GOALS), "splits": {}}


def _budget(random: Random) -> Any:
    return {"month": "2025-06", "limits": {name: _money(random, 10**5) for name in ("food", "rent", "ö")}}


_MAKERS = {
    "account": _account, "scenario": _scenario, "projection": _projection, "savings-goal": _savings_goal,
    "portfolio-holding": _holding, "retirement-plan": _plan, "profile": _profile, "transaction": _transaction,
    "budget": _budget,
}  # fmt: skip


def _json(value: Any) -> str:
    """JSON as the application writes it, members in the order they were put: with decimals exact."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(name)}: {_json(each)}" for name, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_json, value)) + "]"
    return format(value, "f") if isinstance(value, Decimal) else json.dumps(value, ensure_ascii=False)
