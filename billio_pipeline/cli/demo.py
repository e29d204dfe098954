"""`billio demo`: a real DynamoDB table, made and filled here, becomes a verified SQL table before your eyes."""

from __future__ import annotations

import shutil
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import track

from billio_pipeline.cli.migrate import execute
from billio_pipeline.cli.output import JsonOption, Output
from billio_pipeline.cli.systems import system_named
from billio_pipeline.settings import Settings

ITEMS = 2_000


def demo(
    items: Annotated[int, typer.Option(help="How many items to invent.", min=10, max=20_000)] = ITEMS,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the embedded stack running.")] = False,
    json: JsonOption = False,
) -> None:
    """Invent a Billio table in the embedded DynamoDB, export it, migrate it and prove it; takes about a minute."""
    out = Output(json)
    with out.guarded():
        code = run_demo(Settings.from_env(), out, items=items, keep=keep)
    raise typer.Exit(code)


def run_demo(settings: Settings, out: Output, *, items: int = ITEMS, keep: bool = False) -> int:
    """The demo, from nothing to a report. A second run does all of it again and finds the same."""
    from billio_pipeline.local.stack import Stack

    stack = Stack(settings)
    console = out.console
    try:
        state = stack.up(say=console.print)
        _fill(settings, state.dynamodb_endpoint, items, console)
        where = settings.home / "exports" / "billio"
        _export(settings, state.dynamodb_endpoint, console)
        asked = {"export": str(where), "policy": "insert", "parity_table": ""}
        console.rule("migrate")
        code = execute(
            "migrate",
            system_named("billio"),
            settings,
            out,
            target=state.postgres_dsn,
            asked=asked,
            report=None,
            allow_quarantine=True,
        )
    finally:
        if not keep:
            stack.down()
    console.print(
        "\nnext: [bold]make dev[/] shows all this in Dagster (asset graph, checks, runs)\n"
        "      [bold].venv/bin/billio query billio of-type Book --min-rating 8[/] asks the new table\n"
        "      [bold].venv/bin/billio --help[/] for your own export"
    )
    return code


def _fill(settings: Settings, endpoint: str, items: int, console: Console) -> None:
    """A fresh table with invented items, a few of which deserve quarantine."""
    from dataclasses import replace

    from assets.billio.generator import generate, planted
    from assets.billio.model import TABLE
    from billio_pipeline.stores.dynamodb import tables
    from billio_pipeline.stores.dynamodb.client import dynamodb_client
    from billio_pipeline.stores.dynamodb.write import put_items

    client = dynamodb_client(replace(settings, dynamodb_endpoint=endpoint))
    if TABLE.name in client.list_tables()["TableNames"]:
        client.delete_table(TableName=TABLE.name)
    tables.create(client, TABLE)
    bad = [plant.item for plant in planted()]
    invented = [*generate(items), *bad]
    put_items(client, TABLE, track(invented, "seed the table", console=console, transient=True))
    console.print(
        f"DynamoDB table [bold]{TABLE.name}[/]: {len(invented):,} items, {len(bad)} of them planted to be refused"
    )


def _export(settings: Settings, endpoint: str, console: Console) -> None:
    from dataclasses import replace

    from assets.billio.model import TABLE
    from billio_pipeline.stores.dynamodb.client import dynamodb_client
    from billio_pipeline.stores.dynamodb.scan import export_table
    from billio_pipeline.stores.objects import open_store

    where = settings.home / "exports" / "billio"
    shutil.rmtree(where, ignore_errors=True)
    where.mkdir(parents=True)
    client = dynamodb_client(replace(settings, dynamodb_endpoint=endpoint))
    exported = export_table(client, TABLE, open_store(where, settings))
    console.print(f"exported    {exported.items:,} items in {exported.files} files to {where}", markup=False)
