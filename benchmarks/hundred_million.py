"""What a hundred million items would take and cost: arithmetic over measured parts, shown line by line."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from assets.billio.model import SYSTEM
from benchmarks.goals import JOB
from benchmarks.results import Results
from billio_pipeline.migrate.stage import Stage
from billio_pipeline.plan.cost import Estimate, estimate
from billio_pipeline.plan.limits import Volume, measure
from billio_pipeline.stores.sql.ddl import tables
from billio_pipeline.stores.sql.profiles import DSQL

ITEMS = 100_000_000
# Sorting grows by the logarithm of the rows on top; all else is a constant per row, and a constant.
_SORTING = ("indexes",)


@dataclass(frozen=True)
class Line:
    """One stage: seconds measured at `items`, of which `fixed` don't grow with them."""

    stage: str
    seconds: float
    items: int
    fixed: float = 0.0

    @property
    def total(self) -> float:
        growth = math.log2(ITEMS) / math.log2(self.items) if self.stage in _SORTING else 1.0
        return self.fixed + (self.seconds - self.fixed) * ITEMS / self.items * growth

    @property
    def arithmetic(self) -> str:
        growth = f"{ITEMS:,} / {self.items:,}"
        if self.stage in _SORTING:
            growth += f" × log₂ {ITEMS:,} / log₂ {self.items:,}"
        fixed = f"{self.fixed:,.2f} s + " if self.fixed else ""
        return f"{fixed}{self.seconds - self.fixed:,.2f} s × {growth} = {self.total:,.0f} s"


def lines(several: Sequence[Results]) -> list[Line]:
    """The job's stages at the largest size; what of them is fixed, from the smallest, if that is another one."""
    smallest, largest = several[0], several[-1]
    made = []
    for stage in largest.stage_names(JOB):
        less, more = smallest.wall(JOB, stage) or 0.0, largest.wall(JOB, stage) or 0.0
        made.append(Line(stage, more, largest.items, fixed_part((smallest.items, less), (largest.items, more))))
    return made


def fixed_part(small: tuple[int, float], large: tuple[int, float]) -> float:
    """Seconds that don't grow, from (items, seconds) at two sizes: where the line through both starts, 0 if below.

    A stage that took less time for more items is taken to be fixed altogether. With one size, nothing is known: 0.
    """
    if small[0] == large[0]:
        return 0.0
    slope = max((large[1] - small[1]) / (large[0] - small[0]), 0.0)
    return max(large[1] - slope * large[0], 0.0)


def volume_of(stage: Stage) -> dict[str, Any]:
    """What loading the stage into Aurora DSQL writes: counts and bytes."""
    found = measure(stage, DSQL).volume
    return {
        "rows": found.rows,
        "row_bytes": found.row_bytes,
        "entries": found.entries,
        "entry_bytes": found.entry_bytes,
        "transactions": found.transactions,
        "billed": found.billed,
    }


def cost(measured: dict[str, Any]) -> Estimate:
    """Time and cost of ITEMS rows like those measured, in Aurora DSQL."""
    scaled: dict[str, Any] = {name: number * ITEMS // measured["rows"] for name, number in measured.items()}
    return estimate(Volume(**scaled), tables(SYSTEM, DSQL)[-1], DSQL)
