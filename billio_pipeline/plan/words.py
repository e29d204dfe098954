"""A plan's values as short texts, the same in the terminal and on the page."""

from __future__ import annotations

from billio_pipeline.plan.answer import epoch_ms, moment, number
from billio_pipeline.plan.cost import Estimate
from billio_pipeline.plan.limits import Limit
from billio_pipeline.plan.places import Seen
from billio_pipeline.plan.plan import Attribute

_COUNTED = {"S": "chars", "B": "bytes", "M": "keys", "L": "elements", "SS": "members", "BS": "members"}


def types(attribute: Attribute) -> str:
    """`S 38, NULL 2`: the types found, the most frequent first."""
    return ", ".join(f"{tag} {count:,}" for tag, count in attribute.place.types.items())


def range_of(tag: str, seen: Seen) -> str:
    """`S 4…26 chars`: what the values of one type range over; nothing for those that have no range."""
    if tag in ("N", "NS"):
        times = epoch_ms(seen) if tag == "N" else None
        text = f"{tag} {_span(number(seen.low), number(seen.high))}"
        if times:
            text = f"{tag} {_span(times[0][:10], times[1][:10])} in ms"
        return text + (f", {seen.fractional:,} with a fraction" if seen.fractional else "")
    if tag not in _COUNTED:
        return ""
    text = f"{tag} {_span(seen.low, seen.high)} {_COUNTED[tag]}"
    if seen.times and seen.earliest is not None and seen.latest is not None:
        which = "times" if seen.times == seen.count else f"{seen.times:,} times"
        text += f", {which} {_span(moment(seen.earliest)[:10], moment(seen.latest)[:10])}"
    return text + (f", {seen.empty:,} empty" if seen.empty else "")


def ranges(attribute: Attribute) -> str:
    return "; ".join(filter(None, (range_of(tag, attribute.place.seen[tag]) for tag in attribute.place.types)))


def largest(attribute: Attribute) -> int:
    """Bytes of the largest value."""
    return max((seen.size for seen in attribute.place.seen.values()), default=0)


def absent(attribute: Attribute) -> str:
    """How often it is absent and NULL."""
    if attribute.path.endswith("[]"):
        return ""
    null = f"{attribute.null:,} NULL" if attribute.null else ""
    return ", ".join(filter(None, [f"{attribute.absent:,}" if attribute.absent else "", null]))


def limit(each: Limit) -> str:
    allowed = "no limit" if each.allowed is None else f"{each.allowed:,} allowed"
    return f"{each.most:,} of {allowed}" if each.allowed is not None else f"{each.most:,} ({allowed})"


def span_of_time(seconds: float) -> str:
    """`3 s`, `14 min`, `2.5 h`."""
    if seconds < 1:
        return "under 1 s"
    if seconds < 120:
        return f"{seconds:,.0f} s"
    return f"{seconds / 60:,.0f} min" if seconds < 7_200 else f"{seconds / 3_600:,.1f} h"


def time(estimate: Estimate) -> str:
    """The range of time, and what it is worked out from."""
    low, high = map(span_of_time, estimate.seconds)
    slow, quick = estimate.rates
    between = low if low == high else f"{low} to {high}"
    return f"{between}, at {quick:,.0f} to {slow:,.0f} rows/s"


def dollars(amount: float) -> str:
    return f"${amount:,.2f}" if amount >= 0.995 else f"${amount:.4f}"


def cost(estimate: Estimate) -> str:
    """DPU and dollars with region and date; nothing where nothing is billed by them."""
    if estimate.price is None:
        return ""
    low, high = estimate.dpu
    price = estimate.price
    return (
        f"{low:,.1f} to {high:,.1f} DPU = {dollars(estimate.dollars[0])} to {dollars(estimate.dollars[1])}, "
        f"at ${price.million_dpu:.2f} per million DPU in {price.region} as of {price.as_of}; "
        f"storage {dollars(estimate.dollars_per_month)} a month at ${price.gb_month} per GB"
    )


def _span(low: object, high: object) -> str:
    return f"{low}" if low == high else f"{low}…{high}"
