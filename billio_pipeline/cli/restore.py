"""`billio restore`: a source database rebuilt from the target's tables, or from the archive, and proven."""

from __future__ import annotations

from dataclasses import asdict, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from billio_pipeline.cli.output import JsonOption, Output
from billio_pipeline.cli.run import absolute, bars
from billio_pipeline.cli.tables import loaded_tables, reached, row_system_named, work_folder
from billio_pipeline.settings import Settings
from billio_pipeline.stores.sql.target import Target

if TYPE_CHECKING:
    from assets.algoitny.restore import Restored

_SHOWN = 5


class From(StrEnum):
    """What a source is rebuilt from."""

    TABLES = "tables"
    ARCHIVE = "archive"


def restore(
    system: Annotated[str, typer.Argument(help="The system whose source is rebuilt: algoitny.", metavar="SYSTEM")],
    to: Annotated[
        str,
        typer.Option("--to", help="The PostgreSQL to fill: it must hold no row of the source's tables.", metavar="DSN"),
    ],
    origin: Annotated[
        From, typer.Option("--from", help="The DynamoDB tables as they are now, or the archive's newest snapshot.")
    ] = From.TABLES,
    archive: Annotated[
        str | None,
        typer.Option("--archive", help="Where the archive is. Default: BILLIO_ALGOITNY_ARCHIVE.", metavar="DIR|URI"),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Rebuild a source database: its tables, all rows, keys, sequences; then compare it with the archived snapshot.

    From the tables: with what only the archive has, usage logs that expired and task results. What was written since
    the migration is there, and is named as a difference.

    Exit code 0: equal to the archived snapshot; 1: it isn't, or the database refused a row and holds nothing; 2: bad
    input or configuration, the database untouched.
    """
    out = Output(json)
    with out.guarded():
        code = _restore(out, system, to, origin, archive)
    raise typer.Exit(code)


def _restore(out: Output, name: str, to: str, origin: From, archive: str | None) -> int:
    from assets.algoitny import restore as algoitny
    from assets.algoitny.archived import archive_at

    system, settings = row_system_named(name, only=("algoitny",)), Settings.from_env()
    if archive is not None:
        settings = replace(settings, algoitny_archive=absolute(archive))
    with Target.open(to, settings, connections=2) as target, work_folder(settings, "restore") as work:
        store = archive_at(settings)
        client = loaded_tables(system, reached(settings)) if origin is From.TABLES else None
        with bars(out.console):
            done = algoitny.restore(target, store, work, client, system=system)
        answer = _answer(done, target.name, origin, store.uri)
    _summarise(out, done, answer)
    out.emit(answer)
    return 0 if done.equal else 1


def _answer(done: Restored, target: str, origin: From, archive: str) -> dict[str, Any]:
    back = done.back
    return {
        "target": target,
        "from": origin.value,
        "archive": archive,
        "snapshot": done.snapshot,
        "as_of": done.as_of,
        "equal": done.equal,
        "tables": {
            table: {"restored": done.rows[table], **asdict(compared)} for table, compared in done.compared.items()
        },
        "refused": {"items": back.refused if back else 0, "first": back.examples if back else []},
        "foreign_keys_not_valid": done.invalid,
    }


def _summarise(out: Output, done: Restored, answer: dict[str, Any]) -> None:
    console = out.console
    table = Table("table", box=None, header_style="bold", pad_edge=False)
    counts = ("archived", "restored", "missing", "extra", "different")
    for name in counts:
        table.add_column(name, justify="right")
    for name, found in done.compared.items():
        cells = (found.rows, done.rows[name], found.missing, found.extra, found.different)
        table.add_row(name, *(f"[red]{n:,}[/]" if n and at > 1 else f"{n:,}" for at, n in enumerate(cells)))
    console.print(table)
    for name, found in done.compared.items():
        for what, keys in (("missing", found.missing_keys), ("extra", found.extra_keys)):
            if keys:
                console.print(f"  {name}: {what} {_first(keys)}", markup=False)
        for each in found.differences[:_SHOWN]:
            console.print(f"  {name}: {each['key']} differs in {', '.join(each['columns'])}", markup=False)
    for example in answer["refused"]["first"][:_SHOWN]:
        console.print(f"  refused: {example}", markup=False)
    for key in done.invalid:
        console.print(f"  not valid: {key}", markup=False)
    console.print(f"{answer['target']} against the archived snapshot as of {done.as_of}", markup=False)
    console.print("[bold green]equal[/]" if done.equal else "[bold red]not equal[/]")
    if not done.equal and done.back is not None:
        console.print("  → what was never loaded or was changed since is as archived with --from archive", markup=False)


def _first(keys: list[Any]) -> str:
    return ", ".join(map(str, keys[:_SHOWN])) + (", …" if len(keys) > _SHOWN else "")
