"""What a target's catalog holds of our tables, in parts that compare: columns, keys, indexes, constraints, migrations.

Reads plain system catalogs only, by name and without regclass casts, so that Aurora DSQL answers the same questions.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from psycopg import Connection, ProgrammingError, sql
from psycopg.rows import dict_row

from billio_pipeline.stores.sql.ddl import MIGRATIONS, SCHEMA, ColumnDef, Key, qualified, slug


@dataclass(frozen=True)
class FoundIndex:
    """An index that no constraint owns. A key that is an expression has no column: `keys` is then None."""

    name: str
    keys: tuple[Key, ...] | None
    included: frozenset[str]
    where: str | None
    unique: bool
    valid: bool
    btree: bool
    definition: str


@dataclass(frozen=True)
class FoundConstraint:
    """A CHECK (`c`), foreign key (`f`), primary key (`p`), unique (`u`) or exclusion (`x`) constraint."""

    name: str
    kind: str
    columns: tuple[str, ...]
    refers_to: tuple[str, tuple[str, ...]] | None
    plain: bool
    """A foreign key without actions, deferral or MATCH FULL."""
    expression: str | None
    validated: bool
    definition: str


@dataclass(frozen=True)
class FoundTable:
    """A table as it is. Types are spelled as format_type() does."""

    name: str
    columns: tuple[ColumnDef, ...]
    indexes: tuple[FoundIndex, ...]
    constraints: tuple[FoundConstraint, ...]


@dataclass(frozen=True)
class Recorded:
    """A row of the tracking table."""

    name: str
    applied_at: datetime
    checksum: str


_COLUMNS = """
SELECT t.relname AS table, a.attname AS name, a.attnum AS number, format_type(a.atttypid, a.atttypmod) AS type,
       NOT a.attnotnull AS nullable, pg_get_expr(d.adbin, d.adrelid) AS default
  FROM pg_class t
  JOIN pg_namespace n ON n.oid = t.relnamespace
  JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
  LEFT JOIN pg_attrdef d ON d.adrelid = t.oid AND d.adnum = a.attnum
 WHERE n.nspname = %(schema)s AND t.relname = ANY(%(tables)s) AND t.relkind IN ('r', 'p')
 ORDER BY t.relname, a.attnum
"""

_INDEXES = """
SELECT t.relname AS table, c.relname AS name, i.indkey::text AS numbers, i.indoption::text AS options,
       i.indnkeyatts AS key_count, pg_get_expr(i.indpred, i.indrelid) AS where, i.indisunique AS unique,
       i.indisvalid AND i.indisready AS valid, m.amname LIKE 'btree%%' AS btree,
       pg_get_indexdef(i.indexrelid) AS definition
  FROM pg_index i
  JOIN pg_class c ON c.oid = i.indexrelid
  JOIN pg_am m ON m.oid = c.relam
  JOIN pg_class t ON t.oid = i.indrelid
  JOIN pg_namespace n ON n.oid = t.relnamespace
 WHERE n.nspname = %(schema)s AND t.relname = ANY(%(tables)s) AND NOT i.indisprimary
   AND NOT EXISTS (SELECT 1 FROM pg_constraint k WHERE k.conindid = i.indexrelid AND k.contype IN ('u', 'x'))
 ORDER BY t.relname, c.relname
"""

_CONSTRAINTS = """
SELECT t.relname AS table, k.conname AS name, k.contype::text AS kind, k.conkey AS numbers, k.convalidated AS validated,
       pg_get_expr(k.conbin, k.conrelid) AS expression, r.relname AS other, rn.nspname AS other_schema,
       k.confkey AS other_numbers, k.conrelid = k.confrelid AS itself,
       k.confdeltype::text || k.confupdtype::text || k.confmatchtype::text = 'aas' AND NOT k.condeferrable AS plain,
       (SELECT array_agg(a.attname::text ORDER BY p.place) FROM unnest(k.confkey) WITH ORDINALITY p (number, place)
          JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = p.number) AS other_columns,
       pg_get_constraintdef(k.oid) AS definition
  FROM pg_constraint k
  JOIN pg_class t ON t.oid = k.conrelid
  JOIN pg_namespace n ON n.oid = t.relnamespace
  LEFT JOIN pg_class r ON r.oid = k.confrelid
  LEFT JOIN pg_namespace rn ON rn.oid = r.relnamespace
 WHERE n.nspname = %(schema)s AND t.relname = ANY(%(tables)s) AND k.contype IN ('c', 'f', 'p', 'u', 'x')
 ORDER BY t.relname, k.conname
"""


def read_tables(connection: Connection, names: Iterable[str]) -> dict[str, FoundTable]:
    """The tables of those names that exist, with everything on them."""
    arguments = {"schema": SCHEMA, "tables": list(names)}
    with connection.cursor(row_factory=dict_row) as cursor:
        columns = cursor.execute(_COLUMNS, arguments).fetchall()
        indexes = cursor.execute(_INDEXES, arguments).fetchall()
        constraints = cursor.execute(_CONSTRAINTS, arguments).fetchall()
    called = {(row["table"], row["number"]): row["name"] for row in columns}
    return {
        table: FoundTable(
            table,
            tuple(ColumnDef(r["name"], r["type"], r["nullable"], r["default"]) for r in columns if r["table"] == table),
            tuple(_index(row, called) for row in indexes if row["table"] == table),
            tuple(_constraint(row, called) for row in constraints if row["table"] == table),
        )
        for table in dict.fromkeys(row["table"] for row in columns)
    }


def _index(row: dict, called: dict[tuple[str, int], str]) -> FoundIndex:
    numbers = [int(number) for number in row["numbers"].split()]
    count = row["key_count"]
    options = [int(option) for option in row["options"].split()]
    columns = [called.get((row["table"], number)) for number in numbers]
    keys = tuple(
        Key(column, bool(option & 1), bool(option & 2))  # indoption: 1 = DESC, 2 = NULLS FIRST
        for column, option in zip(columns[:count], options, strict=False)
        if column is not None
    )
    return FoundIndex(
        row["name"],
        keys if len(keys) == count else None,
        frozenset(column for column in columns[count:] if column is not None),
        row["where"],
        row["unique"],
        row["valid"],
        row["btree"],
        row["definition"],
    )


def _constraint(row: dict, called: dict[tuple[str, int], str]) -> FoundConstraint:
    columns = tuple(called[row["table"], number] for number in row["numbers"] or ())
    refers_to = None
    if row["other"] is not None:
        other = row["other"] if row["other_schema"] == SCHEMA else f"{row['other_schema']}.{row['other']}"
        refers_to = (other, tuple(row["other_columns"] or ()))
    return FoundConstraint(
        row["name"],
        row["kind"],
        columns,
        refers_to,
        bool(row["plain"]),
        row["expression"],
        row["validated"],
        row["definition"],
    )


def read_recorded(connection: Connection) -> dict[str, Recorded]:
    """Migrations recorded, by slug; empty where there is no tracking table yet."""
    if MIGRATIONS not in read_names(connection, [MIGRATIONS]):
        return {}
    query = sql.SQL("SELECT name, applied_at, checksum FROM {} ORDER BY name").format(qualified(MIGRATIONS))
    rows = connection.execute(query).fetchall()
    return {slug(name): Recorded(name, applied_at, checksum) for name, applied_at, checksum in rows}


def read_names(connection: Connection, names: Iterable[str]) -> set[str]:
    """Which of `names` are taken in our schema, by a table or anything that shares its names."""
    rows = connection.execute(
        "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE n.nspname = %s AND c.relname = ANY(%s)",
        (SCHEMA, list(names)),
    )
    return {name for (name,) in rows}


def deparsed(connection: Connection, table: str, expression: str) -> str:
    """`expression` over `table` in the server's own spelling, constants folded; two that mean the same come out equal.

    The server plans it, nothing is run. What it can't plan (a column is missing) is returned as it was, in one spacing.
    """
    query = sql.SQL("EXPLAIN VERBOSE SELECT {} FROM {}").format(sql.SQL(f"({expression})"), qualified(table))
    try:
        plan = connection.execute(query).fetchall()
    except ProgrammingError:
        return " ".join(expression.split())
    return next((match[1] for (line,) in plan if (match := re.match(r"\s*Output: (.*)", line))), expression)
