"""A comparison as one HTML page: counts, then every difference shown with what changed marked on both sides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from markupsafe import Markup

from billio_pipeline.report import text
from billio_pipeline.report.model import Counts, Difference
from billio_pipeline.report.render import environment
from billio_pipeline.report.verdict import items

_HERE = Path(__file__).parent


@dataclass(frozen=True)
class DiffReport:
    """One comparison. `differences` are the first ones of `found`; `path` is the file that has all of them."""

    system: str
    export: str
    target: str
    mode: str
    entities: Mapping[str, Counts]
    differences: Sequence[Difference]
    found: int
    path: str
    columns: Mapping[str, int] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
    command: str = ""

    @property
    def total(self) -> Counts:
        return sum(self.entities.values(), Counts())

    @property
    def equal(self) -> bool:
        total = self.total
        return not (total.missing or total.extra or total.different)

    @property
    def headline(self) -> str:
        """What the comparison found, in one line."""
        total = self.total
        if self.equal:
            return f"Equal: {items(total.loaded)} on both sides"
        counts = {"different": total.different, "missing": total.missing, "extra": total.extra}
        return "Different: " + ", ".join([f"{number:,} {name}" for name, number in counts.items() if number])


def render_diff(report: DiffReport) -> str:
    """The page. As in the report, nothing in a value is passed on that would hide, reorder or act."""
    return (
        environment()
        .get_template("diff.html.j2")
        .render(
            diff=report,
            total=report.total,
            rows=[(each, *text.changed(each.source, each.target)) for each in report.differences],
            style=Markup((_HERE / "page.css").read_text(encoding="utf-8")),
        )
    )
