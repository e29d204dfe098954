"""Rows of a source, from fixtures and generators, as the item codec takes them; and stages of such rows."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from assets.algoitny.source import JsonText, fixture_rows, json_text
from billio_pipeline.migrate.copied import Copied, SourceFile, SourceRow
from billio_pipeline.migrate.prepare_items import prepare_items
from billio_pipeline.migrate.stage import ItemStage
from billio_pipeline.model.canonical import jsonb_text, parse_jsonb
from billio_pipeline.model.entity import Entity, RowSystem
from billio_pipeline.model.scalars import Json
from billio_pipeline.settings import Settings

FIXTURES = Path(__file__).parent / "fixtures"
RELATIONAL = fixture_rows(FIXTURES / "algoitny_relational.json")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Row = dict[str, Any]


def micros(time: str | datetime) -> int:
    moment = datetime.fromisoformat(time) if isinstance(time, str) else time
    return (moment - EPOCH) // timedelta(microseconds=1)


def source_row(entity: Entity, row: Mapping[str, Any]) -> Row:
    """A fixture's or generator's row with the codec's values: documents as canonical text, times as µs since 1970."""
    found: Row = {}
    for column in entity.columns:
        value = row[column.name]
        if value == "infinity":
            value = 2**63 - 1
        elif column.sql == "timestamptz" and value is not None:
            value = micros(value)
        elif isinstance(column.type, Json) and value is not None:
            value = jsonb_text(parse_jsonb(str(value) if isinstance(value, JsonText) else json_text(value)))
        found[column.name] = value
    return found


def joined(entity: Entity, row: Row, tables: Mapping[str, Sequence[Mapping[str, Any]]]) -> Row:
    """The row with the columns of the rows that its lookups name, None where there is none."""
    for lookup in entity.lookups:
        other = lookup.entity
        found = next((each for each in tables[other.table.name] if each[other.table.key] == row[lookup.by]), None)
        looked = source_row(other, found) if found else {column.name: None for column in other.columns}
        row = row | {f"{lookup.name}.{name}": value for name, value in looked.items()}
    return row


def fixture(entity: Entity, number: int, /, **changes: Any) -> Row:
    """The fixture's row of this id, with its lookups, then changed."""
    (found,) = [row for row in RELATIONAL[entity.table.name] if row["id"] == number]
    return joined(entity, source_row(entity, found | changes), RELATIONAL)


def staged_rows(
    settings: Settings, system: RowSystem, rows: Mapping[str, Sequence[Row]], *, as_of: int = 0, run: str = "run"
) -> ItemStage:
    """The complete stage of these rows by entity, as the codec takes them; originals are `row <line>`."""
    read: Callable[..., Iterator[SourceRow]] = lambda _, file, entity: (  # noqa: E731
        SourceRow(line, row, b"row %d" % line) for line, row in enumerate(rows[entity.name], 1)
    )
    files = tuple(SourceFile(f"{name}.parquet", name, len(held), 1) for name, held in rows.items())
    copied = Copied(settings.home, secrets.token_hex(6), "rows", "a test", as_of, files, {})
    return prepare_items(copied, read, system, settings, run, lambda rows: None)
