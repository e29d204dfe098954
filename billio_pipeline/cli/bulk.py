"""`billio bulk`: a source as the files AWS imports tables from, and that import; no write capacity, however many."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer

from billio_pipeline import progress
from billio_pipeline.cli.apart import staged_apart
from billio_pipeline.cli.migrate import SourceOption, SystemArgument
from billio_pipeline.cli.output import JsonOption, Output
from billio_pipeline.cli.run import bars
from billio_pipeline.cli.systems import system_named
from billio_pipeline.errors import ConfigurationError
from billio_pipeline.model.entity import RowSystem
from billio_pipeline.settings import Settings

if TYPE_CHECKING:
    from billio_pipeline.migrate.stage import ItemStage
    from billio_pipeline.model.tables import DynamoTable
    from billio_pipeline.stores.dynamodb.import_files import ImportFiles
    from billio_pipeline.stores.objects import ObjectStore


class Compression(StrEnum):
    """What AWS reads."""

    GZIP = "gzip"
    ZSTD = "zstd"


def bulk(
    system: SystemArgument,
    to: Annotated[str, typer.Option("--to", help="An empty folder or s3:// prefix.", metavar="DIR|URI")],
    export: SourceOption = "",
    compression: Annotated[Compression, typer.Option(help="How the files are compressed.")] = Compression.GZIP,
    request: Annotated[
        bool, typer.Option("--import", help="Have AWS make the tables of the files, and wait for it. Needs s3://.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Write the items as files that AWS makes new DynamoDB tables of, a folder per table: for very many items.

    An import takes no write capacity, but makes its table: there must be none of that name. Prove it afterwards:
    billio verify. Exit code 0: written, and imported if asked; 1: rows were refused; 2: bad input or configuration.
    """
    out = Output(json)
    with out.guarded():
        declared = system_named(system)
        if not isinstance(declared, RowSystem):
            raise ConfigurationError(f"{system} is not migrated into DynamoDB", remedy="Use billio migrate.")
        if request and not to.startswith("s3://"):
            raise ConfigurationError("AWS imports from S3 only", remedy="Give --to s3://bucket/prefix.")
        answer = _bulk(out, declared, to, export, compression, request)
        for name, table in answer["tables"].items():
            out.console.print(f"{name}: {table['items']:,} items, {table['bytes']:,} bytes in {table['files']} files")
        if answer["quarantined"]:
            out.console.print(f"[yellow]{answer['quarantined']:,} rows refused[/]: billio migrate or plan says why")
        done = "made" if request else f"billio bulk {system} --to s3://… --import has AWS make them"
        out.console.print(f"tables      {done}; prove them: billio verify {system}", markup=False)
        out.emit(answer)
        code = 1 if answer["quarantined"] else 0
    raise typer.Exit(code)


def _bulk(
    out: Output, system: RowSystem, to: str, export: str, compression: Compression, request: bool
) -> dict[str, Any]:
    from billio_pipeline.stores.dynamodb.import_files import write_import_files
    from billio_pipeline.stores.objects import open_store

    settings = Settings.from_env()
    store: ObjectStore = open_store(to, settings)
    tables: dict[str, Any] = {}
    with bars(out.console), staged_apart(system, export, None, settings, "bulk") as apart:
        for table in system.tables:
            files = write_import_files(
                store.within(table.name), table, _items(apart.stage, table), compression=_NAMES[compression],
                progress=lambda items: progress.tell("write", items),
            )  # fmt: skip
            arn = _imported(apart.client, table, files) if request else None
            tables[table.name] = {
                "path": f"{store.uri}/{table.name}", "items": files.items, "files": files.files, "bytes": files.bytes,
                "import": arn,
            }  # fmt: skip
        quarantined = sum(counts["quarantined"] for counts in apart.stage.summary["counts"].values())
    return {"system": system.name, "tables": tables, "quarantined": quarantined}


def _imported(client: Any, table: DynamoTable, files: ImportFiles) -> str:
    from billio_pipeline.stores.dynamodb import ledger
    from billio_pipeline.stores.dynamodb.import_files import request_import, wait_for_import
    from billio_pipeline.stores.dynamodb.tables import complete
    from resources.dynamodb import DynamoDBResource

    arn = request_import(client, table, files)
    wait_for_import(client, arn, items=files.items, waiting=lambda _: progress.tell("import", 0))
    complete(client, table, DynamoDBResource().scaler())
    ledger.create(client)
    ledger.claim(client, table, filled=True)
    return arn


def _items(stage: ItemStage, table: DynamoTable) -> Iterator[Any]:
    for entity in stage.system.within(table):
        for _, rows in stage.batches(entity.name, also=("_item",)):
            yield from map(orjson.loads, rows["_item"].to_pylist())


_NAMES: dict[Compression, Any] = {Compression.GZIP: "GZIP", Compression.ZSTD: "ZSTD"}
