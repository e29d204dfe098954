"""AlgoItny migrated without Dagster: a source, its archive and its tables, all the test's own."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from assets.algoitny.archive import archive_source, archive_usage
from assets.algoitny.model import SYSTEM
from assets.algoitny.source import load_source
from billio_pipeline.migrate import copied as copies
from billio_pipeline.migrate.load_items import load_table
from billio_pipeline.migrate.prepare_items import prepare_items
from billio_pipeline.migrate.sql_source import SqlSource
from billio_pipeline.model.entity import RowSystem
from billio_pipeline.model.tables import DynamoTable
from billio_pipeline.settings import Settings
from billio_pipeline.stores.dynamodb import dynamodb_client, tables
from billio_pipeline.stores.objects.local import LocalStore


@dataclass(frozen=True)
class Migrated:
    """A finished migration. `system` is AlgoItny's with tables of other names."""

    system: RowSystem
    client: Any
    archive: LocalStore
    settings: Settings

    def table(self, name: str) -> DynamoTable:
        """`main`, `users` or `plans`."""
        return next(table for table in self.system.tables if f"-{name}-" in table.name.lower())

    def put(self, table: str, item: Mapping[str, Any]) -> None:
        self.client.put_item(TableName=self.table(table).name, Item=item)


def own_tables(system: RowSystem) -> RowSystem:
    """The system with tables of random names, on demand."""
    end = secrets.token_hex(6)
    named = {table.name: replace(table, name=f"{table.name}-{end}", capacity=None) for table in system.tables}
    return replace(system, entities=tuple(replace(e, items=named[e.items.name]) for e in system.entities if e.items))


def migrated(
    dsn: str, rows: Mapping[str, Iterable[dict[str, Any]]], settings: Settings, endpoint: str, folder: Path
) -> Migrated:
    """Put rows into the database, archive it, and load the three tables from it."""
    settings = replace(settings, dynamodb_endpoint=endpoint, algoitny_archive=str(folder))
    load_source(dsn, rows)
    system, archive, client = own_tables(SYSTEM), LocalStore(folder), dynamodb_client(settings)
    source = SqlSource(dsn, system, settings)
    taken = copies.take(source, settings.home, system.name, "run", lambda rows: None)
    archive_source(taken, archive)
    archive_usage(taken, archive, datetime.now(UTC))
    stage = prepare_items(taken, source.read, system, settings, "run", lambda rows: None)
    for table in system.tables:
        tables.create(client, table)
        load_table(client, stage, table, "insert", max_wcu=None, progress=lambda items: None)
    return Migrated(system, client, archive, settings)
