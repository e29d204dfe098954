"""A plan as one HTML file that needs nothing else, in the report's style; every value passes through `text.visible`."""

from __future__ import annotations

import os
import uuid
from pathlib import Path

import jinja2
from markupsafe import Markup

from billio_pipeline.model.refusal import Reason
from billio_pipeline.plan import words
from billio_pipeline.plan.plan import Plan
from billio_pipeline.report import text
from billio_pipeline.report.reasons import REASONS

_HERE = Path(__file__).parent
_STYLE = _HERE.parent / "report" / "page.css"


def render(plan: Plan, command: str = "") -> str:
    """The page; `command` is what made it, without secrets."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE),
        autoescape=True,
        finalize=lambda value: value if isinstance(value, Markup) else text.visible(value),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        n=lambda number: Markup(f"{number:,}"),
        said=lambda value: text.visible(text.redacted(text.plain(value))),
        bare=lambda value: text.visible(value, 60).striptags(),
    )
    return environment.get_template("page.html.j2").render(
        plan=plan,
        words=words,
        command=command,
        reasons={reason.reason: REASONS[Reason(reason.reason)] for reason in plan.quarantine},
        style=Markup(_STYLE.read_text(encoding="utf-8")),
    )


def write(plan: Plan, path: Path, command: str = "") -> None:
    """Write the page at `path`, whole or not at all. Makes the folder."""
    page = render(plan, command).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
    try:
        unfinished.write_bytes(page)
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)
