"""SQL asked of the Django tables, answered in the codec's rows: times in µs, JSON documents as jsonb's text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, LiteralString

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from assets.algoitny.model import SYSTEM
from assets.algoitny.repository.items import Row
from assets.algoitny.repository.moments import moment
from assets.algoitny.repository.paging import Position, Stream
from billio_pipeline.model.entity import Column, Entity
from billio_pipeline.model.scalars import IsoMicros, Json

_PAGE: LiteralString = """
SELECT {columns} FROM {table} WHERE ({condition})
   AND (%(after_time)s::timestamptz IS NULL OR (created_at, id) < (%(after_time)s, %(after_id)s))
 ORDER BY created_at DESC, id DESC LIMIT %(wanted)s
"""
_SAMPLE: LiteralString = """
SELECT {columns} FROM {table} WHERE ({condition}) ORDER BY md5(id::text || %(seed)s), id LIMIT %(wanted)s
"""


@dataclass(frozen=True)
class Source:
    """A connection to the source. `dropped`, by table, are ids of rows its questions are asked without."""

    connection: psycopg.Connection[Any]
    dropped: Mapping[str, Sequence[int]] = field(default_factory=dict)

    def rows(self, statement: LiteralString, entity: Entity | None = None, **parameters: Any) -> list[Row]:
        """The rows of a statement, `{columns}` in it being the entity's."""
        columns = selected(entity) if entity else sql.SQL("")
        return self._fetch(sql.SQL(statement).format(columns=columns), parameters)

    def row(self, statement: LiteralString, entity: Entity, **parameters: Any) -> Row | None:
        """The first row of a statement, if any."""
        return next(iter(self.rows(statement, entity, **parameters)), None)

    def newest_first(self, entity: Entity, condition: LiteralString, **parameters: Any) -> Stream:
        """The entity's rows for which `condition` holds, by time."""
        statement = sql.SQL(_PAGE).format(
            columns=selected(entity), table=sql.Identifier(entity.table.name), condition=sql.SQL(condition)
        )

        def stream(after: Position | None, wanted: int) -> Iterator[Row]:
            behind = {"after_time": after and moment(after.micros), "after_id": after and after.id}
            return iter(self._fetch(statement, {**parameters, **behind, "wanted": wanted}))

        return stream

    def sample(self, entity: Entity, condition: LiteralString, most: int, seed: str, **parameters: Any) -> list[Row]:
        """Some of the entity's rows for which `condition` holds, the same for the same seed."""
        statement = sql.SQL(_SAMPLE).format(
            columns=selected(entity), table=sql.Identifier(entity.table.name), condition=sql.SQL(condition)
        )
        return self._fetch(statement, {**parameters, "seed": seed, "wanted": most})

    def insert(self, entity: Entity, row: Mapping[str, Any]) -> Row:
        """Add a row without its id; the row as it is then."""
        columns = [column for column in entity.columns if column.name != entity.table.key]
        statement = sql.SQL("INSERT INTO {} ({}) VALUES ({}) RETURNING {}").format(
            sql.Identifier(entity.table.name),
            sql.SQL(", ").join(sql.Identifier(column.name) for column in columns),
            sql.SQL(", ").join(sql.Placeholder(column.name) for column in columns),
            selected(entity),
        )
        return self._fetch(statement, _parameters(columns, row))[0]

    def update(self, entity: Entity, changes: Mapping[str, Any], condition: LiteralString, **key: Any) -> Row | None:
        """Write columns of the row for which `condition` holds; the row as it is then, None when there is none."""
        columns = [column for column in entity.columns if column.name in changes]
        assignments = [sql.SQL("{} = {}").format(sql.Identifier(c.name), sql.Placeholder(c.name)) for c in columns]
        statement = sql.SQL("UPDATE {} SET {} WHERE {} RETURNING {}").format(
            sql.Identifier(entity.table.name), sql.SQL(", ").join(assignments), sql.SQL(condition), selected(entity)
        )
        return next(iter(self._fetch(statement, _parameters(columns, changes) | key)), None)

    def _fetch(self, statement: sql.Composed, parameters: Mapping[str, Any]) -> list[Row]:
        left_out = {f"dropped {table}": list(ids) for table, ids in self.dropped.items() if ids}
        if left_out:
            # A name WITH gives hides the table of that name, except in its own definition.
            views = [_without(table) for table, ids in self.dropped.items() if ids]
            statement = sql.SQL("WITH {} {}").format(sql.SQL(", ").join(views), statement)
        with self.connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(statement, {**parameters, **left_out}).fetchall()


def selected(entity: Entity) -> sql.Composed:
    """The select list that returns an entity's rows."""
    return sql.SQL(", ").join(map(_read, entity.columns))


def _read(column: Column) -> sql.Composable:
    name = sql.Identifier(column.name)
    if isinstance(column.type, Json):
        return sql.SQL("{}::text AS {}").format(name, name)
    if isinstance(column.type, IsoMicros):
        return sql.SQL("(extract(epoch FROM {}) * 1000000)::bigint AS {}").format(name, name)
    return name


def _parameters(columns: Sequence[Column], row: Mapping[str, Any]) -> dict[str, Any]:
    times = {column.name for column in columns if isinstance(column.type, IsoMicros)}
    values = {column.name: row[column.name] for column in columns}
    return {name: moment(v) if name in times and v is not None else v for name, v in values.items()}


def _without(table: str) -> sql.Composed:
    assert table in {entity.table.name for entity in SYSTEM.entities}
    name, ids = sql.Identifier(table), sql.Placeholder(f"dropped {table}")
    return sql.SQL("{} AS (SELECT * FROM {} WHERE id <> ALL ({}))").format(name, name, ids)
