"""Units, bills and break-even are exact arithmetic over measured items: each can be worked out again by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from fractions import Fraction

import pytest

from assets.algoitny.activity import ACTIVITY, HINTS, LARGE, LOGS, SMALL
from assets.algoitny.model import KEPT_DAYS, MAIN, PLANS, PROBLEM, SYSTEM, USAGE, USERS
from assets.algoitny.seed_figures import figures
from billio_pipeline.model.entity import Entity, RowSystem
from billio_pipeline.model.scalars import IdText, IsoMicros
from billio_pipeline.model.tables import DynamoTable, Gsi, Provisioned, SqlTable, Units
from billio_pipeline.model.types import Text
from billio_pipeline.model.words import Derived, Expires, Field, fields
from billio_pipeline.plan.activity import Activity, Event, Other, Read, Scan, Write
from billio_pipeline.plan.dynamodb_cost import MODES, bill, break_even
from billio_pipeline.plan.dynamodb_prices import DAYS, GB, HOURS, PRICES, Instance, usd
from billio_pipeline.plan.dynamodb_units import Use, Workload
from billio_pipeline.plan.item_sizes import Held, Kind, projected
from billio_pipeline.plan.running import run

NARROW = Gsi("Narrow", ("B", "S"), projects=("Text",))
WIDE = Gsi("Wide", ("A", "S"), ("Time", "S"))
TABLE = DynamoTable(
    "toys-all", ("PK", "S"), indexes=(WIDE, NARROW), recovery=True,
    capacity=Provisioned(read=Units(5, 10), write=Units(2, 4, 50)),
)  # fmt: skip
TOY = Entity(
    "Toy",
    SqlTable("toys", key="id"),
    {},
    fields(
        Field("Id", IdText(), row="id"),
        Field("Time", IsoMicros(), row="made_at"),
        Field("A", Text(), row="a"),
        Expires("made_at", days=10, archived_days=9),
        Derived("PK", "TOY#{Id}"),
    ),
    items=TABLE,
)
TOYS = RowSystem("toys", (TOY,))


def kind(entity: Entity, sizes: list[int], **entries: list[int]) -> Kind:
    assert entity.items is not None
    found = Kind(entity.name, entity.items.name, entries={index.name: Held() for index in entity.items.indexes})
    for size in sizes:
        found.held.add(size)
        found.sizes[size] += 1
    for index, each in entries.items():
        for size in each:
            found.entries[index].add(size)
    return found


def load(*events: Event, of: Kind | None = None, **more: object) -> Workload:
    """Toys of 1,500 and 2,500 bytes, half of them in the wide index."""
    measured = of or kind(TOY, [1_500, 2_500], Wide=[1_500])
    return Workload(TOYS, Activity(events, **more), {"Toy": measured})  # type: ignore[arg-type]


def day(*steps: Read | Write | Scan, users: int = 1) -> dict[str | None, tuple[Decimal, Decimal]]:
    found = load(Event("it", steps, per_user=Decimal(1))).day(users)
    return {place[1]: (use.all_reads, use.writes) for place, use in found.items() if use != Use()}


def test_a_read_takes_a_unit_per_4_kb_and_half_of_it_from_an_index() -> None:
    assert day(Read({"Toy": 1})) == {None: (1, 0)}
    assert day(Read({"Toy": 2})) == {None: (1, 0)}  # 4,000 bytes
    assert day(Read({"Toy": 3})) == {None: (2, 0)}  # 6,000
    assert day(Read({"Toy": 3}, "Wide")) == {"Wide": (1, 0)}  # 4,500: two units, eventually consistent
    assert day(Read({"Toy": 1}, times=4), users=3) == {None: (12, 0)}


def test_a_write_takes_a_unit_per_kb_and_one_for_each_index_the_item_is_in() -> None:
    table = (2 + 3) / Decimal(2)
    entry = Decimal("0.5") * 2  # half of the items are in the index, with 2 KB each
    assert day(Write("Toy")) == {None: (0, table), "Wide": (0, entry)}
    assert day(Write("Toy", indexed=False)) == {None: (0, table)}
    assert day(Write("Toy", transaction=True)) == {None: (0, 2 * table), "Wide": (0, entry)}
    assert day(Write("Toy", moved=("Wide",))) == {None: (0, table), "Wide": (0, 2 * entry)}


def test_items_that_expire_stop_adding_up() -> None:
    growing = load(Event("make", (Write("Toy", new=True),), per_user=Decimal(3)))
    items = {months: growing.stored(2, months)["toys-all", None][0] for months in (0, 1, 12)}
    assert items == {0: 2, 1: 60, 12: 60}  # what was loaded at first; then ten days of 2 × 3, and no more
    bytes_of = growing.billed(2, 1)
    assert bytes_of["toys-all", None] == 60 * (2_000 + 100)
    assert bytes_of["toys-all", "Wide"] == 30 * (1_500 + 100)
    assert bytes_of["toys-all", "Narrow"] == 0


def test_what_never_expires_adds_up_and_others_have_a_place_too() -> None:
    forever = load(
        Event("count", (Write("Counter", new=True),), per_user=Decimal(1)), others=(Other("Counter", "toys-all", 50),)
    )
    assert [round(each, 20) for each in forever.stored(7, 24)["toys-all", None]] == [7 * 730, 50 * 7 * 730]


def test_a_scan_reads_the_table_as_it_will_be() -> None:
    made = Event("make", (Write("Toy", new=True),), per_user=Decimal(100))
    scanned = load(made, Event("scan", (Scan("toys-all"),), per_day=Decimal(2)))
    assert scanned.day(10)["toys-all", None].scans == 2 * -(-10 * 100 * 10 * 2_000 // 4_096)


def test_a_kind_the_source_has_none_of_is_taken_to_be_in_the_indexes_it_declares() -> None:
    none = load(Event("make", (Write("Toy"),), per_user=Decimal(1)), of=kind(TOY, []))
    found = {place[1]: use.writes for place, use in none.day(1).items() if use.writes}
    assert found == {None: 1, "Wide": 1}  # Time is its attribute, B of the narrow index is not


def test_provisioned_units_cover_the_peak_at_the_target_and_no_less_than_declared() -> None:
    a_second = load(Event("write", (Write("Toy", indexed=False),), per_user=Decimal(86_400)), peak=Decimal(3))
    lines = {line.what: line for line in bill(a_second, 1, "declared", PRICES).lines}
    writes = 15  # 2.5 units a second × 3 at the busiest, of which half is to be in use
    read, write = PRICES.read_hour, PRICES.write_hour
    assert lines["toys-all provisioned"].dollars == (5 * read + writes * write) * HOURS
    assert lines["toys-all Wide provisioned"].dollars == (5 * read + 2 * write) * HOURS
    assert bill(a_second, 1, "declared", PRICES).short == ("toys-all",)
    free = {line.what: line for line in bill(a_second, 1, "provisioned", PRICES).lines}
    assert free["toys-all provisioned"].dollars == (1 * read + 11 * write) * HOURS  # 7.5 of 70 %: nothing declared


def test_on_demand_is_units_at_the_price_of_a_million() -> None:
    both = load(Event("it", (Write("Toy", indexed=False), Read({"Toy": 3})), per_user=Decimal(1_000_000)))
    line = bill(both, 1, "on demand", PRICES).lines[0]
    assert round(line.dollars, 20) == round(
        DAYS * (Decimal("2.5") * PRICES.write_million + 2 * PRICES.read_million), 20
    )


def test_storage_is_paid_with_its_indexes_and_recovery_without_them() -> None:
    made = Event("make", (Write("Toy", new=True),), per_user=Decimal(GB) / 10)  # of each of ten days
    lines = {line.what: line.dollars for line in bill(load(made), 1, "on demand", PRICES).lines}
    assert lines["toys-all storage"] == (2_100 + Decimal("0.5") * 1_600) * PRICES.gb_month
    assert lines["toys-all recovery"] == 2_100 * PRICES.recovery_gb_month


def test_break_even_is_the_first_number_of_users_that_costs_more() -> None:
    work = run(SYSTEM, ACTIVITY, measured()).load
    for mode in MODES:
        for instance in (SMALL, LARGE, Instance("db.t3.medium", 0, 0)):
            users = break_even(work, mode, PRICES, instance)
            assert users is not None
            assert bill(work, users, mode, PRICES).total > instance.dollars(PRICES)
            assert users == 0 or bill(work, users - 1, mode, PRICES).total <= instance.dollars(PRICES)


def test_what_costs_nothing_per_user_never_breaks_even() -> None:
    assert break_even(load(), "on demand", PRICES, SMALL) is None


def test_an_instance_pays_for_replicas_whole_and_for_backups_beyond_its_storage() -> None:
    assert SMALL.dollars(PRICES) == Decimal("0.072") * 730 + 20 * Decimal("0.115")
    one = PRICES.instance_hour["db.r5.2xlarge"] * 730 + 200 * PRICES.instance_gb_month
    assert LARGE.dollars(PRICES) == 3 * one
    assert replace(SMALL, backup=30).dollars(PRICES) - SMALL.dollars(PRICES) == 10 * PRICES.backup_gb_month


def measured() -> dict[str, Kind]:
    """Ten items of each kind, of 700 bytes, in each index their entity has keys of."""
    found = {}
    for entity in SYSTEM.entities:
        assert entity.items is not None
        keys = {part.attribute for part in entity.derived}
        entries = {index.name: [700] * 10 for index in entity.items.indexes if index.partition[0] in keys}
        found[entity.name] = kind(entity, [700] * 10, **entries)
    return found


def test_the_activity_names_only_what_there_is_and_covers_the_patterns() -> None:
    names = {entity.name for entity in SYSTEM.entities} | {other.name for other in ACTIVITY.others}
    indexes = {entity.name: {i.name for i in entity.items.indexes} for entity in SYSTEM.entities if entity.items}
    for event in ACTIVITY.events:
        for step in event.steps:
            if isinstance(step, Read):
                assert set(step.of) <= names
                assert step.index is None or all(step.index in indexes[name] for name in step.of)
            elif isinstance(step, Write):
                assert step.kind in names
                assert set(step.moved) <= indexes.get(step.kind, set())
            else:
                assert step.table == MAIN.name
    assert {pattern for event in ACTIVITY.events for pattern in event.patterns} == set(range(1, 34))
    logging = [each for each in ACTIVITY.events if Write(USAGE.name, new=True, transaction=True) in each.steps]
    assert sum(event.per_user for event in logging) == LOGS


def test_the_seed_is_reproduced_where_it_is_right_and_corrected_where_it_is_not() -> None:
    found = {each.what: each for each in run(SYSTEM, ACTIVITY, measured(), figures=figures).figures}
    assert (found["50 RCU"].ours, found["20 WCU"].ours) == ("$4.75", "$9.49")
    assert found["GSI1, GSI2, GSI3: 50 RCU, 20 WCU each"].ours == "$14.24 each"
    assert found["GSIs"].ours == "7" == str(sum(len(table.indexes) for table in (MAIN, USERS, PLANS)))
    assert found["the instance today"].ours == "$54.86"
    assert found["the large instance"].ours == "$2,259.00"
    assert found["usage logs of a user"].ours == f"{KEPT_DAYS * LOGS:,}" == "4,500"
    assert found["storage saved by expiry"].ours == "75 %"
    assert {name for name, each in found.items() if each.agrees} == {
        "20 WCU", "storage of 12 GB", "db.t3.medium", "the instance today", "usage logs of a user",
    }  # fmt: skip
    assert all(each.why for each in found.values())
    assert LOGS - HINTS == 45


def test_nothing_passes_through_a_float_and_the_same_input_gives_the_same_answer() -> None:
    first, again = (run(SYSTEM, ACTIVITY, measured(), 12_345, figures=figures) for _ in range(2))
    assert first.bills == again.bills
    assert first.figures == again.figures
    assert first.break_even == again.break_even
    for amount in [line.dollars for each in first.bills for line in each.lines] + [x.dollars for x in first.events]:
        assert isinstance(amount, Decimal)
    exact = Fraction(0)
    for each in first.events:  # the bill on demand is the sum of its events, storage aside
        exact += Fraction(each.dollars)
    on_demand = next(each for each in first.bills if each.mode == "on demand")
    throughput = sum(Fraction(line.dollars) for line in on_demand.lines if "on demand" in line.what)
    assert abs(exact - throughput) < Fraction(1, 10**9)


def test_a_problem_in_three_indexes_costs_three_more_writes_each_time_it_is_counted() -> None:
    event = next(each for each in ACTIVITY.events if each.name == "execute code")
    assert Write(PROBLEM.name, transaction=True) in event.steps
    work = run(SYSTEM, ACTIVITY, measured()).load
    uses = {place: use.writes for place, use in work.day(0).items()}
    assert all(writes == 0 for writes in uses.values())
    assert work.of_event(event).writes == (1 + 2 + 2) + (1 + 2 + 3) + (2 + 3)  # id, count, log; id, entry; problem


def test_an_index_holds_what_it_projects() -> None:
    item = {"PK": {"S": "p"}, "A": {"S": "a"}, "B": {"S": "b"}, "Text": {"S": "t"}, "More": {"S": "m"}}
    assert projected(TABLE, WIDE, item) == item
    assert set(projected(TABLE, NARROW, item)) == {"PK", "B", "Text"}
    assert set(projected(TABLE, replace(NARROW, projects="KEYS_ONLY"), item)) == {"PK", "B"}


@pytest.mark.parametrize(("sizes", "p99"), [([1] * 99 + [9], 1), ([1] * 98 + [9, 9], 9), ([5], 5), ([], 0)])
def test_p99_is_what_99_of_100_do_not_exceed(sizes: list[int], p99: int) -> None:
    assert kind(TOY, sizes).p99 == p99


def test_prices_say_where_and_when_they_hold() -> None:
    assert PRICES.region == "us-east-1"
    assert PRICES.as_of <= date.today()
    assert PRICES.source
    assert usd(Decimal("4.745")) == "$4.75"
    assert usd(Decimal("1234.5")) == "$1,234.50"
