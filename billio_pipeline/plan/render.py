"""A plan as one HTML file that needs nothing else, in the report's style; every value passes through `text.visible`."""

from __future__ import annotations

import os
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from billio_pipeline.model.refusal import Reason
from billio_pipeline.plan import words
from billio_pipeline.plan.items import ItemsPlan
from billio_pipeline.plan.items_sections import Section
from billio_pipeline.plan.plan import Plan
from billio_pipeline.report import text
from billio_pipeline.report.reasons import REASONS

_HERE = Path(__file__).parent
_STYLE = _HERE.parent / "report" / "page.css"


def render(plan: Plan, command: str = "") -> str:
    """The page; `command` is what made it, without secrets."""
    return _page(
        "page.html.j2",
        plan=plan,
        words=words,
        command=command,
        reasons={reason.reason: REASONS[Reason(reason.reason)] for reason in plan.quarantine},
    )


def render_items(plan: ItemsPlan, found: Sequence[Section], problems: Sequence[str], command: str = "") -> str:
    """The page of a migration into DynamoDB."""
    return _page("items_page.html.j2", plan=plan, sections=found, problems=problems, command=command)


def _page(template: str, **values: Any) -> str:
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
    return environment.get_template(template).render(style=Markup(_STYLE.read_text(encoding="utf-8")), **values)


def write(page: str, path: Path) -> None:
    """Write the page at `path`, whole or not at all. Makes the folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
    try:
        unfinished.write_bytes(page.encode())
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)
