"""`billio plan --new`: the model.py of a table nobody declared, on stdout or in a folder, never over another."""

from __future__ import annotations

from pathlib import Path

import typer
from rich.markup import escape

from billio_pipeline import progress
from billio_pipeline.cli.output import Output
from billio_pipeline.cli.run import bars
from billio_pipeline.errors import ConfigurationError
from billio_pipeline.plan.propose import propose, write
from billio_pipeline.settings import Settings


def propose_model(
    output: Output, settings: Settings, name: str, export: str, key: str | None, folder: Path | None
) -> None:
    """Propose, and print the model or write it. What is said beside the model goes to stderr."""
    if folder is not None and (folder / "model.py").exists():
        raise ConfigurationError(f"{folder / 'model.py'} is there already", remedy="Give --out another folder.")
    attributes = tuple(part.strip() for part in key.split(",")) if key else ()
    if len(attributes) > 2 or "" in attributes:
        raise ConfigurationError(f"--key is {key!r}", remedy="Give PARTITION or PARTITION,SORT: attribute names.")
    aside = Output(json=True).console  # stdout carries the model
    with bars(aside):
        made = propose(
            name, export, settings, key=attributes, progress=lambda n: progress.tell("read and try", n, None)
        )
    path = write(made, folder) if folder is not None else None
    if path is None and not output.json:
        typer.echo(made.text, nl=False)
    counts = ", ".join(f"{entity} {items:,}" for entity, items in made.entities.items())
    aside.print(f"[bold]{name}[/]: {len(made.entities)} entities ({escape(counts)}), {len(made.columns)} columns")
    aside.print(f"tried on all {made.items:,} items: none refused, every row rebuilds its item")
    aside.print(f"written to {path}" if path else f"keep it as assets/{name}/model.py", markup=False)
    output.emit(
        {
            "name": name,
            "model": made.text,
            "path": str(path) if path else None,
            "items": made.items,
            "entities": made.entities,
            "columns": list(made.columns),
            "quarantined": 0,
            "reversible": True,
        }
    )
