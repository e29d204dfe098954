"""`billio demo`: a system's source, made and filled here, becomes a verified target before your eyes."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from typing import Annotated

import typer

from billio_pipeline.cli.demo_data import FILL, ITEMS
from billio_pipeline.cli.migrate import execute
from billio_pipeline.cli.output import JsonOption, Output
from billio_pipeline.cli.systems import system_named
from billio_pipeline.errors import ConfigurationError
from billio_pipeline.settings import Settings

_NEXT = {
    "billio": "[bold].venv/bin/billio query billio of-type Book --min-rating 8[/] asks the new table",
    "algoitny": "[bold].venv/bin/billio verify algoitny[/] proves the tables again, loading nothing",
    "thrivecalc": "[bold].venv/bin/billio verify thrivecalc --export .billio/exports/thrivecalc[/] proves it again",
}


class Demo(StrEnum):
    """The systems that have a demo."""

    BILLIO = "billio"
    ALGOITNY = "algoitny"
    THRIVECALC = "thrivecalc"


def demo(
    system: Annotated[Demo, typer.Argument(help="The system to show.")] = Demo.BILLIO,
    items: Annotated[int, typer.Option(help="How many items to invent, roughly.", min=10, max=20_000)] = ITEMS,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the embedded stack running.")] = False,
    json: JsonOption = False,
) -> None:
    """Invent a system's source in the embedded stack, migrate it and prove it; takes about a minute.

    billio: a DynamoDB table, exported, into SQL. algoitny: PostgreSQL into DynamoDB. thrivecalc: JSON records into
    DynamoDB. Each has a few items planted that deserve quarantine; they don't make the exit code 1 here.
    """
    out = Output(json)
    with out.guarded():
        code = run_demo(Settings.from_env(), out, system=system.value, items=items, keep=keep)
    raise typer.Exit(code)


def run_demo(settings: Settings, out: Output, *, system: str = "billio", items: int = ITEMS, keep: bool = False) -> int:
    """The demo, from nothing to a report. A second run does all of it again and finds the same."""
    from billio_pipeline.local.stack import Stack

    stack = Stack(settings)
    console = out.console
    try:
        state = stack.up(say=console.print)
        if "dynamodb" not in state.pids:
            raise ConfigurationError(
                f"the demo drops and makes tables, and {state.dynamodb_endpoint} is not the embedded DynamoDB",
                remedy="Unset BILLIO_DYNAMODB_ENDPOINT and BILLIO_S3_ENDPOINT.",
            )
        settings = replace(settings, sources={})
        asked = {"policy": "insert", **FILL[system](settings, state, items, console)}
        console.rule("migrate")
        code = execute(
            "migrate",
            system_named(system),
            settings,
            out,
            target=state.postgres_dsn if system == "billio" else state.dynamodb_endpoint,
            asked=asked,
            report=None,
            allow_quarantine=True,
        )
    finally:
        if not keep:
            stack.down()
    console.print(
        "\nnext: [bold]make dev[/] shows all this in Dagster (asset graph, checks, runs)\n"
        f"      {_NEXT[system]}\n"
        "      [bold].venv/bin/billio --help[/] for your own source"
    )
    return code
