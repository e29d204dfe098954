"""Asks a target whether the declared rules hold of its rows: references, bounds, and rows of no declared entity."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from psycopg import Connection, sql

from billio_pipeline.model.entity import Entity, System
from billio_pipeline.model.types import Integer
from billio_pipeline.stores.sql.ddl import qualified

SHOWN = 20


@dataclass(frozen=True)
class Broken:
    """One rule that some rows break: how many, and the first keys."""

    rule: str
    rows: int
    keys: tuple[str, ...]


def broken_references(connection: Connection, system: System) -> list[Broken]:
    """Rows whose reference names no row, or one of another entity than the rule says."""
    found = []
    table, key = qualified(system.target.name), sql.Identifier(system.target.key)
    for entity in system.entities:
        for rule in entity.rules:
            if rule.kind != "refers":
                continue
            query = sql.SQL(
                "SELECT r.{key} FROM {table} r LEFT JOIN {table} other ON other.{key} = r.{column} AND {right} "
                "WHERE {own} AND r.{column} IS NOT NULL AND other.{key} IS NULL"
            ).format(
                key=key,
                table=table,
                column=sql.Identifier(rule.column),
                right=_all("other", dict(rule.when)),
                own=_all("r", _columns(entity)),
            )
            name = f"{entity.name}.{rule.column} refers to {'/'.join(dict(rule.when).values())}"
            found.append(_broken(connection, name, query))
    return [each for each in found if each.rows]


def broken_rules(connection: Connection, system: System) -> list[Broken]:
    """Rows that break a declared bound or rule, or are of no declared entity."""
    table, key = qualified(system.target.name), sql.Identifier(system.target.key)
    found = []
    for column in system.columns:
        if isinstance(column.type, Integer) and column.type != Integer():
            low, high = sql.Literal(column.type.low), sql.Literal(column.type.high)
            query = sql.SQL("SELECT {key} FROM {table} WHERE {column} NOT BETWEEN {low} AND {high}").format(
                key=key, table=table, column=sql.Identifier(column.name), low=low, high=high
            )
            found.append(_broken(connection, f"{column.name} is {column.type.low} to {column.type.high}", query))
    for entity in system.entities:
        for rule in entity.rules:
            if rule.kind == "absent":
                query = sql.SQL("SELECT {key} FROM {table} r WHERE {own} AND r.{column} IS NOT NULL").format(
                    key=key, table=table, own=_all("r", _columns(entity)), column=sql.Identifier(rule.column)
                )
                found.append(_broken(connection, f"{entity.name} has no {rule.column}", query))
    known = sql.SQL(" OR ").join([_all("r", _columns(entity)) for entity in system.entities])
    query = sql.SQL("SELECT {key} FROM {table} r WHERE ({known}) IS NOT TRUE").format(key=key, table=table, known=known)
    found.append(_broken(connection, "every row is of a declared entity", query))
    return [each for each in found if each.rows]


def unvalidated(connection: Connection, names: Iterable[str], table: str) -> list[str]:
    """Which of these constraints of `table` are absent, or not validated by the database."""
    rows = connection.execute(
        "SELECT conname FROM pg_constraint WHERE conrelid = to_regclass(%s) AND convalidated", (f"public.{table}",)
    ).fetchall()
    there = {name for (name,) in rows}
    return [name for name in names if name not in there]


def _broken(connection: Connection, rule: str, query: sql.Composed) -> Broken:
    counted = sql.SQL("SELECT count(*), (array_agg(k::text))[1:{shown}] FROM ({query}) q (k)").format(
        shown=sql.Literal(SHOWN), query=query
    )
    rows, keys = connection.execute(counted).fetchone() or (0, None)
    return Broken(rule, rows, tuple(keys or ()))


def _columns(entity: Entity) -> dict[str, str]:
    column = {field.attribute: field.column or field.attribute for field in entity.fields}
    return {column[attribute]: text for attribute, text in entity.when.items()}


def _all(alias: str, values: dict[str, str]) -> sql.Composable:
    tests = [
        sql.SQL("{}.{} = {}").format(sql.Identifier(alias), sql.Identifier(name), sql.Literal(text))
        for name, text in values.items()
    ]
    return sql.SQL("({})").format(sql.SQL(" AND ").join(tests)) if tests else sql.SQL("TRUE")
