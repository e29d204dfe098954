"""What AWS charges for DynamoDB, and for PostgreSQL on RDS beside it: every figure with its region, date and source.

List prices, in US dollars, without tax, free tier, reservations or savings plans. They change without notice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import ROUND_HALF_UP, Decimal

HOURS = Decimal(730)  # of a month, as AWS's own calculator has it
DAYS = HOURS / 24
GB = 2**30  # bytes of what AWS bills as a GB


@dataclass(frozen=True)
class Prices:
    """Prices of one region. Units are those of capacity: a write of up to 1 KB, a consistent read of up to 4 KB."""

    region: str
    as_of: date
    source: str
    write_million: Decimal
    read_million: Decimal
    write_hour: Decimal
    read_hour: Decimal
    gb_month: Decimal
    recovery_gb_month: Decimal
    instance_hour: Mapping[str, Decimal] = field(default_factory=dict)
    instance_gb_month: Decimal = Decimal()
    backup_gb_month: Decimal = Decimal()


PRICES = Prices(
    region="us-east-1",
    as_of=date(2026, 11, 21),
    source="AWS's price lists of DynamoDB (Standard table class; on demand as halved in November 2024) and of RDS for "
    "PostgreSQL (on demand, one zone, gp2 or gp3)",
    write_million=Decimal("0.625"),
    read_million=Decimal("0.125"),
    write_hour=Decimal("0.00065"),
    read_hour=Decimal("0.00013"),
    gb_month=Decimal("0.25"),
    recovery_gb_month=Decimal("0.20"),
    instance_hour={"db.t3.medium": Decimal("0.072"), "db.r5.2xlarge": Decimal("1.00")},
    instance_gb_month=Decimal("0.115"),
    backup_gb_month=Decimal("0.095"),
)


@dataclass(frozen=True)
class Instance:
    """PostgreSQL on RDS: the class, with as many read replicas of the same size; storage and backups in GB."""

    type: str
    storage: int
    backup: int
    replicas: int = 0

    def lines(self, prices: Prices) -> tuple[tuple[str, Decimal], ...]:
        """Dollars a month by part. Backups are free up to the size of the database's storage."""
        hour, storage = prices.instance_hour[self.type], self.storage * prices.instance_gb_month
        return (
            (f"{self.type}, {HOURS} h at ${hour}", hour * HOURS),
            (f"storage, {self.storage} GB at ${prices.instance_gb_month}", storage),
            (
                f"backups, {self.backup} GB, {min(self.backup, self.storage)} of them free",
                max(0, self.backup - self.storage) * prices.backup_gb_month,
            ),
            (f"{self.replicas} read replicas, each with its storage", self.replicas * (hour * HOURS + storage)),
        )

    def dollars(self, prices: Prices) -> Decimal:
        """A month's."""
        return sum((amount for _, amount in self.lines(prices)), Decimal())


def usd(amount: Decimal) -> str:
    """Dollars and cents, for people."""
    return f"${amount.quantize(Decimal('0.01'), ROUND_HALF_UP):,}"
