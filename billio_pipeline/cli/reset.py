"""`billio reset`: a DynamoDB target emptied for a restart, after asking."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.table import Table

from billio_pipeline.cli.output import JsonOption, Output
from billio_pipeline.cli.tables import reached, row_system_named
from billio_pipeline.errors import ConfigurationError
from billio_pipeline.migrate import reset as engine
from billio_pipeline.model.entity import RowSystem
from billio_pipeline.settings import Settings


def reset(
    system: Annotated[str, typer.Argument(help="algoitny or thrivecalc.", metavar="SYSTEM")],
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Empty tables that were not loaded from here, too.")] = False,
    json: JsonOption = False,
) -> None:
    """Empty a system's DynamoDB tables, so that its migration can start anew.

    The tables are dropped and made again as declared, and the ledger forgets them: nothing else is touched, the source
    and the archive least of all. Asks for the system's name first. Exit code 0: they are empty; 2: not confirmed, or a
    table holds what was not loaded from here; nothing was dropped.
    """
    out = Output(json)
    with out.guarded():
        _reset(out, row_system_named(system), yes, force)


def _reset(out: Output, system: RowSystem, yes: bool, force: bool) -> None:
    from billio_pipeline.stores.dynamodb import tables
    from resources.dynamodb import DynamoDBResource

    resource = DynamoDBResource(endpoint=reached(Settings.from_env()).dynamodb_endpoint)
    client = resource.client()
    endpoint = client.meta.endpoint_url
    found = engine.look(client, system)
    _show(out, endpoint, found)
    if not yes:
        _confirm(out, system.name)
    done = engine.reset(
        client,
        system,
        force=force,
        make=lambda table: tables.create(client, resource.fitting(table), resource.scaler()),
    )
    out.console.print(
        f"emptied {len(done.emptied)}, made {len(done.made)} that were missing; "
        f"{done.entries:,} entries removed from the ledger"
    )
    answer: dict[str, Any] = {
        "system": system.name,
        "endpoint": endpoint,
        "tables": [{"table": each.table.name, "was": each.state, "items": each.items} for each in found],
        "emptied": done.emptied,
        "made": done.made,
        "ledger_entries_removed": done.entries,
    }
    out.emit(answer)


def _show(out: Output, endpoint: str, found: list[engine.Held]) -> None:
    out.console.print(f"DynamoDB at {endpoint}", markup=False)
    table = Table("table", "is", box=None, header_style="bold", pad_edge=False)
    table.add_column("items, about", justify="right")
    for each in found:
        table.add_row(each.table.name, each.state, f"{each.items:,}")
    out.console.print(table)


def _confirm(out: Output, name: str) -> None:
    if out.json:
        raise ConfigurationError("--json asks nothing, and nothing was confirmed", remedy="Add --yes.")
    try:
        typed = typer.prompt(f"Type {name} to empty these tables", default="", show_default=False)
    except typer.Abort:
        typed = ""
    if typed.strip() != name:
        raise ConfigurationError("not confirmed: nothing was dropped", remedy=f"Type {name}, or add --yes.")
