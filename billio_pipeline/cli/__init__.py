"""The command line: `billio`. Each command lives in its own module; here they are only put together."""

from __future__ import annotations

import sys

import typer

from billio_pipeline import logs
from billio_pipeline.cli import quarantine, query, schema, stack
from billio_pipeline.cli.demo import demo
from billio_pipeline.cli.dev import dev
from billio_pipeline.cli.diff import diff
from billio_pipeline.cli.export import export
from billio_pipeline.cli.migrate import migrate, verify
from billio_pipeline.cli.output import Output
from billio_pipeline.cli.plan import plan

app = typer.Typer(
    name="billio",
    help="Move a database between DynamoDB and PostgreSQL / Aurora DSQL, and prove that every item arrived.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
)
app.command()(export)
app.command()(migrate)
app.command()(verify)
app.command()(diff)
app.command()(plan)
app.add_typer(quarantine.app, name="quarantine")
app.add_typer(query.app, name="query")
app.add_typer(schema.app, name="schema")
app.add_typer(stack.app, name="stack")
app.command()(demo)
app.command()(dev)


def main() -> None:
    """The `billio` script."""
    try:
        with Output(json="--json" in sys.argv).guarded():
            logs.configure()
    except typer.Exit as stop:  # nobody above us turns it into an exit code
        raise SystemExit(stop.exit_code) from None
    app()
