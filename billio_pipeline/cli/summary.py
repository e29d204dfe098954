"""A run's result for a person: what became of the items, what the checks say, what to do next."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from resources.run_result import RunResult

_COUNTS = ("source", "loaded", "quarantined", "excluded", "missing", "extra", "different")
_BAD = ("missing", "extra", "different")


def summarise(console: Console, result: RunResult, report: Path | None, code: int, allowed: bool) -> None:
    """Print the counts, failed checks, quarantine and where to read on."""
    if result.failure and (result.failure.expected or not result.failed):
        _failure(console, result)
    if result.stage is not None:
        _counts(console, result)
        _checks(console, result)
        _quarantine(console, result, allowed)
    if report:
        console.print(f"report      {report}", markup=False)
    verdict = {0: "[bold green]proven[/]", 1: "[bold red]not proven[/]", 2: "[bold red]refused[/]"}[code]
    console.print(f"{verdict} (exit code {code})")


def _failure(console: Console, result: RunResult) -> None:
    failure = result.failure
    assert failure is not None
    console.print(f"[bold red]error[/] in {failure.step}: {escape(failure.message)}")
    for name, value in failure.metadata.items():
        if name not in ("exit_code", "code", "remedy"):
            console.print(f"  {name}: {value}", markup=False)
    if remedy := failure.metadata.get("remedy"):
        console.print(f"  → {remedy}", markup=False)


def _counts(console: Console, result: RunResult) -> None:
    entities = result.entities()
    table = Table("entity", box=None, header_style="bold", pad_edge=False)
    for name in _COUNTS:
        table.add_column(name, justify="right")
    total = dict.fromkeys(_COUNTS, 0)
    for entity, counts in entities.items():
        table.add_row(entity, *(_cell(name, counts[name]) for name in _COUNTS))
        for name in _COUNTS:
            total[name] += counts[name]
    table.add_section()
    table.add_row("all", *(_cell(name, total[name]) for name in _COUNTS), style="bold")
    console.print(table)


def _cell(name: str, count: int) -> str:
    style = "red" if name in _BAD and count else "yellow" if name == "quarantined" and count else ""
    return f"[{style}]{count:,}[/]" if style else f"{count:,}"


def _checks(console: Console, result: RunResult) -> None:
    passed = [check for check in result.checks if check.passed]
    console.print(f"checks      {len(passed)} of {len(result.checks)} passed")
    for check in result.checks:
        if not check.passed:
            colour = "red" if check.severity == "ERROR" else "yellow"
            console.print(f"  [{colour}]{check.severity.lower()}[/] {check.asset}: {check.check}")
    for difference in (result.verdict or {}).get("differences", [])[:10]:
        where = f"{difference['entity']} {difference['key']}"
        column, source, target = difference["column"], difference["source"], difference["target"]
        what = f"{column}: {source!r} → {target!r}" if column else ("missing" if target is None else "extra")
        console.print(f"    {where} {what}", markup=False)


def _quarantine(console: Console, result: RunResult, allowed: bool) -> None:
    reasons = result.reasons()
    if not reasons:
        return
    named = ", ".join(f"{reason} {count}" for reason, count in reasons.items())
    console.print(f"quarantine  {sum(reasons.values())} items: {named}{' (allowed)' if allowed else ''}")
    if result.stage is not None:
        console.print(f"            {result.stage.quarantine}", markup=False)
