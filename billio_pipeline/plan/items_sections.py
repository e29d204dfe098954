"""A plan of a migration into DynamoDB as titled tables of short texts: the same in the terminal and on the page."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from billio_pipeline.model.refusal import Reason
from billio_pipeline.model.size import MAX_ITEM_BYTES
from billio_pipeline.model.tables import DynamoTable, Gsi
from billio_pipeline.plan.dynamodb_cost import spelt
from billio_pipeline.plan.dynamodb_prices import DAYS, GB, usd
from billio_pipeline.plan.items import NEAR, ItemsPlan
from billio_pipeline.plan.running import PARTITION_WRITES, EventUse, Running
from billio_pipeline.plan.words import span_of_time
from billio_pipeline.report.reasons import REASONS


@dataclass(frozen=True)
class Section:
    """A table. `head` names its columns: those in `words` hold words, the others numbers. `notes` follow."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    words: tuple[int, ...] = (0,)
    notes: tuple[str, ...] = ()


def sections(plan: ItemsPlan, running: Running | None, wcu: int | None = None) -> Iterator[Section]:
    """All of it, in the order it is read."""
    yield _entities(plan)
    if plan.quarantine:
        yield _quarantine(plan)
    yield _tables(plan)
    yield _load(plan, wcu, running)
    yield _limits(plan, running)
    if running is not None:
        yield from _running(running)


def _entities(plan: ItemsPlan) -> Section:
    rows = []
    for name, counts in plan.counts.items():
        kind = plan.kinds[name]
        mean = Decimal(kind.held.bytes) / kind.held.items if kind.held.items else Decimal()
        numbers = counts["source"], counts["accepted"], plan.expired.get(name, 0), counts["excluded"]
        rows.append((name, *_n(*numbers), *_n(counts["quarantined"]), f"{mean:,.0f}", *_n(kind.p99, kind.largest)))
    head = "entity", "rows", "items", "expired", "excluded in all", "quarantined", "mean bytes", "p99", "largest"
    return Section("Entities", head, tuple(rows))


def _quarantine(plan: ItemsPlan) -> Section:
    rows = [
        (str(each.count), each.reason, REASONS[Reason(each.reason)].cause, _example(each.examples[0]))
        for each in plan.quarantine
    ]
    return Section("Would be quarantined", ("rows", "reason", "cause", "first"), tuple(rows), (1, 2, 3))


def _example(example: object) -> str:
    found = vars(example)
    return f"{found['file']}, line {found['line']:,}: {found['message']}"


def _tables(plan: ItemsPlan) -> Section:
    created = {table.name for table in plan.created}
    rows = []
    for table in plan.system.tables:
        state = "to create" if table.name in created else "there"
        rows.append((table.name, state, *_place(plan, table, None), _with(table)))
        rows += [(f"  {each.name}", state, *_place(plan, table, each), _keys(each)) for each in table.indexes]
    notes = [f"drift: {each}" for each in plan.differing]
    if plan.unreached:
        notes.append(f"no table was compared: {plan.unreached}")
    elif plan.drift is None:
        notes.append("no table was compared: no DynamoDB was named")
    elif not plan.differing:
        notes.append("tables that are there differ nowhere from their declaration")
    head = "table or index", "state", "items", "bytes", "stored, with 100 an item", "as declared"
    return Section("Tables", head, tuple(rows), (0, 1, 5), tuple(notes))


def _place(plan: ItemsPlan, table: DynamoTable, index: Gsi | None) -> tuple[str, ...]:
    held = plan.held(table, index.name if index else None)
    return _n(held.items, held.bytes, held.stored)


def _with(table: DynamoTable) -> str:
    found = [_keys(table), "on demand"]
    if table.capacity:
        read, write = table.capacity.read, table.capacity.write
        found[1] = f"{read.least}–{read.most} RCU, {write.least}–{write.most} WCU at {read.target} %"
    found += [f"TTL {table.ttl}"] if table.ttl else []
    found += ["recovery"] if table.recovery else []
    found += [f"stream {table.stream}"] if table.stream else []
    return "; ".join([*found, f"encryption {table.encryption or 'of DynamoDB'}"])


def _keys(place: DynamoTable | Gsi) -> str:
    return ", ".join(
        f"{name} {tag}" for name, tag in ((place.partition, place.sort) if place.sort else (place.partition,))
    )


def _load(plan: ItemsPlan, wcu: int | None, running: Running | None) -> Section:
    rows = tuple((each.what, f"{each.units:,}", span_of_time(float(each.seconds))) for each in plan.load_times(wcu))
    note = f"{plan.write_units:,} write units in all, indexes included"
    if running:
        dollars = plan.write_units * running.prices.write_million / 10**6
        note += f": {usd(dollars)} on demand"
    return Section("Load", ("pace", "WCU", "takes at least"), rows, (0, 2), (note,))


def _limits(plan: ItemsPlan, running: Running | None) -> Section:
    rows = [
        ("largest item", _largest(plan), f"{MAX_ITEM_BYTES:,} bytes"),
        (f"items over {NEAR:,} bytes", f"{plan.near:,}", "none, so that each can grow"),
        ("secondary indexes of a table", str(max(len(t.indexes) for t in plan.system.tables)), "20"),
        ("items of one partition key", "no local index, so no limit", "10 GB with one"),
    ]
    rows += [
        (
            f"hottest key of {spelt((each.table, each.index))}",
            f"{each.key}: {each.items:,} of {each.of:,}",
            f"{each.share:.1%}",
        )
        for each in plan.hottest
    ]
    if running:
        place, units = running.busiest
        rows.append((
            f"writes to one key of {spelt(place)}", f"{units:,.1f} a second at worst, all to one",
            f"{PARTITION_WRITES:,} a second",
        ))  # fmt: skip
    return Section("Limits", ("what", "found", "limit or share"), tuple(rows), (0, 1, 2))


def _largest(plan: ItemsPlan) -> str:
    kind = max(plan.kinds.values(), key=lambda each: each.largest)
    return f"{kind.largest:,} bytes: {kind.name} {kind.largest_key}" if kind.largest else "none"


def _running(running: Running) -> Iterator[Section]:
    prices = running.prices
    yield Section(
        f"A day of {running.users:,} users",
        ("event", "patterns", "a day", "reads", "writes", "a month on demand"),
        tuple(map(_event, running.events)),
        notes=(
            f"busiest time: {running.activity.peak} times the mean; storage after {running.activity.months} months: "
            + ", ".join(f"{size / GB:,.2f} GB after {months}" for months, size in running.growth),
        ),
        words=(0, 1),
    )  # fmt: skip
    for bill in running.bills:
        yield Section(
            f"Month, {bill.mode}: {usd(bill.total)}",
            ("what", "arithmetic", "a month"),
            tuple((line.what, line.arithmetic, usd(line.dollars)) for line in bill.lines if line.dollars >= _CENT),
            (0, 1),
        )
    if running.break_even:
        yield Section(
            "Break-even: DynamoDB costs more from so many users a day on",
            ("instead of", "a month", *(bill.mode for bill in running.bills)),
            tuple(
                (_instance(each.instance), usd(each.dollars), *(_from(users) for users in each.users.values()))
                for each in running.break_even
            ),
            notes=("whether the instance bears so many isn't asked here",),
        )
    if running.figures:
        yield Section(
            "The seed's figures",
            ("figure", "seed", "ours", "verdict", "why"),
            tuple((f.what, f.seed, f.ours, "agrees" if f.agrees else "differs", f.why) for f in running.figures),
            (0, 1, 2, 3, 4),
        )
    yield Section(
        "Prices", ("what", "price"),
        (
            ("on demand, a million write units", f"${prices.write_million}"),
            ("on demand, a million read units", f"${prices.read_million}"),
            ("provisioned, a write unit's hour", f"${prices.write_hour}"),
            ("provisioned, a read unit's hour", f"${prices.read_hour}"),
            ("storage, a GB a month", f"${prices.gb_month}"),
            ("point-in-time recovery, a GB of the table a month", f"${prices.recovery_gb_month}"),
        ),
        notes=(
            f"{prices.region}, {prices.as_of}; {prices.source}; a month has {DAYS:.1f} days",
            "not counted: free tier, data transfer, KMS requests, CloudWatch alarms, backups, restores, exports",
        ),
    )  # fmt: skip


def _event(each: EventUse) -> tuple[str, ...]:
    numbers = (f"{number:,.0f}" for number in (each.times, each.use.all_reads, each.use.writes))
    return each.event.name, ", ".join(map(str, each.event.patterns)), *numbers, usd(each.dollars)


_CENT = Decimal("0.005")  # what shows as nothing is left out of a bill's lines, not of its total


def _from(users: int | None) -> str:
    return "never" if users is None else f"{users:,}" if users else "always"


def _instance(instance: object) -> str:
    found = vars(instance)
    replicas = f", {found['replicas']} read replicas" if found["replicas"] else ""
    return f"{found['type']}, {found['storage']} GB{replicas}"


def _n(*numbers: int) -> tuple[str, ...]:
    return tuple(f"{number:,}" for number in numbers)
