"""Counters: what a user did of an action on a day, and each table's highest id; seeded from the source, never reset.

Items of AlgoItny-Main that no row stands behind: EntityType "Counter", the number in `Count`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from assets.algoitny.model import HISTORY, JOB, KEPT_DAYS, MAIN, PLAN, PROBLEM, TEST_CASE, USAGE, USER
from assets.algoitny.repository.items import Items, Tables
from assets.algoitny.repository.moments import DAY, day_bounds, day_of, micros
from assets.algoitny.repository.partitions import partition
from billio_pipeline.errors import TargetError
from billio_pipeline.model.entity import Entity

ENTITY_TYPE = "Counter"
SEQUENCES = {
    PROBLEM.name: "problems",
    TEST_CASE.name: "test_cases",
    HISTORY.name: "search_history",
    USAGE.name: "usage_logs",
    JOB.name: "jobs",
    USER.name: "users",
    PLAN.name: "plans",
}
_VALUE = "VALUE"
_WRITERS = 16  # counters are put one by one, for each is put on a condition of its own
_NAMES = {"#c": "Count", "#e": "EntityType"}
Usage = tuple[str, str, str]  # partition, day, action


@dataclass(frozen=True)
class SourceCounts:
    """What the source counts: usage that is still alive, and the highest id of each entity's table, by its name."""

    usage: Mapping[Usage, int]
    highest: Mapping[str, int]


def source_counts(rows: Mapping[str, Iterable[Mapping[str, Any]]], as_of: int) -> SourceCounts:
    """Counts of rows (times in µs) by entity name, as of a moment in µs: logs of the last 90 days are alive."""
    usage: Counter[Usage] = Counter()
    highest = {}
    for name, each in rows.items():
        ids = [0]
        for row in each:
            ids.append(row["id"])
            if name == USAGE.name and row["created_at"] > as_of - KEPT_DAYS * DAY:
                key = partition(row["user_id"], row["id"]), day_of(row["created_at"]), row["action"]
                usage[key] += 1
        highest[name] = max(ids)
    return SourceCounts(dict(usage), highest)


def seed_counters(client: Any, counts: SourceCounts, tables: Tables | None = None) -> int:
    """Write the counters that are absent; how many were written.

    A usage counter that is there is left alone; a sequence behind the source's ids is moved on to them, for an id must
    not be given twice. None is ever lowered, so this may run again, or beside the application.
    """
    counters = Counters(Items(client, tables or Tables()))
    with ThreadPoolExecutor(_WRITERS, thread_name_prefix="counters") as pool:
        usage = pool.map(lambda each: counters.seed_usage(each[0], each[1]), counts.usage.items())
        highest = pool.map(lambda each: counters.seed_sequence(each[0], each[1]), counts.highest.items())
        return sum([*usage, *highest])


@dataclass(frozen=True)
class Counters:
    """The counters of one set of tables."""

    items: Items

    def next_id(self, entity: Entity) -> int:
        """An id no row of the entity has. Raises TargetError when its sequence was never seeded."""
        name = SEQUENCES[entity.name]
        update = self.items.update(
            MAIN,
            f"COUNTER#{name}",
            _VALUE,
            UpdateExpression="SET #c = #c + :one",
            ConditionExpression="attribute_exists(#c)",
            ExpressionAttributeNames={"#c": "Count"},
            ExpressionAttributeValues={":one": {"N": "1"}},
        )
        item = self.items.send_update(update)
        if item is None:
            raise TargetError(f"the ids of {name} have no counter", remedy="Seed the counters from the source first.")
        return int(item["Count"]["N"])

    def used(self, partition: str, day: str, action: str) -> int | None:
        """What the counter says, now; None when there is none."""
        item = self.items.get(MAIN, partition, usage_sk(day, action))
        return None if item is None else int(item["Count"]["N"])

    def logged(self, partition: str, day: str, action: str) -> int:
        """How many logs of that day and action there are, now."""
        prefix = f"USAGE#{day}#{action}#"
        where = {**USAGE.when, "Action": action}
        found = self.items.query(MAIN, partition, between=(prefix, prefix + "~"), where=where, select=("LogId",))
        return sum(1 for _ in found)

    def one_more(self, partition: str, day: str, action: str, most: int | None) -> dict[str, Any]:
        """The action of a transaction that counts one more, unless there are `most` (None: any number)."""
        bounded = most is not None
        update = self.items.update(
            MAIN,
            partition,
            usage_sk(day, action),
            UpdateExpression="SET #c = #c + :one",
            ConditionExpression="attribute_exists(#c)" + " AND #c < :most" * bounded,
            ExpressionAttributeNames={"#c": "Count"},
            ExpressionAttributeValues={":one": {"N": "1"}} | ({":most": {"N": str(most)}} if bounded else {}),
        )
        return {"Update": update}

    def seed_usage(self, usage: Usage, count: int) -> bool:
        """Write a counter of usage if it is absent. It leaves the table 90 days after its day's end."""
        partition, day, action = usage
        gone = micros(day_bounds(day)[1]) // 1_000_000 + KEPT_DAYS * DAY // 1_000_000
        values = {":n": {"N": str(count)}, ":e": {"S": ENTITY_TYPE}, ":t": {"N": str(gone)}}
        update = self.items.update(
            MAIN,
            partition,
            usage_sk(day, action),
            UpdateExpression="SET #c = :n, #e = :e, #t = :t",
            ConditionExpression="attribute_not_exists(#c)",
            ExpressionAttributeNames=_NAMES | {"#t": "TTL"},
            ExpressionAttributeValues=values,
        )
        return self.items.send_update(update) is not None

    def seed_sequence(self, entity: str, highest: int) -> bool:
        """Have an entity's ids go on behind `highest`, if they don't yet."""
        update = self.items.update(
            MAIN,
            f"COUNTER#{SEQUENCES[entity]}",
            _VALUE,
            UpdateExpression="SET #c = :n, #e = :e",
            ConditionExpression="attribute_not_exists(#c) OR #c < :n",
            ExpressionAttributeNames=_NAMES,
            ExpressionAttributeValues={":n": {"N": str(highest)}, ":e": {"S": ENTITY_TYPE}},
        )
        return self.items.send_update(update) is not None


def usage_sk(day: str, action: str) -> str:
    """The sort key of a counter of usage."""
    return f"COUNTER#{day}#{action}"
