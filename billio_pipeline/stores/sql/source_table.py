"""A table of a PostgreSQL source as its catalog has it, and how each column is read into Arrow without loss."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
import pyarrow as pa
from psycopg import sql
from psycopg.sql import Composable

from billio_pipeline.errors import ConfigurationError
from billio_pipeline.stores.sql.catalog import FoundTable, read_tables
from billio_pipeline.stores.sql.columns import selected
from billio_pipeline.stores.sql.readback import copied, page_query

Connection = psycopg.Connection[Any]

TIME = pa.timestamp("us", tz="UTC")

# Catalog types without their modifiers, by the word columns.py reads them by: text is what the server prints, which for
# numeric is the exact number, for real and double precision the shortest text that reads back as the same (session
# setting extra_float_digits), for json and jsonb the document. A date is read as its days since 1970.
_READ_AS: Mapping[str, str] = {
    "bigint": "bigint",
    "integer": "bigint",
    "smallint": "bigint",
    "boolean": "boolean",
    "text": "text",
    "character varying": "text",
    "character": "text",
    "uuid": "text",
    "numeric": "text",
    "double precision": "text",
    "real": "text",
    "json": "jsonb",
    "jsonb": "jsonb",
    "timestamp with time zone": "timestamptz",
    "date": "integer",
}
_ARROW: Mapping[str, pa.DataType] = {
    "bigint": pa.int64(),
    "boolean": pa.bool_(),
    "text": pa.string(),
    "jsonb": pa.string(),
    "timestamptz": TIME,
    "integer": pa.date32(),
}
# Types rows are paged by: their last value, quoted, finds the next page.
_KEYS = ("bigint", "integer", "smallint", "text", "character varying", "character", "uuid", "numeric")
_DAYS = sql.SQL(
    "CASE {0} WHEN 'infinity' THEN 2147483647 WHEN '-infinity' THEN -2147483648 ELSE {0} - date '1970-01-01' END"
)
_MODIFIER = re.compile(r"\([^)]*\)")


@dataclass(frozen=True)
class SourceColumn:
    """A column; `sql` is its type as format_type() spells it, `numeric(10,2)`."""

    name: str
    sql: str
    nullable: bool

    @property
    def read(self) -> _Read | None:
        """How it is read, or None for a type that isn't."""
        word = _READ_AS.get(_MODIFIER.sub("", self.sql))
        return _Read(self.name, word) if word else None


@dataclass(frozen=True)
class _Read:
    """A column for columns.py: the word says in which form its values arrive."""

    name: str
    sql: str

    @property
    def expression(self) -> Composable:
        return _DAYS.format(sql.Identifier(self.name)) if self.sql == "integer" else selected(self)


@dataclass(frozen=True)
class SourceTable:
    """A table with a primary key, all of whose columns can be read."""

    name: str
    columns: tuple[SourceColumn, ...]
    key: tuple[str, ...]

    @property
    def schema(self) -> pa.Schema:
        return pa.schema([(read.name, _ARROW[read.sql]) for read in self._reads])

    @property
    def _reads(self) -> list[_Read]:
        return [column.read for column in self.columns if column.read]

    def rows(self, connection: Connection, page: int) -> Iterator[pa.Table]:
        """All rows in key order, in `schema`, by statements of `page` rows; a block is never much above 8 MiB.

        An infinite time is ±(2⁶³ − 1) microseconds, as is a finite one from the year 294247 on; an infinite date is the
        greatest or least 32-bit number of days.
        """
        reads, schema = self._reads, self.schema
        expressions = [read.expression for read in reads]
        after: list[object] | None = None
        while True:
            rows = 0
            query = page_query(self.name, expressions, self.key, after, page)
            for block in copied(connection, query, reads):
                rows += block.num_rows
                after = [block[name][-1].as_py() for name in self.key]
                yield block.cast(schema)
            if rows < page:
                return


def describe(connection: Connection, names: Sequence[str]) -> list[SourceTable]:
    """The tables as the catalog has them. Raises ConfigurationError for the first that can't be read, saying why."""
    found = read_tables(connection, names)
    return [_table(name, found.get(name)) for name in names]


def _table(name: str, found: FoundTable | None) -> SourceTable:
    if found is None:
        raise ConfigurationError(f"{name} is not a table", remedy="Name a table, not a view; or leave it out.")
    key = next((each.columns for each in found.constraints if each.kind == "p"), ())
    if not key:
        raise ConfigurationError(
            f"table {name} has no primary key, so its rows can't be told apart",
            remedy=f"Give {name} a primary key, or leave it out.",
            table=name,
        )
    columns = tuple(SourceColumn(each.name, each.type, each.nullable) for each in found.columns)
    for column in columns:
        plain = _MODIFIER.sub("", column.sql)
        if column.read is None:
            what, remedy = "which has no exact form here", f"Change the column to one of: {', '.join(_READ_AS)}."
        elif column.name in key and plain not in _KEYS:
            what, remedy = "by which rows can't be paged", f"Give {name} a primary key of: {', '.join(_KEYS)}."
        else:
            continue
        raise ConfigurationError(
            f"column {name}.{column.name} is {column.sql}, {what}", remedy=remedy, table=name, column=column.name
        )
    return SourceTable(name, columns, key)
