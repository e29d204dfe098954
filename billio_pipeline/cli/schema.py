"""`billio schema`: what a target's schema would be, how far it is, and bringing it up. Loads no rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from billio_pipeline.cli.output import JsonOption, Output
from billio_pipeline.cli.systems import sql_system_named
from billio_pipeline.errors import ConfigurationError
from billio_pipeline.model.entity import System
from billio_pipeline.settings import Settings
from billio_pipeline.stores.sql import schema
from billio_pipeline.stores.sql.apply import StepResult
from billio_pipeline.stores.sql.lint import linter_version
from billio_pipeline.stores.sql.profiles import PROFILES, Profile
from billio_pipeline.stores.sql.steps import StepState
from billio_pipeline.stores.sql.target import Target

app = typer.Typer(no_args_is_help=True, help="Schema migrations of a SQL target: tables, constraints, indexes.")

SystemArgument = Annotated[str, typer.Argument(metavar="SYSTEM", help="The system whose tables are meant.")]
TargetOption = Annotated[
    str | None,
    typer.Option(
        "--target",
        metavar="DSN",
        help="postgresql://… or dsql://cluster-endpoint. Default: the configured target (BILLIO_POSTGRES_DSN), else "
        "the embedded stack's, started if it isn't up.",
        show_default=False,
    ),
]
ProfileOption = Annotated[
    str | None,
    typer.Option("--profile", help="Plan for `postgres` or `dsql` without asking any database.", show_default=False),
]

_COLOURS = {
    "applied": "green", "present": "green", "pending": "cyan", "unrecorded": "cyan",
    "different": "yellow", "invalid": "red", "failed": "red",
}  # fmt: skip


@app.command()
def up(system: SystemArgument = "billio", target: TargetOption = None, json: JsonOption = False) -> None:
    """Make what is missing: tables, then constraints (added NOT VALID, validated), then indexes.

    Safe to repeat, to interrupt and to run twice at once.

    Nothing that holds rows is ever dropped.

    Exit 1: a step failed, or an object differs from its declaration.
    """
    out = Output(json)

    def told(result: StepResult) -> None:
        took = f"{result.seconds * 1000:,.0f} ms" + (f", job {escape(result.job)}" if result.job else "")
        out.console.print(f"{_coloured(result.outcome):<9} {result.step.name} [dim]{took}[/]")
        if result.message:
            out.console.print(f"          {result.message}", markup=False)

    with out.guarded():
        declared = sql_system_named(system)
        with _opened(target) as opened:
            _head(out, declared, opened.name, opened.profile)
            results = schema.up(opened, declared, progress=told)
        counts = Counter(result.outcome for result in results)
        out.console.print(", ".join(f"{number} {outcome}" for outcome, number in counts.items()))
        out.emit(
            {
                **_where(declared, opened.name, opened.profile),
                "ok": all(result.ok for result in results),
                "steps": [_result(result) for result in results],
            }
        )
    if not all(result.ok for result in results):
        raise typer.Exit(1)


@app.command()
def status(system: SystemArgument = "billio", target: TargetOption = None, json: JsonOption = False) -> None:
    """Show applied and pending migrations, and drift: what differs from what was made. Changes nothing.

    What is merely not made yet is pending, not drift.

    Columns, indexes and constraints somebody added are named as extra.

    Exit 1: something drifted.
    """
    out = Output(json)
    with out.guarded():
        declared = sql_system_named(system)
        with _opened(target) as opened:
            held = schema.status(opened, declared)
        _head(out, declared, opened.name, opened.profile)
        table = Table("migration", "phase", "state", "applied at", "checksum", box=None)
        for state in held.states:
            when = f"{state.recorded.applied_at:%Y-%m-%d %H:%M:%S}" if state.recorded else ""
            checksum = state.step.checksum + (" [yellow]changed[/]" if state.changed else "")
            table.add_row(state.step.name, state.step.phase, _coloured(state.state), when, checksum)
        out.console.print(table)
        for each in held.changed:
            out.console.print(f"changed {each.step.name}: {each.why}", markup=False)
        for difference in held.drift:
            out.console.print(f"drift   {difference}", markup=False)
        out.console.print(f"{len(held.applied)} applied, {len(held.pending)} pending, {len(held.drift)} drift")
        out.emit(
            {
                **_where(declared, opened.name, opened.profile),
                "applied": [_state(each) for each in held.applied],
                "pending": [each.step.name for each in held.pending],
                "changed": [each.step.name for each in held.changed],
                "drift": held.drift,
            }
        )
    if held.drift or held.changed:
        raise typer.Exit(1)


@app.command()
def plan(
    system: SystemArgument = "billio",
    target: TargetOption = None,
    profile: ProfileOption = None,
    json: JsonOption = False,
) -> None:
    """Show every statement for the target's profile, its phase, whether it is applied, and what the linters say.

    Changes nothing. With --profile no database is asked.

    Exit 1: a linter found an error (warnings are only shown).
    """
    out = Output(json)
    with out.guarded():
        declared = sql_system_named(system)
        if profile is not None:
            if target is not None or profile not in PROFILES:
                problem = "--profile and --target" if target is not None else f"profile {profile!r}"
                raise ConfigurationError(f"can't use {problem}", remedy=f"Give one of: --target DSN, {_profiles()}.")
            name, chosen = None, PROFILES[profile]
            steps = schema.plan(None, declared, profile=chosen)
        else:
            with _opened(target) as opened:
                name, chosen = opened.name, opened.profile
                steps = schema.plan(opened, declared)
        _head(out, declared, name, chosen)
        for each in steps:
            verdict = "[green]clean[/]" if not each.findings else ", ".join(f.level for f in each.findings)
            state = f" {_coloured(each.state)}" if each.state else ""
            out.console.print(f"[bold]{each.step.name}[/] {each.step.phase}{state} lint: {verdict}")
            out.console.print(each.step.sql + ";", markup=False)
            for finding in each.findings:
                out.console.print(f"  {finding.by} {finding.rule}: {finding.message}", markup=False)
                out.console.print(f"  → {finding.suggestion}", markup=False)
        clean = all(each.clean for each in steps)
        out.emit(
            {
                **_where(declared, name, chosen),
                "lint": {"clean": clean, "dsql_lint": linter_version() if chosen.name == "dsql" else None},
                "steps": [
                    {**_step(each.step), "sql": each.step.sql, "state": each.state, "findings": each.findings}
                    for each in steps
                ],
            }
        )
    if not clean:
        raise typer.Exit(1)


@contextmanager
def _opened(target: str | None) -> Iterator[Target]:
    from billio_pipeline.local.resolve import resolve_target  # not at import: the stack is an extra

    settings = Settings.from_env()
    with Target.open(resolve_target(settings, target), settings, connections=2) as opened:
        yield opened


def _profiles() -> str:
    return ", ".join(f"--profile {name}" for name in PROFILES)


def _head(out: Output, system: System, target: str | None, profile: Profile) -> None:
    place = escape(target) if target else "no target asked"
    out.console.print(f"[bold]{system.name}[/] → {place}, profile {profile.name} as of {profile.as_of}")


def _where(system: System, target: str | None, profile: Profile) -> dict[str, Any]:
    return {"system": system.name, "target": target, "profile": profile.name, "as_of": profile.as_of}


def _coloured(word: str) -> str:
    return f"[{_COLOURS[word]}]{word}[/]"


def _step(step: Any) -> dict[str, Any]:
    return {"name": step.name, "phase": step.phase, "kind": step.kind, "object": step.object}


def _result(result: StepResult) -> dict[str, Any]:
    return {
        **_step(result.step),
        "outcome": result.outcome,
        "seconds": round(result.seconds, 4),
        "message": result.message or None,
        "job": result.job,
        "sqlstate": result.sqlstate,
    }


def _state(state: StepState) -> dict[str, Any]:
    recorded = state.recorded
    return {
        "name": state.step.name,
        "applied_at": recorded.applied_at if recorded else None,
        "checksum": recorded.checksum if recorded else None,
    }
