"""What the demos migrate: each system's own source, invented and put into the embedded stack."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import track

from billio_pipeline.settings import Settings

if TYPE_CHECKING:
    from billio_pipeline.local.state import StackState
    from billio_pipeline.model.entity import RowSystem

ITEMS = 2_000


def fill_billio(settings: Settings, state: StackState, items: int, console: Console) -> dict[str, Any]:
    """A DynamoDB table, exported; a few of its items deserve quarantine."""
    from assets.billio.generator import generate, planted
    from assets.billio.model import TABLE
    from billio_pipeline.stores.dynamodb import tables
    from billio_pipeline.stores.dynamodb.scan import export_table
    from billio_pipeline.stores.dynamodb.write import put_items
    from billio_pipeline.stores.objects import open_store

    client = _client(settings, state)
    if TABLE.name in client.list_tables()["TableNames"]:
        client.delete_table(TableName=TABLE.name)
    tables.create(client, TABLE)
    bad = [plant.item for plant in planted()]
    invented = [*generate(items), *bad]
    put_items(client, TABLE, track(invented, "seed the table", console=console, transient=True))
    console.print(
        f"DynamoDB table [bold]{TABLE.name}[/]: {len(invented):,} items, {len(bad)} of them planted to be refused"
    )
    where = settings.home / "exports" / "billio"
    shutil.rmtree(where, ignore_errors=True)
    where.mkdir(parents=True)
    exported = export_table(client, TABLE, open_store(where, settings))
    console.print(f"exported    {exported.items:,} items in {exported.files} files to {where}", markup=False)
    return {"export": str(where)}


def fill_algoitny(settings: Settings, state: StackState, items: int, console: Console) -> dict[str, Any]:
    """The Django project's database, with rows that DynamoDB can't hold; no table of the target."""
    import psycopg

    from assets.algoitny.generator import generate
    from assets.algoitny.model import SYSTEM
    from assets.algoitny.source import load_source
    from billio_pipeline.local.stack import Stack

    dsn = Stack(settings).database(SYSTEM.name)  # never a configured one: what it holds goes
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
    rows = load_source(dsn, generate(max(items // _ROWS_PER_USER, 1), as_of=datetime.now(UTC), poison=True))
    console.print(f"PostgreSQL database [bold]{SYSTEM.name}[/]: {sum(rows.values()):,} rows in {len(rows)} tables")
    _no_tables(settings, state, SYSTEM)
    return {"export": ""}


def fill_thrivecalc(settings: Settings, state: StackState, items: int, console: Console) -> dict[str, Any]:
    """A bucket of JSON records, some of which deserve quarantine; no table of the target."""
    from assets.thrivecalc.generator import write
    from assets.thrivecalc.model import SYSTEM
    from billio_pipeline.stores.objects import open_store

    where = settings.home / "exports" / SYSTEM.name
    shutil.rmtree(where, ignore_errors=True)
    where.mkdir(parents=True)
    objects = write(open_store(where, settings), max(items // _RECORDS_PER_USER, 1), poison=True)
    console.print(f"JSON records: {objects:,} objects in {where}")
    _no_tables(settings, state, SYSTEM)
    return {"export": str(where)}


# How each system's source is made; given how many items are wanted, roughly.
FILL: dict[str, Callable[[Settings, StackState, int, Console], dict[str, Any]]] = {
    "billio": fill_billio,
    "algoitny": fill_algoitny,
    "thrivecalc": fill_thrivecalc,
}
_ROWS_PER_USER, _RECORDS_PER_USER = 35, 16


def _client(settings: Settings, state: StackState) -> Any:
    from billio_pipeline.stores.dynamodb.client import dynamodb_client

    return dynamodb_client(replace(settings, dynamodb_endpoint=state.dynamodb_endpoint))


def _no_tables(settings: Settings, state: StackState, system: RowSystem) -> None:
    """Drop what an earlier demo loaded: its source is gone."""
    client = _client(settings, state)
    there = client.list_tables()["TableNames"]
    for table in system.tables:
        if table.name in there:
            client.delete_table(TableName=table.name)
