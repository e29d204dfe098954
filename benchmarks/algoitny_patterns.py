"""`python -m benchmarks.algoitny_patterns`: how long each of AlgoItny's 33 access patterns takes, on both sides.

Embedded servers on one machine, one caller: the figures compare patterns and sides, they don't foretell AWS's.
"""

from __future__ import annotations

import argparse
import itertools
import math
import secrets
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psycopg

from assets.algoitny.generator import AS_OF, generate
from assets.algoitny.model import KEPT_DAYS, MAIN, PLANS, SYSTEM, USAGE, USERS
from assets.algoitny.queries import Queries
from assets.algoitny.queries.source import Source
from assets.algoitny.repository import Repository, Tables, seed_counters
from assets.algoitny.repository.moments import DAY, micros
from assets.algoitny.source import load_source
from benchmarks import servers
from billio_pipeline.codec.items import ItemCodec, looked_up, lookup_column
from billio_pipeline.local.dynamodb import DynamoDbServer
from billio_pipeline.local.ports import HOST, free_port
from billio_pipeline.model.refusal import Refusal
from billio_pipeline.settings import Settings
from billio_pipeline.stores.dynamodb import dynamodb_client, put_items, tables
from billio_pipeline.stores.dynamodb.client_form import Item

QUANTILES = (("p50", 0.5), ("p99", 0.99), ("p999", 0.999))
WARM_UP = 5  # calls before those that count
_UNLIMITED = "Admin"  # the generated plan without limits

Call = Callable[[Any], object]  # a pattern asked of a side


@dataclass(frozen=True)
class Timed:
    """One pattern's times on both sides, in seconds, sorted."""

    pattern: str
    dynamodb: list[float]
    sql: list[float]


def made_tables(client: Any) -> Tables:
    """The three tables with every index, on demand, under names of their own."""
    end = secrets.token_hex(6)
    names = Tables(*(f"{table.name}-{end}" for table in (MAIN, USERS, PLANS)))
    for table in (MAIN, USERS, PLANS):
        # Without expiry: the rows are of a day long past, and the embedded API deletes by the real clock.
        tables.create(client, replace(table, name=names.name(table), capacity=None, ttl=None))
    return names


def items_of(connection: psycopg.Connection[Any], as_of: int) -> tuple[dict[str, list[Item]], dict[str, list[int]]]:
    """The source's items by declared table, and the ids of rows without one by source table; expired logs have none."""
    source, codec = Source(connection), ItemCodec(SYSTEM)
    rows = {e.name: {row["id"]: row for row in source.newest_first(e, "true")(None, 10**9)} for e in SYSTEM.entities}
    items: dict[str, list[Item]] = {table.name: [] for table in SYSTEM.tables}
    dropped: dict[str, list[int]] = {}
    for entity in SYSTEM.entities:
        assert entity.items is not None
        looked = looked_up(entity)
        for row in rows[entity.name].values():
            if entity is USAGE and row["created_at"] <= as_of - KEPT_DAYS * DAY:
                continue
            found: dict[str, Any] = {}
            for lookup in entity.lookups:
                other: Mapping[str, Any] = rows[lookup.entity.name].get(row[lookup.by], {})
                found |= {lookup_column(lookup.name, f): other.get(str(f.column)) for f in looked[lookup.name]}
            item = codec.to_item(entity, row | found)
            if isinstance(item, Refusal):
                dropped.setdefault(entity.table.name, []).append(row["id"])
            else:
                items[entity.items.name].append(item)
    return items, dropped


def load(client: Any, names: Tables, connection: psycopg.Connection[Any]) -> dict[str, list[int]]:
    """Fill tables and counters from a source as of the generator's moment; ids of the rows left out."""
    items, dropped = items_of(connection, micros(AS_OF))
    for table in SYSTEM.tables:
        put_items(client, replace(table, name=names.name(table)), items[table.name])
    seed_counters(client, Queries(connection, lambda: AS_OF, dropped).counts(), names)
    return dropped


def calls(rows: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, Callable[[int], Call]]:
    """By pattern, the nth question."""
    problems, entries, users = rows["problems"], rows["search_history"], rows["users"]
    jobs, plans = rows["script_generation_jobs"], rows["subscription_plans"]

    def problem(n: int) -> tuple[str, str]:
        row = problems[n % len(problems)]
        return row["platform"], row["problem_id"]

    def entry(n: int) -> tuple[int | None, int, int]:
        row = entries[n % len(entries)]
        return row["user_id"], row["id"], micros(row["created_at"])

    def of(table: Sequence[Mapping[str, Any]], column: str, n: int) -> Any:
        filled = [row[column] for row in itertools.islice(table, 200) if row[column] is not None]
        return filled[n % len(filled)]

    code = {"user_identifier": "bench", "code": "print(1)", "total_count": 1}
    return {
        "1 problem_by_id": lambda n: lambda side: side.problem_by_id(problems[n % len(problems)]["id"]),
        "2 problem_by_key": lambda n: lambda side: side.problem_by_key(*problem(n)),
        "3 filter_problems": lambda n: lambda side: side.filter_problems(platform=problem(n)[0], title="a"),
        "4 completed_problems": lambda n: lambda side: side.completed_problems(),
        "5 draft_problems": lambda n: lambda side: side.draft_problems(),
        "6 problem_with_test_cases": lambda n: lambda side: side.problem_with_test_cases(*problem(n)),
        "7 user_history": lambda n: lambda side: side.user_history(of(users, "id", n)),
        "8 public_history": lambda n: lambda side: side.public_history(),
        "9 own_and_public_history": lambda n: lambda side: side.own_and_public_history(of(users, "id", n)),
        "10 history_detail": lambda n: lambda side: side.history_detail(*entry(n)),
        "11 filter_history": lambda n: lambda side: side.filter_history(platform=problem(n)[0]),
        "12 create_history": lambda n: (
            lambda side: side.create_history(*problem(n), user_id=of(users, "id", n), **code)
        ),
        "13 test_cases": lambda n: lambda side: side.test_cases(*problem(n)),
        "14 usage_count": lambda n: lambda side: side.usage_count(of(users, "id", n), "hint"),
        "15 log_usage": lambda n: lambda side: side.log_usage(of(users, "id", n), "execution", problem=problem(n)),
        "16 plan_limits": lambda n: lambda side: side.plan_limits(of(users, "id", n)),
        "17 set_hints": lambda n: lambda side: side.set_hints(entry(n)[0], entry(n)[1], [str(n)], entry(n)[2]),
        "18 hints": lambda n: lambda side: side.hints(*entry(n)),
        "19 create_job": lambda n: lambda side: side.create_job("script_generation", *problem(n), title="bench"),
        "20 job_by_id": lambda n: lambda side: side.job_by_id(of(jobs, "id", n)),
        "21 jobs_by_type": lambda n: lambda side: side.jobs_by_type("problem_extraction"),
        "22 update_job": lambda n: (
            lambda side: side.update_job(of(jobs, "id", n), status=("COMPLETED", "FAILED")[n % 2])
        ),
        "23 all_users": lambda n: lambda side: side.all_users(),
        "24 user_by_email": lambda n: lambda side: side.user_by_email(of(users, "email", n)),
        "25 user_by_google_id": lambda n: lambda side: side.user_by_google_id(of(users, "google_id", n)),
        "26 change_plan": lambda n: lambda side: side.change_plan(of(users, "email", n), of(plans, "name", n)),
        "27 users_of_plan": lambda n: lambda side: side.users_of_plan(of(plans, "id", n)),
        "28 all_plans": lambda n: lambda side: side.all_plans(),
        "29 plan_by_name": lambda n: lambda side: side.plan_by_name(of(plans, "name", n)),
        "30 upsert_plan": lambda n: lambda side: side.upsert_plan(_UNLIMITED, description=str(n)),
        "31 user_stats": lambda n: lambda side: side.user_stats(of(users, "id", n)),
        "32 usage_stats": lambda n: lambda side: side.usage_stats(),
        "33 top_users": lambda n: lambda side: side.top_users(),
    }


def timed(
    repository: Repository, queries: Queries, asked: Mapping[str, Callable[[int], Call]], times: int, scans: int
) -> list[Timed]:
    """Each pattern asked `times` times of both sides in turn, the scans 32 and 33 only `scans` times."""
    found = []
    for pattern, question in asked.items():
        taken: tuple[list[float], list[float]] = ([], [])
        for n in range(WARM_UP + (scans if pattern.startswith(("32", "33")) else times)):
            for side, seconds in zip((repository, queries), taken, strict=True):
                call = question(n)
                began = time.perf_counter()
                call(side)
                seconds.append(time.perf_counter() - began)
        found.append(Timed(pattern, *(sorted(seconds[WARM_UP:]) for seconds in taken)))
    return found


def table(found: Sequence[Timed]) -> str:
    """The times in milliseconds, as text."""
    heads = [f"{side} {name}" for side in ("DynamoDB", "SQL") for name, _ in QUANTILES]
    lines = [f"{'pattern, ms':28}{'calls':>6}" + "".join(f"{head:>15}" for head in heads)]
    for each in found:
        cells = [quantile(side, q) * 1000 for side in (each.dynamodb, each.sql) for _, q in QUANTILES]
        lines.append(f"{each.pattern:28}{len(each.sql):>6}" + "".join(f"{cell:>15.2f}" for cell in cells))
    return "\n".join(lines)


def quantile(ordered: Sequence[float], q: float) -> float:
    """The smallest value that a share `q` of all does not exceed."""
    return ordered[max(0, math.ceil(q * len(ordered)) - 1)]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.algoitny_patterns", description=__doc__)
    parser.add_argument("--users", type=int, default=300, help="about 35 rows each; 300 by default")
    parser.add_argument("--times", type=int, default=1000, help="calls per pattern and side; 1000 by default, for p999")
    parser.add_argument("--scans", type=int, default=50, help="calls of the administrators' scans, 32 and 33")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="billio-patterns-") as name:
        folder = Path(name)
        folder.chmod(0o711)  # root's PostgreSQL runs as another account, which must get through
        dynamodb = DynamoDbServer(folder / "dynamodb", persist=False)
        with servers.started(folder / "postgres") as server, server.database() as dsn:
            try:
                port = free_port()
                dynamodb.start(port)
                settings = replace(Settings.from_env({}), dynamodb_endpoint=f"http://{HOST}:{port}")
                print(table(run(dynamodb_client(settings), dsn, asked.users, asked.times, asked.scans)))
            finally:
                with suppress(OSError):
                    dynamodb.stop()


def run(client: Any, dsn: str, users: int, times: int, scans: int) -> list[Timed]:
    """Fill both sides with generated rows, then time every pattern."""
    rows = generate(users)
    counts = load_source(dsn, rows)
    with psycopg.connect(dsn, autocommit=True) as connection:
        names = made_tables(client)
        load(client, names, connection)
        print(f"{sum(counts.values()):,} rows, {times:,} calls per pattern and side", flush=True)
        queries, repository = Queries(connection, lambda: AS_OF), Repository(client, names, lambda: AS_OF)
        return timed(repository, queries, calls(rows), times, scans)


if __name__ == "__main__":
    main()
