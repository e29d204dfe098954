"""Where a target's tables differ from what its profile emits, by name. Reads; changes nothing.

Parts are compared, not texts: columns and keys from the catalog, expressions as the server itself spells both sides.
Not compared: operator classes, storage parameters, comments, privileges, triggers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Literal

from psycopg import Connection

from billio_pipeline.model.entity import System
from billio_pipeline.model.tables import Check, Reference
from billio_pipeline.stores.drift import Drift
from billio_pipeline.stores.retry import Retries
from billio_pipeline.stores.sql.catalog import FoundConstraint, FoundIndex, FoundTable, deparsed, read_tables
from billio_pipeline.stores.sql.ddl import IndexDef, Key, TableDef, tables
from billio_pipeline.stores.sql.retry import repeat
from billio_pipeline.stores.sql.target import Target

DriftKind = Literal[
    "missing_table", "primary_key",
    "missing_column", "extra_column", "column_type", "column_nullable", "column_default",
    "missing_index", "extra_index", "different_index", "invalid_index",
    "missing_constraint", "extra_constraint", "different_constraint", "unvalidated_constraint",
]  # fmt: skip

# The spellings format_type() prints for those a declaration uses.
_SPELLED = {"varchar": "character varying", "timestamptz": "timestamp with time zone", "int": "integer"}


class Spelling:
    """The server's spelling of expressions, each asked for once while the tables' columns stay as they are."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], str] = {}

    def same(self, connection: Connection, table: str, expected: str | None, found: str | None) -> bool:
        """Whether two expressions mean the same; None is no expression."""
        if expected is None or found is None or expected == found:
            return expected == found
        for text in (expected, found):
            if (table, text) not in self._known:
                self._known[table, text] = deparsed(connection, table, text)
        return self._known[table, expected] == self._known[table, found]


def drift(target: Target, system: System) -> list[Drift]:
    """Every difference between the target's tables and what its profile emits, in the tables' order."""

    def ask() -> list[Drift]:
        with target.connection() as connection:
            return compare(connection, tables(system, target.profile), Spelling())

    return repeat(ask, retries=Retries(), what=target.name)


def compare(connection: Connection, expected: tuple[TableDef, ...], spelling: Spelling) -> list[Drift]:
    """As `drift`, over one connection."""
    found = read_tables(connection, [table.name for table in expected])
    differences: list[Drift] = []
    for table in expected:
        if table.name in found:

            def same(left: str | None, right: str | None, name: str = table.name) -> bool:
                return spelling.same(connection, name, left, right)

            differences += _compare_table(table, found[table.name], {t.name: t.key for t in expected}, same)
        else:
            differences.append(Drift("missing_table", table.name, table.name, f"{len(table.columns)} columns", None))
    return differences


Same = Callable[[str | None, str | None], bool]


def _compare_table(table: TableDef, found: FoundTable, keys: dict[str, str], same: Same) -> Iterator[Drift]:
    yield from _compare_columns(table, found, same)
    yield from _compare_constraints(table, found, keys, same)
    yield from _compare_indexes(table, found, same)


def format_type(declared: str) -> str:
    """A declared type as format_type() prints it: `varchar(50)` → `character varying(50)`."""
    name, length = re.fullmatch(r"([a-z ]+)(\(.*\))?", declared).groups()  # type: ignore[union-attr]
    return _SPELLED.get(name, name) + (length or "")


def _compare_columns(table: TableDef, found: FoundTable, same: Same) -> Iterator[Drift]:
    there = {column.name: column for column in found.columns}
    for column in table.columns:
        name = f"{table.name}.{column.name}"
        declared = format_type(column.type)
        if column.name not in there:
            yield Drift("missing_column", table.name, name, declared, None)
            continue
        other = there.pop(column.name)
        if other.type != declared:
            yield Drift("column_type", table.name, name, declared, other.type)
        if other.nullable != column.nullable:
            yield Drift("column_nullable", table.name, name, _null(column.nullable), _null(other.nullable))
        # Cast both to the column's type, as assigning them would: '{}' and '{}'::jsonb are one default.
        expected, default = (
            f"CAST(({text}) AS {other.type})" if text else None for text in (column.default, other.default)
        )
        if not same(expected, default):
            yield Drift("column_default", table.name, name, column.default, other.default)
    for column in there.values():
        yield Drift("extra_column", table.name, f"{table.name}.{column.name}", None, column.type)


def _null(nullable: bool) -> str:
    return "NULL" if nullable else "NOT NULL"


def _compare_constraints(table: TableDef, found: FoundTable, keys: dict[str, str], same: Same) -> Iterator[Drift]:
    there = {constraint.name: constraint for constraint in found.constraints if constraint.kind != "p"}
    primary = next((constraint for constraint in found.constraints if constraint.kind == "p"), None)
    if primary is None or primary.columns != (table.key,):
        expected = f"PRIMARY KEY ({table.key})"
        yield Drift("primary_key", table.name, table.name, expected, primary.definition if primary else None)
    constraints: tuple[Check | Reference, ...] = (*table.checks, *table.references)
    for declared in constraints:
        other = there.pop(declared.name, None)
        if isinstance(declared, Check):
            text = f"CHECK ({declared.sql})"
            alike = other is not None and other.kind == "c" and same(declared.sql, other.expression)
        else:
            text = f"FOREIGN KEY ({declared.column}) REFERENCES {declared.table} ({keys[declared.table]})"
            alike = other is not None and _same_reference(declared, other, keys[declared.table])
        if other is None:
            yield Drift("missing_constraint", table.name, declared.name, text, None)
        elif not alike:
            yield Drift("different_constraint", table.name, declared.name, text, other.definition)
        elif not other.validated:
            yield Drift("unvalidated_constraint", table.name, declared.name, "validated", "NOT VALID")
    for constraint in there.values():
        yield Drift("extra_constraint", table.name, constraint.name, None, constraint.definition)


def _same_reference(declared: Reference, found: FoundConstraint, key: str) -> bool:
    refers_to = (declared.table, (key,))
    return found.kind == "f" and found.columns == (declared.column,) and found.refers_to == refers_to and found.plain


def _compare_indexes(table: TableDef, found: FoundTable, same: Same) -> Iterator[Drift]:
    there = {index.name: index for index in found.indexes}
    for index in table.indexes:
        other = there.pop(index.name, None)
        if other is None:
            yield Drift("missing_index", table.name, index.name, _index_text(index), None)
        elif not _same_index(table, index, other, same):
            yield Drift("different_index", table.name, index.name, _index_text(index), other.definition)
        elif not other.valid:
            yield Drift("invalid_index", table.name, index.name, _index_text(index), "left invalid by a failed build")
    for other in there.values():
        yield Drift("extra_index", table.name, other.name, None, other.definition)


def _same_index(table: TableDef, index: IndexDef, found: FoundIndex, same: Same) -> bool:
    return (
        found.keys == index.keys
        and found.btree
        and not found.unique
        and found.included <= {table.key}  # Aurora DSQL carries the primary key in every index
        and same(index.where, found.where)
    )


def _index_text(index: IndexDef) -> str:
    def text(key: Key) -> str:
        return key.column + key.sql

    return f"({', '.join(map(text, index.keys))})" + (f" WHERE {index.where}" if index.where else "")
