"""How every command speaks: tables for people, or with --json one JSON object on stdout and all else on stderr."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, NoReturn

import orjson
import typer
from rich.console import Console

from billio_pipeline.errors import BillioError, Interrupted

JsonOption = Annotated[
    bool, typer.Option("--json", help="Print one JSON object on stdout; everything else goes to stderr.")
]


class Output:
    """One command's two streams. `console` is for people: stdout, or stderr when stdout carries JSON."""

    def __init__(self, json: bool) -> None:
        self.json = json
        self.console = Console(stderr=json, highlight=False, soft_wrap=True)

    def emit(self, value: object) -> None:
        """Print `value` as JSON on stdout, if JSON was asked for."""
        if self.json:
            text = orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS, default=str)
            typer.echo(text.decode())

    def fail(self, error: BillioError) -> NoReturn:
        """Say what went wrong and what to do, and leave with the error's exit code."""
        self.emit({"error": error.as_dict()})
        console = Console(stderr=True, highlight=False, soft_wrap=True)
        console.print(f"[bold red]error[/] {error.code}: ", end="")
        console.print(error.message, markup=False)
        for name, value in error.details.items():
            console.print(f"  {name}: {value}", markup=False)
        if error.remedy:
            console.print(f"  → {error.remedy}", markup=False)
        raise typer.Exit(error.exit_code)

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """Turn an error raised on purpose into `fail`; any other is a defect and keeps its traceback."""
        try:
            yield
        except BillioError as error:
            self.fail(error)
        except KeyboardInterrupt:
            self.fail(Interrupted("stopped before the end"))
