"""A plan as plain values, for --json: exact numbers are texts, times ISO-8601, ranges [low, high]."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from billio_pipeline.model.numbers import plain
from billio_pipeline.model.refusal import Reason
from billio_pipeline.plan.cost import Estimate
from billio_pipeline.plan.limits import Measured
from billio_pipeline.plan.places import Number, Seen
from billio_pipeline.plan.plan import Attribute, EntityPlan, Plan
from billio_pipeline.report.reasons import REASONS

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Whole numbers that, as epoch milliseconds, are times of the years 1990 to 2100.
LIKELY_MS = (631_152_000_000, 4_102_444_800_000)


def answer(plan: Plan) -> dict[str, Any]:
    """The whole plan."""
    return {
        "system": plan.system,
        "ok": not plan.problems,
        "problems": list(plan.problems),
        "export": dict(plan.export) | {"kind": plan.kind, "complete": plan.complete},
        "profile": plan.profile.name,
        "as_of": plan.profile.as_of,
        "target": plan.target,
        "items": plan.items,
        "counts": {name: plan.count(name) for name in ("source", "accepted", "quarantined", "excluded")},
        "entities": {entity.name: _entity(plan, entity) for entity in plan.entities},
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
        "schema": {
            "clean": all(each.clean for each in plan.statements),
            "statements": [
                {
                    "name": each.step.name,
                    "phase": each.step.phase,
                    "sql": each.step.sql,
                    "state": each.state,
                    "findings": each.findings,
                }
                for each in plan.statements
            ],
            "drift": None if plan.drift is None else list(plan.drift),
        },
        "limits": _limits(plan.measured),
        "transactions": _transactions(plan.measured),
        "estimate": _estimate(plan.estimate),
        "seconds": dict(plan.seconds),
    }


def number(value: Number | None) -> str | None:
    """A number's one exact spelling."""
    return None if value is None else plain(Decimal(value))


def moment(micros: int) -> str:
    """A time, from µs since 1970."""
    return (_EPOCH + timedelta(microseconds=micros)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def epoch_ms(seen: Seen) -> tuple[str, str] | None:
    """The range as times, where every number could be epoch milliseconds."""
    low, high = seen.low, seen.high
    if not isinstance(low, int) or not isinstance(high, int) or seen.fractional:
        return None
    if not LIKELY_MS[0] <= low <= high <= LIKELY_MS[1]:
        return None
    return moment(low * 1000), moment(high * 1000)


def _entity(plan: Plan, entity: EntityPlan) -> dict[str, Any]:
    file, line = entity.items.largest_at
    return {
        **entity.counts,
        "profiled": entity.items.items,
        "unreadable": entity.unreadable,
        "largest_item": {"bytes": entity.items.largest, "file": plan.files[file] if line else None, "line": line},
        "attributes": {each.path: _attribute(plan, each) for each in entity.attributes},
        "drift": [each.path for each in entity.drifting],
        "collisions": list(entity.collisions),
    }


def _attribute(plan: Plan, attribute: Attribute) -> dict[str, Any]:
    place = attribute.place
    return {
        "carrier": attribute.carrier,
        "present": place.present,
        "absent": None if attribute.path.endswith("[]") else attribute.absent,
        "null": attribute.null,
        "types": {tag: _seen(plan, tag, place.seen[tag]) for tag in place.types},
        "values": sorted(place.values) if place.values and "S" in place.seen else None,
    }


def _seen(plan: Plan, tag: str, seen: Seen) -> dict[str, Any]:
    found: dict[str, Any] = {"count": seen.count, "largest_bytes": seen.size}
    found["first"] = {"file": plan.files[seen.first[0]], "line": seen.first[1]}
    if tag in ("N", "NS"):
        found |= {"min": number(seen.low), "max": number(seen.high), "fractional": seen.fractional}
        if tag == "N" and (times := epoch_ms(seen)):
            found["as_epoch_ms"] = list(times)
    elif tag in ("S", "B", "M", "L", "SS", "BS"):
        found["length"] = [seen.low, seen.high]
    if seen.times and seen.earliest is not None and seen.latest is not None:
        found["times"] = {"count": seen.times, "range": [moment(seen.earliest), moment(seen.latest)]}
    if tag == "S":
        found["empty"] = seen.empty
    return found


def _limits(measured: Measured) -> list[dict[str, Any]]:
    return [
        {
            "name": limit.name,
            "unit": limit.unit,
            "allowed": limit.allowed,
            "most": limit.most,
            "beyond": limit.beyond,
            "examples": [{"entity": entity, "key": key, "found": found} for entity, key, found in limit.examples],
        }
        for limit in measured.limits
    ]


def _transactions(measured: Measured) -> dict[str, Any]:
    volume = measured.volume
    return {
        "count": volume.transactions,
        "by_entity": volume.transactions_of,
        "most_rows": volume.most_rows,
        "most_bytes": volume.most_bytes,
        "rows": volume.rows,
        "row_bytes": volume.row_bytes,
        "index_entries": volume.entries,
        "index_entry_bytes": volume.entry_bytes,
    }


def _estimate(estimate: Estimate) -> dict[str, Any]:
    found: dict[str, Any] = {
        "seconds": [round(each, 3) for each in estimate.seconds],
        "rows_per_second": list(estimate.rates),
    }
    if estimate.price:
        found |= {
            "dpu": [round(each, 4) for each in estimate.dpu],
            "dollars": [round(each, 6) for each in estimate.dollars],
            "dollars_per_month": round(estimate.dollars_per_month, 6),
            "price": vars(estimate.price),
            "arithmetic": [
                {"what": t.what, "bytes": t.bytes, "times": t.times, "dpu_per_byte": t.factor, "dpu": round(t.dpu, 4)}
                for t in estimate.terms
            ],
        }
    return found
