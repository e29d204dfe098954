"""A plan of a migration into DynamoDB as plain values, for --json: amounts are texts of exact decimals."""

from __future__ import annotations

from dataclasses import asdict
from decimal import Decimal
from typing import Any

from billio_pipeline.model.refusal import Reason
from billio_pipeline.model.size import MAX_ITEM_BYTES
from billio_pipeline.plan.dynamodb_cost import Bill, spelt
from billio_pipeline.plan.dynamodb_prices import Prices
from billio_pipeline.plan.items import ItemsPlan
from billio_pipeline.plan.running import Running
from billio_pipeline.report.reasons import REASONS
from billio_pipeline.stores.dynamodb.tables import definition


def answer(plan: ItemsPlan, running: Running | None, wcu: int | None = None) -> dict[str, Any]:
    """The whole plan. Dollars have six places, units and bytes that are means two."""
    problems = [*plan.problems, *(running.problems if running else ())]
    return {
        "system": plan.system.name,
        "ok": not problems,
        "problems": problems,
        "source": dict(plan.source) | {"about": dict(plan.about)},
        "counts": {name: plan.count(name) for name in ("source", "accepted", "quarantined", "excluded")},
        "entities": {name: dict(counts) | _kind(plan, name) for name, counts in plan.counts.items()},
        "quarantine": [
            {
                "reason": each.reason,
                "count": each.count,
                "cause": REASONS[Reason(each.reason)].cause,
                "remedy": REASONS[Reason(each.reason)].remedy,
                "examples": [vars(example) for example in each.examples],
            }
            for each in plan.quarantine
        ],
        "target": plan.target,
        "unreached": plan.unreached,
        "tables": [
            {"definition": definition(table), "create": table in plan.created, "places": _places(plan, table.name)}
            for table in plan.system.tables
        ],
        "drift": None if plan.drift is None else [asdict(each) for each in plan.differing],
        "load": {"write_units": plan.write_units, "times": [asdict(each) for each in plan.load_times(wcu)]},
        "limits": {
            "item_bytes": {"allowed": MAX_ITEM_BYTES, "most": max(k.largest for k in plan.kinds.values())},
            "near": plan.near,
            "hottest": [asdict(each) for each in plan.hottest],
        },
        "running": _running(running) if running else None,
        "seconds": dict(plan.seconds),
    }


def _kind(plan: ItemsPlan, name: str) -> dict[str, Any]:
    kind = plan.kinds[name]
    mean = Decimal(kind.held.bytes) / kind.held.items if kind.held.items else Decimal()
    sizes = {"mean": _two(mean), "p99": kind.p99, "largest": kind.largest, "largest_key": kind.largest_key or None}
    return {"expired": plan.expired.get(name, 0), "table": kind.table, "item_bytes": sizes}


def _places(plan: ItemsPlan, name: str) -> dict[str, Any]:
    """By index, and under the table's name for itself."""
    table = next(each for each in plan.system.tables if each.name == name)
    return {
        index or name: asdict(held) | {"stored": held.stored}
        for index in (None, *(each.name for each in table.indexes))
        for held in [plan.held(table, index)]
    }


def _running(running: Running) -> dict[str, Any]:
    place, units = running.busiest
    return {
        "users": running.users,
        "peak": str(running.activity.peak),
        "months": running.activity.months,
        "events": [
            {
                "event": each.event.name,
                "patterns": list(each.event.patterns),
                "times_a_day": _two(each.times),
                "reads_a_day": _two(each.use.all_reads),
                "writes_a_day": _two(each.use.writes),
                "dollars_on_demand": _six(each.dollars),
            }
            for each in running.events
        ],
        "units_a_day": {
            spelt(place): {"reads": _two(use.all_reads), "writes": _two(use.writes)}
            for place, use in running.day.items()
        },
        "busiest_index": {"name": spelt(place), "writes_a_second": _two(units)},
        "stored_bytes": {str(months): _two(size) for months, size in running.growth},
        "bills": {bill.mode: _bill(bill) for bill in running.bills},
        "cheapest": running.cheapest.mode,
        "break_even": [
            {"instance": asdict(each.instance), "dollars": _six(each.dollars), "users": dict(each.users)}
            for each in running.break_even
        ],
        "figures": [asdict(each) for each in running.figures],
        "prices": _prices(running.prices),
    }


def _bill(bill: Bill) -> dict[str, Any]:
    lines = [{"what": x.what, "arithmetic": x.arithmetic, "dollars": _six(x.dollars)} for x in bill.lines]
    return {"dollars": _six(bill.total), "lines": lines, "short": list(bill.short)}


def _prices(prices: Prices) -> dict[str, Any]:
    plain = {name: str(value) if isinstance(value, Decimal) else value for name, value in vars(prices).items()}
    return plain | {"instance_hour": {name: str(value) for name, value in prices.instance_hour.items()}}


def _two(value: Decimal) -> str:
    return f"{value:.2f}"


def _six(value: Decimal) -> str:
    return f"{value:.6f}"
