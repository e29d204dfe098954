"""Billio's own checks: its access patterns answered alike, and three warnings about its data."""

from __future__ import annotations

from typing import Any

from assets.billio.model import SHELVES, SYSTEM
from assets.billio.oracle import LiveTable
from assets.billio.parity import parity
from assets.billio.store import Store
from assets.factory.checks import SHOWN, Outcome, export_to_sql_checks, parity_outcome
from assets.factory.run import markdown
from billio_pipeline.migrate.stage import Stage
from billio_pipeline.stores.sql.target import Target
from resources.dynamodb import DynamoDBResource
from resources.migration import MigrationResource

SAMPLES = 20

# A series whose rating, shelf or date differ from those of its season of the highest number.
_OUT_OF_STEP = """
    WITH last AS (
        SELECT DISTINCT ON (series_id) series_id, rating, shelf, moved_at
        FROM items WHERE type = 'TvSeason' AND series_id IS NOT NULL
        ORDER BY series_id, (data ->> 'seasonNumber')::numeric DESC, moved_at DESC
    )
    SELECT s.id::text, s.title, concat_ws(', ',
        CASE WHEN s.rating IS DISTINCT FROM last.rating THEN 'rating' END,
        CASE WHEN s.shelf IS DISTINCT FROM last.shelf THEN 'shelf' END,
        CASE WHEN s.moved_at IS DISTINCT FROM last.moved_at THEN 'moved_at' END)
    FROM items s JOIN last ON last.series_id = s.id
    WHERE (s.rating, s.shelf, s.moved_at) IS DISTINCT FROM (last.rating, last.shelf, last.moved_at)
    ORDER BY s.id
"""

# Items that carry a category of their own: it did not follow from the type, so it was kept.
_OWN_CATEGORY = """
    SELECT id::text, type, coalesce(data ->> 'category', data #>> '{$dynamodb,was,category}', 'absent')
    FROM items WHERE data ? 'category' OR (data #> '{$dynamodb,was}') ? 'category'
    ORDER BY id
"""

_SHELVES = "SELECT type, shelf, count(*) FROM items GROUP BY type, shelf ORDER BY type, shelf"


def parity_holds(target: Target, stage: Stage, migration: MigrationResource, dynamodb: DynamoDBResource) -> Outcome:
    live = LiveTable(dynamodb.client(), migration.parity_table) if migration.parity_table else None
    staged = [str(path) for entity in SYSTEM.entities for path in stage.rows(entity.name)]
    if not staged:
        return True, {"questions": 0, "different": 0}
    passed, told = parity_outcome(parity(Store(target), staged, str(stage.dropped), samples=SAMPLES, live=live))
    return passed, {**told, "asked": migration.parity_table or "the export's items"}


def series_follow_last_season(target: Target, *_: object) -> Outcome:
    rows = _ask(target, _OUT_OF_STEP)
    return not rows, {"series": len(rows), "examples": markdown(["id", "title", "differ in"], rows[:SHOWN])}


def category_derivable(target: Target, *_: object) -> Outcome:
    rows = _ask(target, _OWN_CATEGORY)
    return not rows, {"items": len(rows), "examples": markdown(["id", "type", "category"], rows[:SHOWN])}


def shelves_known(target: Target, *_: object) -> Outcome:
    rows = _ask(target, _SHELVES)
    unknown = [row for row in rows if row[1] not in SHELVES.get(row[0], ())]
    return not unknown, {
        "items": sum(row[2] for row in unknown),
        "unknown": markdown(["type", "shelf", "items"], unknown),
    }


def _ask(target: Target, query: str) -> list[list[Any]]:
    with target.connection() as connection:
        return [list(row) for row in connection.execute(query.encode()).fetchall()]


rows_checks, loaded_checks, items_checks = export_to_sql_checks(
    SYSTEM,
    errors={"parity": parity_holds},
    warnings={
        "series_follow_last_season": series_follow_last_season,
        "category_derivable": category_derivable,
        "shelves_known": shelves_known,
    },
)
