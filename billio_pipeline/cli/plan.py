"""`billio plan`: everything about a migration before it is one; `--new` proposes the model of an undeclared table."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from billio_pipeline import progress
from billio_pipeline.cli.migrate import command
from billio_pipeline.cli.output import JsonOption, Output
from billio_pipeline.cli.run import absolute, bars
from billio_pipeline.cli.systems import sql_system_named, system_named
from billio_pipeline.errors import ConfigurationError
from billio_pipeline.model.entity import RowSystem
from billio_pipeline.model.refusal import Reason
from billio_pipeline.plan import words
from billio_pipeline.plan.answer import answer
from billio_pipeline.plan.plan import EntityPlan, Plan, make
from billio_pipeline.plan.render import render, write
from billio_pipeline.report.reasons import REASONS
from billio_pipeline.settings import Settings
from billio_pipeline.stores.dynamodb import open_source
from billio_pipeline.stores.sql.profiles import DSQL, PROFILES
from billio_pipeline.stores.sql.target import Target


def plan(
    system: Annotated[str | None, typer.Argument(help="The system to plan for.", show_default=False)] = None,
    export: Annotated[
        str,
        typer.Option(
            "--export",
            help="A table export or a tree of records: folder (an export's own or a parent's) or s3:// URI. "
            "A system whose source is a database needs none.",
            show_default=False,
        ),
    ] = "",
    target: Annotated[
        str | None,
        typer.Option(
            "--target", metavar="DSN", help="Compare with this database, or DynamoDB endpoint; it is only read."
        ),
    ] = None,
    profile: Annotated[
        str | None, typer.Option("--profile", help="Plan for `dsql` or `postgres` without a database. Default: dsql.")
    ] = None,
    dau: Annotated[
        int | None,
        typer.Option(
            "--dau", min=0, metavar="N", help="Into DynamoDB: daily active users to reckon with. Default: 1000."
        ),
    ] = None,
    wcu: Annotated[
        int | None,
        typer.Option("--wcu", min=1, metavar="N", help="Into DynamoDB: write units per second to load with."),
    ] = None,
    html: Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Write the plan as a page.")] = None,
    new: Annotated[
        str | None, typer.Option("--new", metavar="NAME", help="Propose a model.py for a table nobody declared.")
    ] = None,
    key: Annotated[
        str | None, typer.Option("--key", metavar="PARTITION[,SORT]", help="With --new: the table's key attributes.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FOLDER", help="With --new: write FOLDER/model.py, if there is none."),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Read a whole source and show what migrating it would do, meet, take and cost. Writes nothing to source or target.

    Into SQL: every attribute's profile, refusals, DDL, limits, time and cost. Into DynamoDB: rows and items, refusals,
    sizes, tables, units and time of the load, and the monthly bill for so many daily active users: on demand,
    provisioned and as declared, with break-even against an instance and the seed's figures beside ours. As --json:
    `entities`, `quarantine`, `tables`, `drift`, `load`, `limits`, and `running` with `events`, `bills`, `break_even`,
    `figures` and `prices`; dollars are decimal texts.

    Exit code 0: fine; 1: an item would be quarantined, a limit is violated, a statement is refused by a linter, or the
    target differs from its declaration; 2: bad input or configuration.
    """
    output = Output(json)
    with output.guarded():
        _sensible(system, target, profile, html, new, key, out)
        settings = Settings.from_env()
        declared = None if system is None else system_named(system)
        if isinstance(declared, RowSystem):
            if profile is not None:
                raise ConfigurationError(f"{system} has no SQL target", remedy="Leave --profile out.")
            from billio_pipeline.cli.plan_items import plan_items

            raise typer.Exit(plan_items(output, settings, declared, absolute(export), target, dau, wcu, html))
        if dau is not None or wcu is not None:
            raise ConfigurationError("--dau and --wcu go with a DynamoDB target", remedy="Leave them out.")
        if not export:
            raise ConfigurationError("no export is named", remedy="Name it with --export.")
        if new is not None:
            from billio_pipeline.cli.plan_new import propose_model

            propose_model(output, settings, new, absolute(export), key, out)
            return
        assert system is not None, "_sensible asked for it"
        made = _made(output, settings, system, absolute(export), target, profile)
        if html is not None:
            write(render(made, command()), html.absolute())
        show(output.console, made)
        if html is not None:
            output.console.print(f"page        {html}", markup=False)
        output.emit(answer(made) | {"html": str(html.absolute()) if html else None})
    raise typer.Exit(1 if made.problems else 0)


def _sensible(
    system: str | None,
    target: str | None,
    profile: str | None,
    html: Path | None,
    new: str | None,
    key: str | None,
    out: Path | None,
) -> None:
    """Raise ConfigurationError for options that contradict each other, before anything is read."""
    if (system is None) == (new is None):
        given = "neither a system nor --new" if system is None else f"both the system {system} and --new {new}"
        raise ConfigurationError(f"{given} was given", remedy="Name the system to plan for, or give --new NAME.")
    if new is not None and (target or profile or html):
        raise ConfigurationError("--new goes with --export, --key, --out and --json only", remedy="Leave the rest out.")
    if new is None and (key or out):
        raise ConfigurationError("--key and --out go with --new only", remedy="Leave them out, or give --new NAME.")
    if target is not None and profile is not None:
        raise ConfigurationError(
            "--target and --profile were both given", remedy="The target says its profile: give one of them."
        )
    if profile is not None and profile not in PROFILES:
        raise ConfigurationError(f"no profile is called {profile!r}", remedy=f"Give one of: {', '.join(PROFILES)}.")
    if html is not None and not html.absolute().parent.is_dir():
        raise ConfigurationError(f"{html.parent} is no folder", remedy="Make it, or give --html another path.")


def _made(
    output: Output, settings: Settings, system: str, export: str, target: str | None, profile: str | None
) -> Plan:
    declared = sql_system_named(system)
    source = open_source(export, declared, settings)
    with _opened(target, settings) as opened, bars(output.console):
        return make(
            source,
            declared,
            settings,
            profile=PROFILES[profile] if profile else DSQL,
            target=opened,
            progress=lambda n: progress.tell("decode", n, source.items),
        )


@contextmanager
def _opened(target: str | None, settings: Settings) -> Iterator[Target | None]:
    if target is None:
        yield None
    else:
        with Target.open(target, settings, connections=2) as opened:
            yield opened


def show(console: Console, plan: Plan) -> None:
    """The plan for people."""
    place = escape(plan.target) if plan.target else "no target asked"
    console.print(f"[bold]{plan.system}[/] → {place}, profile {plan.profile.name} as of {plan.profile.as_of}")
    counts = Table("entity", "items", "to load", "quarantined", "excluded", "largest item", box=None)
    for entity in plan.entities:
        numbers = (entity.counts[name] for name in ("source", "accepted", "quarantined", "excluded"))
        counts.add_row(entity.name, *(f"{number:,}" for number in numbers), f"{entity.items.largest:,} bytes")
    for column in counts.columns[1:]:
        column.justify = "right"
    console.print(counts)
    for entity in plan.entities:
        _entity(console, entity)
    _quarantine(console, plan)
    _schema(console, plan)
    console.print("\n[bold]limits[/]")
    for limit in plan.measured.limits:
        mark = "[red]beyond[/]" if limit.beyond else "[green]within[/]"
        console.print(f"  {mark} {escape(limit.name)}: {words.limit(limit)}")
        for owner, key, found in limit.examples:
            console.print(f"    {owner} {key}: {found:,}", markup=False)
    _estimate(console, plan)
    if not plan.complete:
        console.print("a backup can't prove that it holds every item: plan with a table export to be sure")
    for problem in plan.problems:
        console.print(f"[yellow]![/] {escape(problem)}")
    if not plan.problems:
        console.print("[green]fine[/]: every item would load, within every limit")


def _entity(console: Console, entity: EntityPlan) -> None:
    console.print(f"\n[bold]{escape(entity.name)}[/] {entity.items.items:,} items profiled")
    table = Table(box=None)
    for head in ("attribute", "carried by", "types", "absent", "range", "bytes ≤"):
        table.add_column(head, overflow="fold")
    for each in entity.attributes:
        types = escape(words.types(each))
        table.add_row(
            escape(each.path),
            each.carrier,
            f"[yellow]{types}[/]" if each.place.drifts else types,
            words.absent(each),
            escape(words.ranges(each)),
            f"{words.largest(each):,}",
        )
    if entity.attributes:
        console.print(table)
    for each in entity.drifting:
        console.print(f"  [yellow]type drift[/] {escape(each.path)}: {words.types(each)}")
    for collision in entity.collisions:
        console.print(f"  [yellow]collision[/] {escape(collision)}")
    if entity.unreadable:
        console.print(f"  {entity.unreadable:,} lines are no item at all and have no profile")


def _quarantine(console: Console, plan: Plan) -> None:
    if plan.quarantine:
        console.print("\n[bold]would be quarantined[/]")
    for each in plan.quarantine:
        console.print(f"  [yellow]{each.count:,}[/] {each.reason}: {escape(REASONS[Reason(each.reason)].cause)}")
        for example in each.examples:
            where = f"{example.file}:{example.line}"
            console.print(f"    {where} {example.entity} {example.key or ''}: {example.message}", markup=False)


def _schema(console: Console, plan: Plan) -> None:
    console.print("\n[bold]statements[/] (the text: billio schema plan, --html or --json)")
    for each in plan.statements:
        verdict = "[green]clean[/]" if not each.findings else ", ".join(f.level for f in each.findings)
        console.print(f"  {each.step.name} {each.step.phase} {each.state or ''} lint: {verdict}")
        for finding in each.findings:
            console.print(f"    {finding.by} {finding.rule}: {finding.message}", markup=False)
    for difference in plan.drift or ():
        console.print(f"  [yellow]drift[/] {escape(str(difference))}")
    if plan.drift == ():
        console.print("  the target differs nowhere from what was made of its declaration")


def _estimate(console: Console, plan: Plan) -> None:
    volume = plan.measured.volume
    console.print(f"\n[bold]transactions[/] {volume.transactions:,}, of up to {volume.most_rows:,} rows")
    console.print(f"[bold]time[/] {words.time(plan.estimate)}")
    for term in plan.estimate.terms:
        console.print(f"  {term.what}: {term.arithmetic}", markup=False)
    if cost := words.cost(plan.estimate):
        console.print(f"[bold]cost[/] {escape(cost)}")
