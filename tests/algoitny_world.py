"""AlgoItny's two sides for tests: a PostgreSQL as Django left it and tables filled from it, with one clock."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import psycopg
import servers
from psycopg.rows import dict_row

from assets.algoitny.generator import AS_OF, generate
from assets.algoitny.parity import parity
from assets.algoitny.queries import Queries
from assets.algoitny.repository import Repository, Tables
from assets.algoitny.source import load_source
from assets.factory.parity import ParityCase
from benchmarks.algoitny_patterns import load, made_tables
from billio_pipeline.settings import Settings
from billio_pipeline.stores.dynamodb import dynamodb_client


@dataclass
class World:
    """Both sides at one state, and one clock."""

    client: Any
    tables: Tables
    connection: psycopg.Connection[Any]
    dropped: dict[str, list[int]]
    now = AS_OF

    def clock(self) -> Any:
        return self.now

    @property
    def repository(self) -> Repository:
        return Repository(self.client, self.tables, self.clock)

    @property
    def queries(self) -> Queries:
        return Queries(self.connection, self.clock, self.dropped)

    def both(self, ask: Callable[[Any], Any]) -> Any:
        """What both sides answer, which must be the same."""
        found, expected = ask(self.repository), ask(Queries(self.connection, self.clock))
        assert found == expected
        return found

    def wrong(self, **options: Any) -> set[str]:
        return {case.pattern for case in self.parity(**options) if not case.equal}

    def parity(self, samples: int = 4) -> list[ParityCase]:
        return parity(self.repository, self.connection, samples=samples, dropped=self.dropped)

    def item(self, pk: str, sk: str = "METADATA", table: str = "") -> Any:
        key = {"PK": {"S": pk}, "SK": {"S": sk}}
        return self.client.get_item(TableName=table or self.tables.main, Key=key, ConsistentRead=True).get("Item")

    def put(self, item: Any, table: str = "") -> None:
        self.client.put_item(TableName=table or self.tables.main, Item=item)


def world(postgres_server: servers.TestPostgres, ministack: str, users: int, **options: Any) -> Iterator[World]:
    """A world sized by the number of users, for a fixture to yield."""
    client = dynamodb_client(replace(Settings.from_env({}), dynamodb_endpoint=ministack))
    name = postgres_server.create("template_plain")
    dsn = postgres_server.dsn(name)
    load_source(dsn, generate(users, **options))
    with psycopg.connect(dsn, autocommit=True) as connection:
        names = made_tables(client)
        yield World(client, names, connection, load(client, names, connection))
    for table in (names.main, names.users, names.plans):
        client.delete_table(TableName=table)
    postgres_server.drop(name)


def row_of(world: World, table: str, condition: str = "true") -> Any:
    """The source's first row of a table for which a condition holds."""
    with world.connection.cursor(row_factory=dict_row) as cursor:
        found = cursor.execute(f"SELECT * FROM {table} WHERE {condition} ORDER BY id LIMIT 1").fetchone()  # noqa: S608
    assert found is not None
    return found
