"""The command line: `billio`. Each command lives in its own module; here they are only put together."""

from __future__ import annotations

import sys

import typer
from typer.exceptions import TyperException

from billio_pipeline import logs
from billio_pipeline.cli import quarantine, query, schema, stack
from billio_pipeline.cli.bulk import bulk
from billio_pipeline.cli.demo import demo
from billio_pipeline.cli.dev import dev
from billio_pipeline.cli.diff import diff
from billio_pipeline.cli.export import export
from billio_pipeline.cli.lake import lake
from billio_pipeline.cli.migrate import migrate, verify
from billio_pipeline.cli.output import Output
from billio_pipeline.cli.plan import plan
from billio_pipeline.cli.reset import reset
from billio_pipeline.cli.restore import restore
from billio_pipeline.cli.rollback import rollback
from billio_pipeline.errors import Interrupted, UsageError

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
app.command()(bulk)
app.command()(plan)
app.command()(lake)
app.command()(restore)
app.command()(rollback)
app.command()(reset)
app.add_typer(quarantine.app, name="quarantine")
app.add_typer(query.app, name="query")
app.add_typer(schema.app, name="schema")
app.add_typer(stack.app, name="stack")
app.command()(demo)
app.command()(dev)


def main() -> None:
    """The `billio` script."""
    out = Output(json="--json" in sys.argv)
    try:
        with out.guarded():
            logs.configure()
            raise SystemExit(_run())
    except typer.Exit as stop:  # nobody above us turns it into an exit code
        raise SystemExit(stop.exit_code) from None


def _run() -> int:
    """The command's exit code. Raises UsageError where the command line can't be understood."""
    try:
        return int(app(standalone_mode=False) or 0)
    except TyperException as error:
        raise UsageError(error.format_message()) from error
    except typer.Abort:
        raise Interrupted("stopped before the end") from None
