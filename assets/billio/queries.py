"""The SQL of Billio's access patterns: psycopg.sql compositions and parameters, shaped for the declared indexes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

from psycopg import sql

from assets.billio.model import SYSTEM
from assets.billio.pages import Position
from assets.billio.plain import COLUMN_OF, FIELD_OF, micros, moment
from billio_pipeline.errors import InputError
from billio_pipeline.model.scalars import Json
from billio_pipeline.model.types import EpochMs, LogicalType, Uuid

SortBy = Literal["MOVED_AT", "ADDED_AT"]
SORT_ATTRIBUTE: dict[str, str] = {"MOVED_AT": "movedAt", "ADDED_AT": "addedAt"}
MOST_PER_PAGE = 1000
TABLE = sql.Identifier(SYSTEM.target.name)
KEY = sql.Identifier(SYSTEM.target.key)
Row = dict[str, Any]
Statement = tuple[sql.Composed, list[Any]]


@dataclass(frozen=True)
class Question:
    """What a page is asked for. `start` and `end` (both inclusive) bound the sort attribute; None means unbounded."""

    types: tuple[str, ...]
    shelf: str | None = None
    search: str | None = None
    start: datetime | None = None
    end: datetime | None = None
    min_rating: int | None = None
    sort_by: SortBy = "MOVED_AT"

    def __post_init__(self) -> None:
        for name in self.types:
            check_type(name)
        if self.sort_by not in SORT_ATTRIBUTE:
            raise InputError(f"can't sort by {self.sort_by!r}", remedy=f"Name one of: {', '.join(SORT_ATTRIBUTE)}.")
        if self.min_rating is not None and not 1 <= self.min_rating <= 10:
            raise InputError(f"a minimum rating of {self.min_rating}", remedy="Ratings are whole numbers from 1 to 10.")
        _ = self.identity  # its times have offsets
        if "\0" in f"{self.search}{self.shelf}":
            raise InputError("a NUL character in the text to look for", remedy="Leave it out: no title holds one.")

    @property
    def identity(self) -> list[object]:
        """What a cursor is bound to: equal for questions with equal answers."""
        times = [None if time is None else micros(time) for time in (self.start, self.end)]
        return [list(self.types), self.shelf, self.search, *times, self.min_rating, self.sort_by]


def check_type(name: str) -> None:
    """Raises InputError unless `name` is a declared type."""
    if name not in SYSTEM.by_name:
        raise InputError(f"no type is called {name!r}", remedy=f"Name one of: {', '.join(SYSTEM.by_name)}.")


def column(attribute: str) -> sql.Identifier:
    """The column that carries an attribute."""
    return sql.Identifier(COLUMN_OF[attribute])


def selected() -> sql.Composed:
    """The select list that returns rows with the codec's values: uuids and documents as text, times in µs."""
    return sql.SQL(", ").join([_read(sql.Identifier(c.name), c.type) for c in SYSTEM.columns])


def by_key(type: str, id: str, *, lock: bool = False) -> Statement:
    """One row, or none; with `lock`, held against other writers until the transaction ends."""
    statement = sql.SQL("SELECT {} FROM {} WHERE {} = %s AND {} = %s").format(selected(), TABLE, KEY, column("type"))
    return sql.SQL(" ").join([statement, sql.SQL("FOR UPDATE")]) if lock else statement, [id, type]


def by_external_id(external_id: str) -> Statement:
    """Rows of one external id, ascending movedAt; ties by id."""
    statement = sql.SQL("SELECT {} FROM {} WHERE {} = %s ORDER BY {}, {}")
    return statement.format(selected(), TABLE, column("externalId"), column("movedAt"), KEY), [external_id]


def by_series_id(series_id: str) -> Statement:
    """Rows of one series, in no order: seasonNumber lives in the document, and a series has few."""
    return sql.SQL("SELECT {} FROM {} WHERE {} = %s").format(selected(), TABLE, column("seriesId")), [series_id]


def page(question: Question, first: int, after: Position | None) -> Statement:
    """The `first` rows after a position, descending; ties by id. Each type is its own scan of its own index range."""
    sort = column(SORT_ATTRIBUTE[question.sort_by])
    parts: list[sql.Composed] = []
    parameters: list[Any] = []
    for name in question.types:
        where, values = _where(replace(question, types=(name,)), after)
        part = sql.SQL("SELECT * FROM {} WHERE {} ORDER BY {} DESC, {} DESC LIMIT %s").format(TABLE, where, sort, KEY)
        parts.append(sql.SQL("({})").format(part))
        parameters += [*values, first]
    statement = sql.SQL("SELECT {} FROM ({}) AS found ORDER BY {} DESC, {} DESC LIMIT %s").format(
        selected(), sql.SQL(" UNION ALL ").join(parts), sort, KEY
    )
    return statement, [*parameters, first]


def count(question: Question) -> Statement:
    """How many rows answer the question, on all pages together."""
    where, values = _where(question, None)
    return sql.SQL("SELECT count(*) AS count FROM {} WHERE {}").format(TABLE, where), values


def insert(row: Row) -> Statement:
    """Add a row; 23505 when its key is taken."""
    names = sql.SQL(", ").join(map(sql.Identifier, row))
    values = sql.SQL(", ").join([sql.Placeholder()] * len(row))
    statement = sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(TABLE, names, values)
    return statement, [_parameter(name, value) for name, value in row.items()]


def write(row: Row, changed: Sequence[str]) -> Statement:
    """Write some columns of an existing row."""
    assignments = sql.SQL(", ").join([sql.SQL("{} = %s").format(sql.Identifier(name)) for name in changed])
    statement = sql.SQL("UPDATE {} SET {} WHERE {} = %s").format(TABLE, assignments, KEY)
    return statement, [*(_parameter(name, row[name]) for name in changed), row[SYSTEM.target.key]]


def touch(type: str, id: str) -> Statement:
    """Write a row as it is, so that transactions that change or remove it meanwhile conflict."""
    name = column("type")
    statement = sql.SQL("UPDATE {} SET {} = {} WHERE {} = %s AND {} = %s")
    return statement.format(TABLE, name, name, KEY, name), [id, type]


def referring(id: str) -> Statement:
    """One row if any season refers to that series."""
    return sql.SQL("SELECT 1 FROM {} WHERE {} = %s LIMIT 1").format(TABLE, column("seriesId")), [id]


def remove(type: str, id: str) -> Statement:
    """Delete one row."""
    return sql.SQL("DELETE FROM {} WHERE {} = %s AND {} = %s").format(TABLE, KEY, column("type")), [id, type]


def like_pattern(text: str) -> str:
    """A LIKE pattern for titles that hold `text` literally."""
    for special in ("\\", "%", "_"):
        text = text.replace(special, "\\" + special)
    return f"%{text}%"


def _parameter(name: str, value: Any) -> Any:
    """A row value as psycopg sends it: times as datetime; uuids and documents as text of no declared type."""
    is_time = name in FIELD_OF and isinstance(FIELD_OF[name].type, EpochMs)
    return moment(value) if is_time and value is not None else value


def _where(question: Question, after: Position | None) -> tuple[sql.Composed, list[Any]]:
    sort = column(SORT_ATTRIBUTE[question.sort_by])
    types = sql.SQL("{} IN ({})").format(column("type"), sql.SQL(", ").join([sql.Placeholder()] * len(question.types)))
    clauses: list[tuple[sql.Composable, list[Any]]] = [(types, list(question.types))]
    if question.shelf is not None:
        clauses.append((sql.SQL("{} = %s").format(column("shelf")), [question.shelf]))
    if question.search:
        # The target's collation says what case is: DSQL's C folds ASCII, the embedded C.UTF-8 all of Unicode.
        match = sql.SQL("{} ILIKE %s ESCAPE '\\'").format(column("title"))
        clauses.append((match, [like_pattern(question.search)]))
    if question.start is not None:
        clauses.append((sql.SQL("{} >= %s").format(sort), [question.start]))
    if question.end is not None:
        clauses.append((sql.SQL("{} <= %s").format(sort), [question.end]))
    if question.min_rating is not None:
        clauses.append((sql.SQL("{} >= %s").format(column("rating")), [question.min_rating]))
    if after is not None:
        clauses.append((sql.SQL("({}, {}) < (%s, %s)").format(sort, KEY), [moment(after.micros), after.id]))
    where = sql.SQL(" AND ").join([clause for clause, _ in clauses])
    return where, [value for _, values in clauses for value in values]


def _read(name: sql.Identifier, type: LogicalType) -> sql.Composable:
    match type:
        case Uuid() | Json():
            return sql.SQL("{}::text AS {}").format(name, name)
        case EpochMs():
            return sql.SQL("(extract(epoch FROM {}) * 1000000)::bigint AS {}").format(name, name)
    return name
