"""The figures of AlgoItny's design document (2025-01-15), each beside what comes out here, and why they differ."""

from decimal import Decimal

from assets.algoitny.activity import HINTS, LARGE, LOGS, SMALL
from assets.algoitny.model import KEPT_DAYS, PLANS, SYSTEM, USAGE, USERS
from billio_pipeline.model.tables import DynamoTable
from billio_pipeline.plan.activity import Figure
from billio_pipeline.plan.dynamodb_cost import Bill, Mode, bill, break_even
from billio_pipeline.plan.dynamodb_prices import DAYS, GB, HOURS, Prices, usd
from billio_pipeline.plan.dynamodb_units import Workload

_READ, _WRITE, _STORED = 50, 20, 12  # RCU and WCU of the table and of each index, GB: what the document reckons with


def figures(load: Workload, prices: Prices) -> tuple[Figure, ...]:
    """In the document's order: for 1,000 users a day, the instance, 10,000 users, the rest."""
    read, write = _READ * prices.read_hour * HOURS, _WRITE * prices.write_hour * HOURS
    kept = sum(load.billed(1_000).values(), Decimal()) / GB
    thousand, ten = ({m: bill(load, n, m, prices) for m in _MODES} for n in (1_000, 10_000))
    corrected = 4 * (read + write) + _of(thousand["declared"], USERS) + _of(thousand["declared"], PLANS)
    corrected += _STORED * prices.gb_month
    return (
        Figure("50 RCU", "$23", usd(read), False, "50 units at the price of writes; a read unit costs a fifth of one"),
        Figure("20 WCU", "$9", usd(write), True, f"20 × ${prices.write_hour} × {HOURS} h"),
        Figure("GSI1, GSI2, GSI3: 50 RCU, 20 WCU each", "$32 each", f"{usd(read + write)} each", False, "as 50 RCU"),
        Figure(
            "AlgoItny-Users, on demand", "$1", usd(_of(thousand["declared"], USERS)), False,
            "the activity's sign-ins and limits at the price since November 2024, half the document's",
        ),
        Figure(
            "AlgoItny-Plans, on demand", "$0.20", usd(_of(thousand["declared"], PLANS)), False,
            "a plan is read for each use that is counted, since limits have to hold",
        ),
        Figure(
            "storage of 12 GB", "$3", usd(_STORED * prices.gb_month), True,
            f"but with indexes and 100 bytes an item it is {kept:,.1f} GB after {load.activity.months} months: "
            f"{usd(kept * prices.gb_month)}; point-in-time recovery is extra",
        ),
        Figure(
            "1,000 users a day", "$132; $137 in its summary", usd(corrected), False,
            "the document's own units at the right price of reads; it gives two totals",
        ),
        Figure(
            "1,000 users a day, by the activity", "$132", _all(thousand), False,
            "capacity follows what is done, storage has its indexes, recovery is on",
        ),
        *_instances(prices),
        Figure(
            "10,000 users a day", "$850; $800 in its summary", _all(ten), False,
            "the document names no units for it; by the activity a tenfold day costs this",
        ),
        Figure(
            "saved at 10,000 users a day", "$700–800, 45 %", usd(LARGE.dollars(prices) - _least(ten).total), False,
            f"against the large instance, {_least(ten).mode}; the small one, if it bears them, costs "
            f"{usd(SMALL.dollars(prices))}",
        ),
        _even(load, prices),
        Figure(
            "GSIs", "9 (3 per table)", str(sum(len(table.indexes) for table in SYSTEM.tables)), False,
            "3 + 3 + 1: the plans' table has one",
        ),
        Figure(
            "usage logs of a user", "4,500", f"{KEPT_DAYS * LOGS:,}", True,
            f"{KEPT_DAYS} days of {LOGS - HINTS} executions and {HINTS} hints",
        ),
        Figure(
            "storage saved by expiry", "90 %", _saved(load), False,
            f"of the logs after {load.activity.months} months; 90 % of them after 30, and nothing else expires",
        ),
    )  # fmt: skip


_MODES: tuple[Mode, ...] = ("declared", "on demand", "provisioned")


def _instances(prices: Prices) -> tuple[Figure, ...]:
    small, large = SMALL.lines(prices), LARGE.lines(prices)
    free = "backups are free up to the size of the storage"
    return (
        Figure("db.t3.medium", "$50–70", usd(small[0][1]), True, "one zone, on demand"),
        Figure("its storage, 20 GB", "$3", usd(small[1][1]), False, f"at ${prices.instance_gb_month} a GB"),
        Figure("its backups, 20 GB", "$2", usd(small[2][1]), False, free),
        Figure("the instance today", "$55–75; $50–100 in its summary", usd(SMALL.dollars(prices)), True, "the sum"),
        Figure(
            "db.r5.2xlarge",
            "$500–600",
            usd(large[0][1]),
            False,
            f"at ${prices.instance_hour[LARGE.type]} an hour, all month",
        ),
        Figure("its storage, 200 GB", "$30", usd(large[1][1]), False, f"at ${prices.instance_gb_month} a GB"),
        Figure("its backups, 200 GB", "$20", usd(large[2][1]), False, free),
        Figure(
            "two read replicas", "$1,000", usd(large[3][1]), False, "each costs what the instance does, storage too"
        ),
        Figure("the large instance", "$1,550–1,650", usd(LARGE.dollars(prices)), False, "the sum of the above"),
    )


def _even(load: Workload, prices: Prices) -> Figure:
    def users(instance: object) -> str:
        chosen = SMALL if instance is SMALL else LARGE
        found = [break_even(load, mode, prices, chosen) for mode in _MODES]
        return " / ".join("never" if each is None else f"{each:,}" for each in found)

    return Figure(
        "break-even", "about 5,000 users a day, cheaper above",
        f"dearer from {users(SMALL)} on than {SMALL.type}; from {users(LARGE)} than {LARGE.type} with replicas", False,
        f"({' / '.join(_MODES)}) an instance costs the same for any number of users, so DynamoDB is cheaper below it, "
        "not above",
    )  # fmt: skip


def _of(whole: Bill, table: DynamoTable) -> Decimal:
    """The throughput of a table."""
    names = (f"{table.name} on demand, indexes included",)
    return sum((line.dollars for line in whole.lines if line.what in names), Decimal())


def _least(bills: dict[Mode, Bill]) -> Bill:
    return min(bills.values(), key=lambda each: each.total)


def _all(bills: dict[Mode, Bill]) -> str:
    return ", ".join(f"{usd(each.total)} {mode}" for mode, each in bills.items())


def _saved(load: Workload) -> str:
    """Share of a table's logs that have expired."""
    assert USAGE.expires is not None
    return f"{100 * (1 - USAGE.expires.days / (DAYS * load.activity.months)):.0f} %"
