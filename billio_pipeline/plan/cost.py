"""What a load would take and cost: arithmetic over measured bytes, shown line by line; a range, not a promise.

Aurora DSQL bills distributed processing units. The factors give reads and writes; what queries compute comes on top, so
the upper end of each range is twice the sum. Prices have a region and a date and change without notice.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from billio_pipeline.plan.limits import Volume
from billio_pipeline.stores.sql.ddl import TableDef
from billio_pipeline.stores.sql.profiles import Profile

# WriteDPU = max(bytes, 1,024) × WRITE per transaction; ReadDPU = max(bytes, 2,048) × READ. Source: docs/dsql.md.
WRITE = 0.00004883
READ = 0.00000183105
SMALLEST_READ = 2_048
UNCERTAINTY = 2.0

# Rows per second. Aurora DSQL, as others report: a fresh table takes a few thousand until its partitions split;
# threads of one Python process reach about 12,000. PostgreSQL: 40 CPU-seconds per million rows for COPY, indexes and
# reading back were measured on two cores; a busier or remoter server takes longer.
RATES = {"dsql": (2_000.0, 12_000.0), "postgres": (10_000.0, 50_000.0)}


@dataclass(frozen=True)
class Price:
    """What is charged in a region, in US dollars."""

    region: str
    as_of: date
    million_dpu: float
    gb_month: float


PRICE = Price("us-east-1", date(2026, 11, 21), 8.00, 0.33)


@dataclass(frozen=True)
class Term:
    """One line of the sum: `bytes` read or written, `times` over, at `factor` DPU per byte."""

    what: str
    bytes: int
    times: int
    factor: float

    @property
    def dpu(self) -> float:
        return self.bytes * self.times * self.factor

    @property
    def arithmetic(self) -> str:
        times = f"{self.times} × " if self.times != 1 else ""
        return f"{times}{self.bytes:,} bytes × {self.factor:.11f}".rstrip("0") + f" = {self.dpu:,.2f} DPU"


@dataclass(frozen=True)
class Estimate:
    """Seconds of loading and verifying, and for Aurora DSQL the cost. Every range is (low, high)."""

    seconds: tuple[float, float]
    rates: tuple[float, float]
    terms: tuple[Term, ...] = ()
    price: Price | None = None
    stored_bytes: int = 0

    @property
    def dpu(self) -> tuple[float, float]:
        low = sum(term.dpu for term in self.terms)
        return low, low * UNCERTAINTY

    @property
    def dollars(self) -> tuple[float, float]:
        rate = self.price.million_dpu / 1e6 if self.price else 0.0
        return self.dpu[0] * rate, self.dpu[1] * rate

    @property
    def dollars_per_month(self) -> float:
        """For keeping what was loaded."""
        return self.stored_bytes / 1e9 * self.price.gb_month if self.price else 0.0


def estimate(
    volume: Volume, table: TableDef, profile: Profile, *, rates: tuple[float, float] | None = None
) -> Estimate:
    """Time and cost of loading `volume` into a fresh table, building its indexes and reading everything back once."""
    slow, quick = rates or RATES[profile.name]
    seconds = (volume.rows / quick, volume.rows / slow)
    if profile.name != "dsql":
        return Estimate(seconds, (slow, quick))
    read = max(volume.row_bytes, SMALLEST_READ) if volume.rows else 0
    loading = f"write {volume.rows:,} rows and the ledger in {volume.transactions:,} transactions"
    terms = (
        Term(loading, volume.billed, 1, WRITE),
        Term(f"write {volume.entries:,} index entries", volume.entry_bytes, 1, WRITE),
        Term("read the table to build its indexes", read, len(table.indexes), READ),
        Term("read the table to validate its constraints", read, len(table.checks) + len(table.references), READ),
        Term("read the table back to verify", read, 1, READ),
    )
    return Estimate(seconds, (slow, quick), terms, PRICE, volume.row_bytes + volume.entry_bytes)
