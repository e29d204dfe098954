"""`billio export`: a live DynamoDB table becomes an export folder, by Scan or by AWS's own table export."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from billio_pipeline.cli.output import JsonOption, Output
from billio_pipeline.cli.systems import sql_system_named
from billio_pipeline.errors import ConfigurationError
from billio_pipeline.local.resolve import resolve_dynamodb
from billio_pipeline.model.entity import System
from billio_pipeline.settings import Settings
from billio_pipeline.stores.dynamodb.client import dynamodb_client
from billio_pipeline.stores.dynamodb.pitr import location, request_pitr_export, table_arn, wait_for_export
from billio_pipeline.stores.dynamodb.scan import export_table
from billio_pipeline.stores.dynamodb.source import open_source
from billio_pipeline.stores.objects import open_store


def export(
    system: Annotated[str, typer.Argument(help="The system whose table is exported, for example billio.")],
    to: Annotated[
        str | None, typer.Option("--to", help="Where to: a folder, or s3://bucket/prefix.", metavar="DIR")
    ] = None,
    table: Annotated[str | None, typer.Option(help="The table, when it isn't called what the system declares.")] = None,
    segments: Annotated[int, typer.Option(help="Parallel scans; each writes one data file.", min=1, max=256)] = 4,
    consistent: Annotated[
        bool, typer.Option("--consistent/--eventual", help="Strongly consistent reads cost twice the capacity.")
    ] = True,
    rate: Annotated[
        float | None, typer.Option(help="At most so many items per second, over all segments.", metavar="ITEMS_PER_S")
    ] = None,
    pitr: Annotated[
        bool, typer.Option("--pitr", help="Let AWS export to a point in time instead: no load on the table.")
    ] = False,
    s3_bucket: Annotated[str | None, typer.Option(help="With --pitr: the bucket AWS writes to.")] = None,
    s3_prefix: Annotated[str | None, typer.Option(help="With --pitr: the key prefix AWS writes below.")] = None,
    export_arn: Annotated[str | None, typer.Option(help="With --pitr: wait for this export; request none.")] = None,
    export_time: Annotated[
        str | None, typer.Option(help="With --pitr: the moment to export, as 2026-11-21T10:00:00Z; else now.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Export the system's DynamoDB table in the layout of AWS table exports, ready for `billio migrate`.

    By Scan the embedded table is read, or the one at BILLIO_DYNAMODB_ENDPOINT (https://dynamodb.REGION.amazonaws.com
    for AWS). A Scan is no snapshot: stop the writers, or use --pitr, which asks AWS for an export to a point in time.
    """
    output = Output(json)
    with output.guarded():
        declared = sql_system_named(system)
        began = time.monotonic()
        name = table or declared.source.name
        if pitr or export_arn:
            result = _point_in_time(output, declared, name, _bucket(to, s3_bucket, s3_prefix, export_arn), export_arn,
                                    _moment(export_time))  # fmt: skip
        else:
            if given := [o for o, v in (("--s3-bucket", s3_bucket), ("--s3-prefix", s3_prefix),
                                        ("--export-time", export_time)) if v]:  # fmt: skip
                raise ConfigurationError(f"{', '.join(given)} without --pitr", remedy="Add --pitr, or leave it out.")
            if not to:
                raise ConfigurationError("no destination", remedy="Add --to DIR or --to s3://bucket/prefix.")
            result = _scan(output, name, to, segments, consistent, rate)
        whole = {"system": system, "table": name, **result, "seconds": round(time.monotonic() - began, 3)}
        if not json:
            output.console.print(
                f"{whole['items']:,} items of {name} in {whole['files']} files, {whole['bytes']:,} bytes, "
                f"{whole['seconds']:.1f} s\n{whole['path']}",
                markup=False,
            )
            output.console.print(f"Next: billio migrate {system} --export {whole['path']}", markup=False)
        output.emit(whole)


def _scan(output: Output, table: str, to: str, segments: int, consistent: bool, rate: float | None) -> dict[str, Any]:
    settings = Settings.from_env()
    store = open_store(to, settings)
    client = dynamodb_client(replace(settings, dynamodb_endpoint=resolve_dynamodb(settings)))
    with _bar(output, f"scanning {table}") as (bar, task):

        def scanned(items: int, expected: int) -> None:
            bar.update(task, completed=items, total=max(items, expected) or None)

        done = export_table(client, table, store, segments=segments, consistent=consistent, rate=rate, progress=scanned)
    return {"path": done.uri, "items": done.items, "files": done.files, "bytes": done.bytes}


def _point_in_time(
    output: Output, system: System, table: str, bucket: tuple[str, str], arn: str | None, moment: datetime | None
) -> dict[str, Any]:
    settings = Settings.from_env()
    client = dynamodb_client(settings)
    if arn is None:
        arn = request_pitr_export(client, table_arn(client, table), *bucket, export_time=moment)
    output.console.print(f"export {arn}", markup=False)
    output.console.print(f"To wait for it again: billio export {system.name} --pitr --export-arn {arn}", markup=False)
    with _bar(output, "AWS is exporting") as (bar, task):

        def looked(found: Mapping[str, Any]) -> None:
            bar.update(task, description=f"AWS is exporting ({found.get('ExportStatus')})")

        found = wait_for_export(client, arn, waiting=looked)
    source = open_source(location(found), system, settings)
    return {"path": source.uri, "items": source.items, "files": len(source.files), "bytes": source.bytes}


def _bucket(to: str | None, bucket: str | None, prefix: str | None, arn: str | None) -> tuple[str, str]:
    """Bucket and prefix from --to s3://… or the two options; nothing is needed to resume."""
    if to and bucket:
        raise ConfigurationError("--to and --s3-bucket both say where to", remedy="Give one of them.")
    if to:
        if not to.startswith("s3://"):
            raise ConfigurationError(f"AWS exports only to S3, not to {to}", remedy="Give --to s3://bucket/prefix.")
        bucket, _, below = to.removeprefix("s3://").partition("/")
        prefix = prefix or below
    if not bucket and not arn:
        raise ConfigurationError("no bucket to export to", remedy="Add --s3-bucket NAME or --to s3://bucket/prefix.")
    return bucket or "", (prefix or "").strip("/")


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigurationError(
            f"--export-time {text!r}: {error}", remedy="Write it as 2026-11-21T10:00:00Z."
        ) from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


@contextmanager
def _bar(output: Output, text: str) -> Iterator[tuple[Progress, Any]]:
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=output.console, transient=True) as bar:
        yield bar, bar.add_task(text, total=None)
