"""The figures of ThriveCalc's migration document, each beside what comes out here, and why they differ."""

from billio_pipeline.plan.activity import Figure
from billio_pipeline.plan.dynamodb_cost import bill
from billio_pipeline.plan.dynamodb_prices import Prices, usd
from billio_pipeline.plan.dynamodb_units import Workload


def figures(load: Workload, prices: Prices) -> tuple[Figure, ...]:
    """In the document's order. What S3 and Glue cost before isn't reckoned here."""
    halved = "on-demand prices were halved in November 2024"
    return (
        Figure("storage, a GB a month", "$0.25", f"${prices.gb_month}", True, "indexes and recovery come on top"),
        Figure("a million reads", "$0.25", f"${prices.read_million}", False, halved),
        Figure(
            "a million writes", "$1.25", f"${prices.write_million}", False, halved + "; its index is written to, too"
        ),
        *(_users(load, prices, users, seed) for users, seed in ((1_000, "$2"), (10_000, "$20"))),
    )


def _users(load: Workload, prices: Prices, users: int, seed: str) -> Figure:
    found = bill(load, users, "on demand", prices).total
    why = f"if each comes every day, after {load.activity.months} months; the document names no requests"
    return Figure(f"{users:,} users", seed, usd(found), False, why)
