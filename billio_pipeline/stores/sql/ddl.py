"""The schema's statements, derived from a system's declaration and written for one capability profile.

The order is the load's: tables first, then the rows, then constraints (NOT VALID, then validated) and indexes.
A step's number orders one emission; what follows the number names the object and identifies the step for good, so that
an index declared later does not make the steps behind it look new.

Descending keys where the target has no sort order in keys (Aurora DSQL): every key ascends and the index is scanned
backward. That serves `WHERE type = … ORDER BY moved_at DESC` from ("type", "moved_at"): columns before the first DESC
are compared for equality, so their direction is free. A backward scan also swaps the end at which NULLs stand, hence
`rating DESC NULLS LAST` becomes `rating NULLS FIRST`. An ascending key behind a descending one can't be served so.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Literal

from psycopg import sql

from billio_pipeline.model.entity import System
from billio_pipeline.model.scalars import Json
from billio_pipeline.model.tables import Check, Reference, SqlIndex
from billio_pipeline.model.words import DeclarationError
from billio_pipeline.stores.sql.profiles import Profile

SCHEMA = "public"
MIGRATIONS = "_billio_migrations"
LEDGER = "_billio_ledger"

Phase = Literal["tables", "finish"]
Kind = Literal["table", "constraint", "validate", "index"]

_KEY = re.compile(r"(?P<column>[a-z_][a-z0-9_]*)(?: (?P<order>ASC|DESC))?(?: NULLS (?P<nulls>FIRST|LAST))?", re.ASCII)


@dataclass(frozen=True)
class ColumnDef:
    """A column as it is emitted. `type` and `default` are SQL of our own."""

    name: str
    type: str
    nullable: bool = False
    default: str | None = None


@dataclass(frozen=True)
class Key:
    """One key of an index, its order spelled out."""

    column: str
    descending: bool = False
    nulls_first: bool = False

    @property
    def sql(self) -> str:
        """Order and NULLs as they must be written: nothing where it is PostgreSQL's default."""
        order = " DESC" if self.descending else ""
        nulls = "" if self.nulls_first == self.descending else " NULLS FIRST" if self.nulls_first else " NULLS LAST"
        return order + nulls


@dataclass(frozen=True)
class IndexDef:
    """An index as it is emitted for a profile."""

    name: str
    keys: tuple[Key, ...]
    where: str | None = None


@dataclass(frozen=True)
class TableDef:
    """A table as it is emitted for a profile, with all that belongs to it."""

    name: str
    columns: tuple[ColumnDef, ...]
    key: str
    indexes: tuple[IndexDef, ...] = ()
    checks: tuple[Check, ...] = ()
    references: tuple[Reference, ...] = ()

    def column(self, name: str) -> ColumnDef:
        return next(column for column in self.columns if column.name == name)


@dataclass(frozen=True)
class Step:
    """One statement, run in a transaction of its own, and the object it makes or validates."""

    name: str
    phase: Phase
    kind: Kind
    table: str
    object: str
    sql: str

    @property
    def slug(self) -> str:
        """The name without its number: what identifies a step in the tracking table."""
        return slug(self.name)

    @property
    def checksum(self) -> str:
        """16 hex digits over the statement."""
        return hashlib.sha256(self.sql.encode()).hexdigest()[:16]


def slug(name: str) -> str:
    """A step's name without its number."""
    return re.sub(r"^\d+_", "", name)


def tables(system: System, profile: Profile) -> tuple[TableDef, ...]:
    """The tables a target holds: migrations made, batches committed, and the system's rows."""
    migrations = TableDef(
        MIGRATIONS,
        (
            ColumnDef("name", "text"),
            ColumnDef("applied_at", "timestamptz", default="now()"),
            ColumnDef("checksum", "text"),
        ),
        key="name",
    )
    ledger = TableDef(
        LEDGER,
        (
            ColumnDef("batch_id", "text"),
            ColumnDef("export_id", "text"),
            ColumnDef("entity", "text"),
            ColumnDef("file", "text"),
            ColumnDef("first_line", "bigint"),
            ColumnDef("rows", "integer"),
            ColumnDef("content_hash", "text"),
            ColumnDef("committed_at", "timestamptz", default="now()"),
        ),
        key="batch_id",
    )
    target = system.target
    rows = TableDef(
        target.name,
        tuple(
            ColumnDef(c.name, profile.json_type if isinstance(c.type, Json) else c.sql, c.nullable, c.default)
            for c in system.columns
        ),
        key=target.key,
        indexes=tuple(index_for(index, profile) for index in target.indexes),
        checks=target.checks,
        references=target.references,
    )
    return migrations, ledger, rows


def index_for(index: SqlIndex, profile: Profile) -> IndexDef:
    """The index a profile can have that serves what `index` declares. Raises DeclarationError when none can."""
    keys = tuple(_parse_key(index.name, key) for key in index.keys)
    if not profile.index_sort_order:
        first = next((i for i, key in enumerate(keys) if key.descending), len(keys))
        if mixed := [key.column for key in keys[first:] if not key.descending]:
            raise DeclarationError(
                f"index {index.name}: {', '.join(mixed)} ascends behind a descending key; {profile.name} has no sort "
                "order in index keys, and a backward scan turns them all"
            )
        # Scanned backward, an ascending key descends and its NULLs change ends.
        keys = tuple(Key(k.column, False, k.nulls_first ^ k.descending) for k in keys)
    return IndexDef(index.name, keys, index.where)


def _parse_key(index: str, text: str) -> Key:
    match = _KEY.fullmatch(text)
    if not match:
        raise DeclarationError(f"index {index}: {text!r} is not a column with an optional order")
    descending = match["order"] == "DESC"
    return Key(match["column"], descending, match["nulls"] == "FIRST" if match["nulls"] else descending)


def statements(system: System, profile: Profile) -> tuple[Step, ...]:
    """Every statement in the order it is run, numbered from 0001."""
    steps: list[Step] = []

    def add(phase: Phase, kind: Kind, table: str, name: str, made: sql.Composed) -> None:
        label = f"validate_{name}" if kind == "validate" else name.strip("_")
        steps.append(Step(f"{len(steps) + 1:04}_{label}", phase, kind, table, name, made.as_string(None)))

    defined = tables(system, profile)
    for table in defined:
        add("tables", "table", table.name, table.name, create_table(table))
    for table in defined:
        key_of = {each.name: each.key for each in defined}
        added = {
            **{c.name: sql.SQL("CHECK ({})").format(sql.SQL(c.sql)) for c in table.checks},
            **{r.name: _foreign_key(r, key_of[r.table]) for r in table.references},
        }
        for name, body in added.items():
            add("finish", "constraint", table.name, name, _add_constraint(table.name, name, body))
        for name in added:
            add("finish", "validate", table.name, name, _validate(table.name, name, profile))
        for index in table.indexes:
            add("finish", "index", table.name, index.name, create_index(table.name, index, profile))
    return tuple(steps)


def create_table(table: TableDef) -> sql.Composed:
    """CREATE TABLE with columns and key only: the rest comes after the rows."""
    lines = [
        sql.SQL("  {} {}{}{}").format(
            sql.Identifier(column.name),
            sql.SQL(column.type),
            sql.SQL("" if column.nullable else " NOT NULL"),
            sql.SQL(f" DEFAULT {column.default}" if column.default else ""),
        )
        for column in table.columns
    ]
    lines.append(sql.SQL("  PRIMARY KEY ({})").format(sql.Identifier(table.key)))
    return sql.SQL("CREATE TABLE IF NOT EXISTS {} (\n{}\n)").format(qualified(table.name), sql.SQL(",\n").join(lines))


def create_index(table: str, index: IndexDef, profile: Profile) -> sql.Composed:
    """CREATE INDEX, as a job where the profile builds indexes so."""
    keys = [sql.Identifier(key.column) + sql.SQL(key.sql) for key in index.keys]
    return sql.SQL("CREATE INDEX {}IF NOT EXISTS {} ON {} ({}){}").format(
        sql.SQL("ASYNC " if profile.async_ddl else ""),
        sql.Identifier(index.name),
        qualified(table),
        sql.SQL(", ").join(keys),
        sql.SQL(f" WHERE {index.where}" if index.where else ""),
    )


def drop_index(name: str) -> sql.Composed:
    return sql.SQL("DROP INDEX IF EXISTS {}").format(qualified(name))


def _add_constraint(table: str, name: str, body: sql.Composed) -> sql.Composed:
    return sql.SQL("ALTER TABLE {} ADD CONSTRAINT {} {} NOT VALID").format(qualified(table), sql.Identifier(name), body)


def _foreign_key(reference: Reference, key: str) -> sql.Composed:
    return sql.SQL("FOREIGN KEY ({}) REFERENCES {} ({})").format(
        sql.Identifier(reference.column), qualified(reference.table), sql.Identifier(key)
    )


def _validate(table: str, name: str, profile: Profile) -> sql.Composed:
    return sql.SQL("ALTER TABLE {}{} VALIDATE CONSTRAINT {}").format(
        sql.SQL("ASYNC " if profile.async_ddl else ""), qualified(table), sql.Identifier(name)
    )


def qualified(name: str) -> sql.Identifier:
    """`name` in the schema everything lives in, whatever the search path says."""
    return sql.Identifier(SCHEMA, name)
