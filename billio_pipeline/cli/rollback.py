"""`billio rollback`: a DynamoDB table written back as the tree of objects it came from, and proven."""

from __future__ import annotations

from typing import Annotated

import typer

from billio_pipeline.cli.output import JsonOption, Output
from billio_pipeline.cli.run import bars
from billio_pipeline.cli.tables import loaded_tables, reached, row_system_named, work_folder
from billio_pipeline.settings import Settings
from billio_pipeline.stores.objects import open_store

_SHOWN = 5


def rollback(
    system: Annotated[str, typer.Argument(help="thrivecalc.", metavar="SYSTEM")],
    to: Annotated[str, typer.Option("--to", help="Where the tree is written: folder or s3:// URI.", metavar="DIR|URI")],
    json: JsonOption = False,
) -> None:
    """Write a system's items back as the JSON objects they came from, then read the tree and compare it with the table.

    Equal items give equal bytes, so a rollback that was stopped goes on where it is run again. Objects under a user id
    that was replaced on the way in get their old path back.

    Exit code 0: the tree holds every item, by value; 1: an item has no object's form, or the tree isn't equal; 2: bad
    input or configuration, or the destination holds other objects: nothing was written.
    """
    out = Output(json)
    with out.guarded():
        code = _rollback(out, system, to)
    raise typer.Exit(code)


def _rollback(out: Output, name: str, to: str) -> int:
    from assets.thrivecalc import rollback as thrivecalc

    system, settings = row_system_named(name, only=("thrivecalc",)), reached(Settings.from_env())
    store = open_store(to, settings)
    client = loaded_tables(system, settings)
    with work_folder(settings, "rollback") as work, bars(out.console):
        done = thrivecalc.rollback(client, store, work, system=system)
    console = out.console
    for text in (*done.refused[:_SHOWN], *done.first[:_SHOWN]):
        console.print(f"  {text}", markup=False)
    counts = f"{done.items:,} items, {done.objects:,} objects, {done.renamed:,} under an earlier user id"
    console.print(f"{counts}\n{store.uri}", markup=False)
    console.print("[bold green]equal[/]" if done.equal else "[bold red]not equal[/]")
    out.emit(
        {
            "system": system.name,
            "to": store.uri,
            "equal": done.equal,
            "items": done.items,
            "objects": done.objects,
            "renamed": done.renamed,
            "refused": list(done.refused),
            "missing": done.missing,
            "extra": done.extra,
            "first": done.first,
        }
    )
    return 0 if done.equal else 1
