"""`billio stack`: start, stop, look at the embedded stack, and print what other programs need to reach it."""

from __future__ import annotations

import shlex
from typing import Annotated

import typer
from rich.table import Table

from billio_pipeline.cli.output import JsonOption, Output
from billio_pipeline.cli.systems import systems
from billio_pipeline.errors import ConfigurationError
from billio_pipeline.model.entity import RowSystem
from billio_pipeline.settings import Settings, dsn_variable

app = typer.Typer(
    help="The embedded stack: PostgreSQL in DSQL mode and a DynamoDB/S3 API on this machine.", no_args_is_help=True
)


@app.command()
def up(json: JsonOption = False) -> None:
    """Start the stack, or find it running; healthy on return. It keeps running until `billio stack down`."""
    from billio_pipeline.local.stack import Stack

    out = Output(json)
    with out.guarded():
        stack = Stack(Settings.from_env())
        state = stack.up(say=out.console.print)
        out.console.print("[green]healthy[/]: `billio stack env` prints how to reach it")
        out.emit({"healthy": True, "pids": state.pids, "ports": state.ports})


@app.command()
def down(json: JsonOption = False) -> None:
    """Stop the stack; its data is kept. Nothing to stop is fine."""
    from billio_pipeline.local.stack import Stack

    out = Output(json)
    with out.guarded():
        ran = Stack(Settings.from_env()).down()
        out.console.print("stopped; its data is kept" if ran else "nothing was running")
        out.emit({"stopped": ran})


@app.command()
def status(json: JsonOption = False) -> None:
    """What runs, and whether it answers. Exit code 0 when all is healthy, 1 when not."""
    from billio_pipeline.local.stack import Stack

    out = Output(json)
    with out.guarded():
        components = Stack(Settings.from_env()).status()
    table = Table("component", "state", "where", "pid")
    for part in components:
        words = "[green]healthy[/]" if part.healthy else "[red]not answering[/]" if part.running else "not running"
        table.add_row(part.name, words, part.where, str(part.pid or ""))
    healthy = all(part.healthy for part in components)
    out.console.print(table)
    if not healthy:
        out.console.print("  → billio stack up")
    out.emit({"healthy": healthy, "components": {part.name: _component(part) for part in components}})
    raise typer.Exit(0 if healthy else 1)


def _component(part: object) -> dict[str, object]:
    return {name: value for name, value in vars(part).items() if name != "name"}


@app.command()
def env(
    json: Annotated[bool, typer.Option("--json", help="One flat JSON object instead of shell exports.")] = False,
) -> None:
    """Print how to reach the running stack, as shell exports: eval "$(billio stack env)". Contains its password."""
    from billio_pipeline.local.stack import Stack

    out = Output(json)
    settings = Settings.from_env()
    with out.guarded():
        stack = Stack(settings)
        state = stack.state()
        if state is None or not all(part.healthy for part in stack.status()):
            raise ConfigurationError("the stack is not running", remedy="Start it: billio stack up")
        values = environment(settings)
    out.emit(values)
    if not json:
        for name, value in values.items():
            typer.echo(f"export {name}={shlex.quote(value)}")


def environment(settings: Settings) -> dict[str, str]:
    """Variables by which this and any other program reaches the running stack."""
    from billio_pipeline.local.dynamodb import CREDENTIALS
    from billio_pipeline.local.stack import Stack

    state = Stack(settings).state()
    if state is None:
        raise ConfigurationError("the stack was never started", remedy="Start it: billio stack up")
    values = {
        "BILLIO_HOME": str(settings.home),
        "BILLIO_POSTGRES_DSN": state.postgres_dsn,
        "BILLIO_DYNAMODB_ENDPOINT": state.dynamodb_endpoint,
        "BILLIO_S3_ENDPOINT": state.s3_endpoint,
        "AWS_ENDPOINT_URL_DYNAMODB": state.dynamodb_endpoint,
        "AWS_ENDPOINT_URL_S3": state.s3_endpoint,
        "AWS_REGION": settings.region,
        "AWS_DEFAULT_REGION": settings.region,
        "DAGSTER_HOME": str(settings.dagster_home),
    }
    for system in systems().values():
        if isinstance(system, RowSystem) and system.kinds[0] == "postgres" and "postgres" in state.pids:
            configured = settings.source_dsn(system.name)
            values[dsn_variable(system.name)] = configured or Stack(settings).database(system.name)
    # Dummy keys only where the embedded API is meant: a configured endpoint comes with accounts of its own.
    return values | (CREDENTIALS if "dynamodb" in state.pids else {})
