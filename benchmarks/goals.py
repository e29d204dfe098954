"""The goals of the design, each a ratio of two figures of one bench; reached, not reached, or not measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.measure import Run
from benchmarks.results import Results, _median

JOB = "ours-checks"  # the job whose speed the goals are about: with every check
WORKER_BYTES = 256 << 20


@dataclass(frozen=True)
class Goal:
    """`least` or `most` is what `found` is held against; `how` says what is divided by what."""

    what: str
    how: str
    find: Callable[[Results], float | None]
    least: float | None = None
    most: float | None = None
    unit: str = "×"
    note: str = ""

    def reached(self, results: Results) -> bool | None:
        """None: not measured, or no goal but a figure beside one."""
        found = self.find(results)
        if found is None or (self.least is None and self.most is None):
            return None
        return found >= self.least if self.least is not None else found <= (self.most or 0.0)

    def wanted(self) -> str:
        if self.least is not None:
            return f"≥ {shown(self.least, self.unit)}"
        return f"≤ {shown(self.most, self.unit)}" if self.most is not None else "—"

    def told(self, results: Results) -> str:
        """The figure and the verdict, for a cell."""
        found, reached = self.find(results), self.reached(results)
        if found is None:
            return self.note or "not measured"
        if reached is None:
            return shown(found, self.unit)
        return f"{shown(found, self.unit)} — {'reached' if reached else '**not reached**'}"


def shown(value: float | None, unit: str) -> str:
    """A figure with its unit."""
    if value is None:
        return "—"
    if unit == "%":
        return f"{value:.1%}".replace(".0%", "%").replace("%", " %")
    if unit == "MB":
        return f"{value / 2**20:,.0f} MB"
    return f"{value:.2f}×" if value < 10 else f"{value:,.1f}×"


def ratio(numerator: float | None, denominator: float | None) -> float | None:
    """None when either was not measured, or nothing was used."""
    return numerator / denominator if numerator is not None and denominator else None


def faster_than(name: str) -> Callable[[Results], float | None]:
    """Items a second of the job, over those of a competitor."""
    return lambda results: ratio(results.rate(JOB), results.rate(name))


def share(stage: str) -> Callable[[Results], float | None]:
    """CPU of one stage in the CPU of the job, both sides."""
    return lambda results: ratio(results.cpu(JOB, stage), results.cpu(JOB)) if results.cpu(JOB, stage) else None


def decode_over_boto3(results: Results) -> float | None:
    """CPU of boto3's TypeDeserializer over ours, for the same lines."""
    return ratio(results.cpu("parts", "TypeDeserializer"), results.cpu("parts", "our decoder"))


def copy_over_psql(results: Results) -> float | None:
    """CPU of our COPY into a table that has its key alone, encoding included, over psql's of the same rows encoded."""
    return ratio(results.cpu("our-copy", "load"), results.cpu("copy", "load"))


def load_over_psql(results: Results) -> float | None:
    """The same for the whole stage: staged Parquet read, batches hashed, ledger rows committed with them."""
    return ratio(results.cpu("ours", "load"), results.cpu("copy", "load"))


def two_over_one(results: Results) -> float | None:
    """Seconds of decoding with one process over those with two."""
    return ratio(results.wall("parts", "one process"), results.wall("parts", "two processes"))


def worker_peak(results: Results) -> float | None:
    """Most bytes one decoding process had, in any run; None when the export was too small for any to be started."""
    runs: list[Run] = [*results.good("parts"), *results.good("ours"), *results.good(JOB)]
    return float(max((run.peak_worker for run in runs), default=0)) or None


def fast_share(results: Results) -> float | None:
    """Share of lines the fast path decoded."""
    return _median([run.facts["fast"] / run.facts["items"] for run in results.good("ours")])


GOALS = (
    Goal("the job ÷ the seed's script", "items/s, the script as written", faster_than("seed-commits"), least=7),
    Goal("the job ÷ the script, one transaction", "items/s, kinder than written", faster_than("seed"), least=7),
    Goal("the job ÷ sling", "items/s", faster_than("sling"), least=2),
    Goal("the job ÷ dlt, arrow", "items/s", faster_than("dlt-arrow"), least=3),
    Goal("decode ÷ TypeDeserializer", "items per CPU-second, the same lines", decode_over_boto3, least=4),
    Goal("our COPY ÷ psql \\copy BINARY", "CPU, into a table with its key alone", copy_over_psql, most=1.4),
    Goal("the load stage ÷ the same", "CPU, with Parquet, hashes, ledger", load_over_psql),
    Goal("rows_equal", "share of the job's CPU", share("rows_equal"), most=0.15, unit="%"),
    Goal("reversible", "share of the job's CPU", share("reversible"), most=0.25, unit="%"),
    Goal("two decoding processes ÷ one", "seconds", two_over_one, least=1.85),
    Goal("a decoding process", "its peak memory", worker_peak, most=WORKER_BYTES, unit="MB", note="none was started"),
    Goal("fast_share", "lines decoded by the fast path", fast_share, least=0.9, unit="%"),
    Goal("archive ÷ COPY BINARY", "seconds", lambda _: None, most=1.3, note="not part of this migration"),
)
