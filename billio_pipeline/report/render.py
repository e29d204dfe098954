"""Render a run as one HTML file that needs nothing else: inline style and pictures, no script, no request.

Whatever the template prints goes through `visible` (Jinja's `finalize`), so no value has to be escaped by hand.
"""

from __future__ import annotations

import os
import shlex
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup, escape

from billio_pipeline.model.refusal import Reason
from billio_pipeline.report import text
from billio_pipeline.report.checks import CHECKS
from billio_pipeline.report.model import CheckSeen, Counts, Refused, RunReport
from billio_pipeline.report.reasons import REASONS
from billio_pipeline.report.verdict import blocks, verdict

SHOWN_DIFFERENCES = 100
SHOWN_EXAMPLES = 5  # per quarantine reason
BAR = 1000.0  # width of the longest bar, in the picture's own units
THINNEST = 7.0  # so that one item among a million is still seen
GAP = 2.0
_HERE = Path(__file__).parent
_TAGS = {"S", "N", "B", "BOOL", "NULL", "M", "L", "SS", "NS", "BS"}


def render(run: RunReport) -> str:
    """The page. Lone surrogates, controls and markup in the run's values are spelt out, never passed on."""
    total, shown = run.total, run.differences[:SHOWN_DIFFERENCES]
    page = environment().get_template("page.html.j2")
    return page.render(
        run=run,
        verdict=verdict(run),
        total=total,
        bars=[(name, counts, _bar(counts, _longest(run))) for name, counts in run.entities.items()],
        checks=_by_name(run.checks),
        known=CHECKS,
        reasons=[(code, count, _reason(code), *_examples(run, code)) for code, count in _largest(run.reasons)],
        differences=[(each, *text.changed(each.source, each.target)) for each in shown],
        stages=[(name, took, took / (max(run.seconds.values()) or 1)) for name, took in run.seconds.items()],
        rerun=run.rerun or _rerun(run),
        style=Markup((_HERE / "page.css").read_text(encoding="utf-8")),
    )


def write(run: RunReport, path: Path) -> None:
    """Write the page at `path`, whole or not at all: a reader never sees half of it. Makes the folder."""
    save(render(run), path)


def save(page: str, path: Path) -> None:
    """Write a page at `path`, whole or not at all. Makes the folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
    try:
        with unfinished.open("xb") as file:
            file.write(page.encode())
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def environment() -> jinja2.Environment:
    """What pages are rendered with: every value passes through `text.visible`, a missing one is an error."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE),
        autoescape=True,
        finalize=_shown,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        n=lambda number: Markup(escape(f"{number:,}")),
        said=lambda value: text.visible(text.redacted(text.plain(value))),
        seconds=lambda took: Markup(f"{took:,.2f}" if took < 100 else f"{took:,.0f}"),
        size=_size,
        found=_found,
        blocks=blocks,
        bare=lambda value: escape(text.visible(value, 60).striptags()),
        wire=_wire,
        short=lambda value: text.visible(value, 300),
    )
    return environment


def _shown(value: object) -> Markup:
    if isinstance(value, jinja2.Undefined):
        raise jinja2.UndefinedError("the page names a value that the report does not have")
    return value if isinstance(value, Markup) else text.visible(value)


def _longest(run: RunReport) -> int:
    return max((counts.accounted for counts in run.entities.values()), default=0) or 1


def _bar(counts: Counts, longest: int) -> list[tuple[str, int, float, float]]:
    """The parts of one entity's bar that are not empty: name, items, x, width."""
    parts = (
        ("loaded", counts.loaded - counts.different),
        ("different", counts.different),
        ("missing", counts.missing),
        ("quarantined", counts.quarantined),
        ("excluded", counts.excluded),
    )
    bar, x = [], 0.0
    for name, number in parts:
        if number > 0:
            width = max(THINNEST, round(number / longest * (BAR - len(parts) * (THINNEST + GAP)), 1))
            bar.append((name, number, x, width))
            x = round(x + width + GAP, 1)
    return bar


def _by_name(checks: Iterable[CheckSeen]) -> list[tuple[str, list[CheckSeen], Any]]:
    """Checks of one name together, in the order they ran; those that failed first, errors before warnings."""
    grouped: dict[str, list[CheckSeen]] = {}
    for check in checks:
        grouped.setdefault(check.check, []).append(check)

    def rank(seen: list[CheckSeen]) -> int:
        return 0 if any(c.failed_error for c in seen) else 1 if any(not c.passed for c in seen) else 2

    return [
        (name, sorted(seen, key=lambda check: check.passed), CHECKS.get(name))
        for name, seen in sorted(grouped.items(), key=lambda pair: rank(pair[1]))
    ]


def _found(metadata: Mapping[str, object]) -> list[tuple[str, object, bool]]:
    """A check's metadata as name, value and whether it is a Markdown table; without what is empty."""
    found = []
    for name, value in metadata.items():
        table = isinstance(value, str) and value.startswith("|") and "\n|" in value
        if value in ("", None) or (table and str(value).count("\n") < 2):
            continue  # a table of a head and no rows says nothing
        if isinstance(value, int | float) and not isinstance(value, bool):
            value = f"{value:,}" if isinstance(value, int) else f"{value:,.3f}"
        found.append((name, str(value).split("\n") if table else value, table))
    return found


def _largest(reasons: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(reasons.items(), key=lambda pair: (-pair[1], pair[0]))


def _reason(code: str) -> Any:
    return REASONS.get(Reason(code)) if code in set(Reason) else None


def _examples(run: RunReport, code: str) -> tuple[list[Refused], int]:
    """The first examples of a reason, and how many more there are."""
    shown = [refused for refused in run.quarantine_examples if refused.reason == code][:SHOWN_EXAMPLES]
    return shown, max(0, run.reasons[code] - len(shown))


def _rerun(run: RunReport) -> list[str]:
    prove = shlex.join(["billio", "verify", run.system, "--export", run.export.path])
    return [*([run.command] if run.command else []), prove]


def _wire(value: object) -> tuple[str, object]:
    """DynamoDB's type tag of a wire value and what to show of it: a scalar itself, anything deeper as it is written."""
    if isinstance(value, Mapping) and len(value) == 1:
        ((tag, held),) = value.items()
        if tag in _TAGS:
            return tag, None if tag == "NULL" else held
    return "", value


def _size(number: float) -> str:
    if number < 1000:
        return f"{number} bytes"
    units = iter(("KB", "MB", "GB", "TB"))
    unit = next(units)
    while (number := number / 1000) >= 1000 and unit != "TB":
        unit = next(units)
    return f"{number:,.1f} {unit}"
