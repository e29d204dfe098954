"""`billio plan` of a migration into DynamoDB: what would be loaded and refused, and what running there would cost."""

from __future__ import annotations

import os
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from billio_pipeline import progress
from billio_pipeline.cli.migrate import command
from billio_pipeline.cli.output import Output
from billio_pipeline.cli.reach import check_endpoint, reach_source
from billio_pipeline.cli.run import bars
from billio_pipeline.cli.systems import activity_of, figures_of, source_of
from billio_pipeline.errors import BillioError
from billio_pipeline.model.entity import RowSystem
from billio_pipeline.plan.items import ItemsPlan, make
from billio_pipeline.plan.items_answer import answer
from billio_pipeline.plan.items_sections import Section, sections
from billio_pipeline.plan.render import render_items, write
from billio_pipeline.plan.running import DEFAULT_USERS, run
from billio_pipeline.settings import Settings
from billio_pipeline.stores.drift import Drift
from billio_pipeline.stores.dynamodb import tables


def plan_items(
    output: Output,
    settings: Settings,
    system: RowSystem,
    export: str,
    target: str | None,
    users: int | None,
    wcu: int | None,
    html: Path | None,
) -> int:
    """Make the plan, print it, write its page; the exit code it deserves."""
    from resources.migration import MigrationResource

    check_endpoint(system, target)
    here = Settings.from_env({**os.environ, **reach_source(system, settings, export)})
    source = source_of(system).open(MigrationResource(export=export), here)
    found = _compared(system, here, target)
    with bars(output.console):
        plan = make(source, system, here, target=found[0], unreached=found[1], drift=found[2], progress=progress.tell)
    activity, asked = activity_of(system), DEFAULT_USERS if users is None else users
    running = run(system, activity, plan.kinds, asked, figures=figures_of(system)) if activity else None
    problems = [*plan.problems, *(running.problems if running else ())]
    shown = tuple(sections(plan, running, wcu))
    if html is not None:
        write(render_items(plan, shown, problems, command()), html.absolute())
    show(output.console, plan, shown, problems)
    if html is not None:
        output.console.print(f"page        {html}", markup=False)
    output.emit(answer(plan, running, wcu) | {"html": str(html.absolute()) if html else None})
    return 1 if problems else 0


def _compared(
    system: RowSystem, settings: Settings, target: str | None
) -> tuple[str | None, str | None, tuple[Drift, ...] | None]:
    """The DynamoDB asked, why it could not be, and how its tables differ. One that was named must answer."""
    from resources.dynamodb import DynamoDBResource

    endpoint = target or settings.dynamodb_endpoint
    if endpoint is None:
        return None, None, None
    there = DynamoDBResource(endpoint=endpoint)
    try:
        client, scaler = there.client(), there.scaler()
        drift = [each for table in system.tables for each in tables.drift(client, there.fitting(table), scaler)]
    except BillioError as error:
        if target is not None:
            raise
        return endpoint, error.message, None
    return endpoint, None, tuple(drift)


def show(console: Console, plan: ItemsPlan, shown: tuple[Section, ...], problems: list[str]) -> None:
    """The plan for people."""
    place = plan.target or "no DynamoDB asked"
    console.print(f"[bold]{plan.system.name}[/] {escape(str(plan.source['at']))} → {escape(place)}")
    for section in shown:
        console.print(f"\n[bold]{escape(section.title)}[/]")
        table = Table(box=None, header_style="bold", pad_edge=False)
        for number, head in enumerate(section.head):
            table.add_column(head, justify="left" if number in section.words else "right", overflow="fold")
        for row in section.rows:
            table.add_row(*map(escape, row))
        console.print(table)
        for note in section.notes:
            console.print(f"  {note}", markup=False)
    console.print()
    for problem in problems:
        console.print(f"[yellow]![/] {escape(problem)}")
    if not problems:
        console.print("[green]fine[/]: every row would load, within every limit")
