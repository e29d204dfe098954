"""`billio lake`: a system's DynamoDB tables as Parquet, for analytics, counted against what was read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import typer
from rich.table import Table

from billio_pipeline.cli.output import JsonOption, Output
from billio_pipeline.cli.run import bars
from billio_pipeline.cli.tables import loaded_tables, reached, row_system_named, work_folder
from billio_pipeline.errors import ConfigurationError
from billio_pipeline.model.entity import RowSystem
from billio_pipeline.settings import Settings
from billio_pipeline.stores.objects import ObjectStore, open_store
from billio_pipeline.stores.objects.parquet import stored_rows

_EXAMPLE = {
    "algoitny": ("problems", "SELECT platform, count(*) FROM {} GROUP BY 1"),
    "thrivecalc": ("account", "SELECT user_id, sum(balance) FROM {} GROUP BY 1"),
}


@dataclass
class Exported:
    """What one export wrote: files (keys of its store) and rows by table; how many rows a table must have by what was
    read; how many items are no row, and in words these and the values that no column takes."""

    version: str
    files: dict[str, str]
    rows: dict[str, int]
    expected: dict[str, int]
    read: int
    refused: int
    left_out: list[str]
    snapshots: dict[str, int]


def lake(
    system: Annotated[str, typer.Argument(help="algoitny or thrivecalc.", metavar="SYSTEM")],
    to: Annotated[str, typer.Option("--to", help="Where the lake is: folder or s3:// URI.", metavar="DIR|URI")],
    iceberg: Annotated[
        bool,
        typer.Option(
            "--iceberg",
            help="thrivecalc: publish it as Iceberg tables, too; in S3 by PyIceberg's default catalog, such as Glue.",
        ),
    ] = False,
    json: JsonOption = False,
) -> None:
    """Export a system's DynamoDB tables as Parquet with typed columns: a new version, which replaces the one before it.

    current.json in the lake names the version that counts. algoitny: a table per entity, usage logs with those the
    archive keeps. thrivecalc: user_data, and a table per type of record with its amounts as DECIMAL.

    Exit code 0: every item read is a row of the stored files; 1: one isn't; 2: bad input or configuration.
    """
    out = Output(json)
    with out.guarded():
        code = _lake(out, row_system_named(system, only=tuple(_EXAMPLE)), to, iceberg)
    raise typer.Exit(code)


def _lake(out: Output, system: RowSystem, to: str, iceberg: bool) -> int:
    settings = reached(Settings.from_env())
    if iceberg and system.name != "thrivecalc":
        raise ConfigurationError(f"the lake of {system.name} is Parquet alone", remedy="Leave --iceberg out.")
    if iceberg:
        from assets.thrivecalc.records import pyiceberg

        pyiceberg()  # said now, not once the table is read
    store = open_store(to, settings)
    client = loaded_tables(system, settings)
    with bars(out.console):
        if system.name == "thrivecalc":
            done = _thrivecalc(client, system, store, settings, iceberg)
        else:
            done = _algoitny(client, system, store, settings)
        stored = {table: stored_rows(store, done.files[table]) for table in done.files}
    counted = all(stored[table] == rows for table, rows in done.expected.items())
    proven = counted and stored == done.rows and not done.refused
    name, query = _EXAMPLE[system.name]
    example = query.format(f"'{store.uri}/{done.files[name]}'")
    _summarise(out, done, stored, proven, example)
    out.emit(
        {
            "system": system.name,
            "lake": store.uri,
            "version": done.version,
            "items": done.read,
            "files": done.files,
            "rows": stored,
            "proven": proven,
            "left_out": done.left_out,
            "iceberg_snapshots": done.snapshots,
            "example": example,
        }
    )
    return 0 if proven else 1


def _algoitny(client: Any, system: RowSystem, store: ObjectStore, settings: Settings) -> Exported:
    from assets.algoitny.archived import archive_at
    from assets.algoitny.lake import expected, export_lake

    with work_folder(settings, "lake-work") as work:
        made, back = export_lake(client, archive_at(settings), store, work, system=system)
    rows = dict(expected(back, made, system))
    return Exported(made.version, made.files, made.rows, rows, back.read, back.refused, back.examples, {})


def _thrivecalc(client: Any, system: RowSystem, store: ObjectStore, settings: Settings, iceberg: bool) -> Exported:
    from assets.thrivecalc.exported import export_table, publish
    from assets.thrivecalc.lake import USER_DATA

    made, read = export_table(client, system, store)
    expected = {USER_DATA: read}
    left_out = [f"{column}: {count} values no column holds exactly" for column, count in made.left_out.items()]
    done = Exported(made.version, made.files, made.rows, expected, read, 0, left_out, {})
    if iceberg:
        done.snapshots, rows = publish(store, made, settings)
        done.refused = abs(read - rows)
    return done


def _summarise(out: Output, done: Exported, stored: dict[str, int], proven: bool, example: str) -> None:
    table = Table("table", box=None, header_style="bold", pad_edge=False)
    table.add_column("rows", justify="right")
    for name, rows in stored.items():
        table.add_row(name, f"{rows:,}")
    out.console.print(table)
    for each in done.left_out:
        out.console.print(f"  left out: {each}", markup=False)
    out.console.print(f"version {done.version}, {done.read:,} items read", markup=False)
    if done.refused:
        out.console.print(f"[red]{done.refused:,} items are no rows[/]")
    out.console.print("[bold green]every item is a row[/]" if proven else "[bold red]not every item is a row[/]")
    out.console.print(f'try: duckdb -c "{example}"', markup=False)
