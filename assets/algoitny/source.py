"""AlgoItny's PostgreSQL as Django would have left it: tables and rows put into an empty database, for demo and tests.

Never changes a database that has one of the tables already: the real source is only ever read.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from decimal import Decimal
from itertools import chain
from pathlib import Path
from typing import Any

import psycopg
from psycopg import errors, sql

from billio_pipeline.errors import ConfigurationError
from billio_pipeline.model.canonical import parse_jsonb

Row = dict[str, Any]

# Each behind those it refers to.
TABLES = (
    "subscription_plans",
    "users",
    "problems",
    "test_cases",
    "search_history",
    "script_generation_jobs",
    "usage_logs",
    "task_results",
)
_DDL = Path(__file__).with_name("django.sql")


class JsonText(str):
    """A JSON document as text; `JsonText("null")` is JSON's null where None is SQL's NULL."""


def load_source(dsn: str, rows: Mapping[str, Iterable[Row]]) -> dict[str, int]:
    """Create the eight tables and insert rows, all in one transaction; how many rows each table has got.

    A row's keys are columns; a dict or list is a JSON document, its numbers int or Decimal. Sequences continue behind
    the greatest id. Raises ConfigurationError when a table is there already.
    """
    counts = {}
    with psycopg.connect(dsn) as connection:
        try:
            connection.execute(_DDL.read_bytes())
        except errors.DuplicateTable as error:
            raise ConfigurationError(
                f"{connection.info.dbname} is in use: {error.diag.message_primary}", remedy="Name an empty database."
            ) from error
        for table in TABLES:
            counts[table] = _insert(connection, table, rows.get(table, ()))
    return counts


def fixture_rows(path: Path) -> dict[str, list[Row]]:
    """Rows by table from a JSON file: numbers exact, times as the ISO text they are."""
    return parse_jsonb(path.read_bytes())


def json_text(value: Any) -> str:
    """A document's text with every number as it is: json writes no Decimal."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(name)}: {json_text(each)}" for name, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(json_text, value)) + "]"
    return str(value) if isinstance(value, Decimal) else json.dumps(value)


def _insert(connection: psycopg.Connection[Any], table: str, rows: Iterable[Row]) -> int:
    iterator = iter(rows)
    first = next(iterator, None)
    if first is None:
        return 0
    columns, greatest, count = list(first), 0, 0
    with connection.cursor() as cursor:
        statement = sql.SQL("COPY {} ({}) FROM STDIN").format(
            sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, columns))
        )
        with cursor.copy(statement) as copy:
            for row in chain([first], iterator):
                copy.write_row([_value(row[column]) for column in columns])
                greatest, count = max(greatest, row["id"]), count + 1
        cursor.execute("SELECT setval(pg_get_serial_sequence(%s, 'id'), %s)", [table, greatest])
    return count


def _value(value: Any) -> Any:
    return json_text(value) if isinstance(value, dict | list) else value
