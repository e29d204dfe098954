"""Billio's declaration: the DynamoDB single table, the SQL table `items`, and the five entities between them.

Source of the rules: the Billio data stack and data package (item side), the later seed document (row side).
"""

from billio_pipeline.model.entity import Entity, System
from billio_pipeline.model.tables import Check, DynamoTable, Gsi, Reference, SqlIndex, SqlTable
from billio_pipeline.model.types import EpochMs, Integer, Iso8601, Text, Uuid
from billio_pipeline.model.words import Derived, Field, Rest, Rewrite, Rule, fields

TABLE = DynamoTable(
    "billio",
    partition=("type:id", "S"),
    indexes=(
        Gsi("type", ("type", "S"), ("movedAt", "N")),
        Gsi("type-addedAt", ("type", "S"), ("addedAt", "N")),
        Gsi("category", ("category", "S"), ("movedAt", "N")),
        Gsi("shelf", ("type:shelf", "S"), ("movedAt", "N")),
        Gsi("shelf-addedAt", ("type:shelf", "S"), ("addedAt", "N")),
        Gsi("externalId", ("externalId", "S"), ("movedAt", "N")),
        Gsi("title", ("type", "S"), ("title", "S")),
        Gsi("seriesId", ("seriesId", "S"), ("seasonNumber", "N")),
    ),
)

ITEMS = SqlTable(
    "items",
    key="id",
    indexes=(
        SqlIndex("idx_type_moved", ("type", "moved_at DESC")),
        SqlIndex("idx_type_added", ("type", "added_at DESC")),
        SqlIndex("idx_type_shelf_moved", ("type", "shelf", "moved_at DESC")),
        SqlIndex("idx_type_shelf_added", ("type", "shelf", "added_at DESC")),
        SqlIndex("idx_type_title", ("type", "title")),
        SqlIndex("idx_external_id", ("external_id",), where="external_id IS NOT NULL"),
        SqlIndex("idx_series_id", ("series_id", "moved_at DESC"), where="series_id IS NOT NULL"),
        SqlIndex("idx_type_rating", ("type", "rating DESC NULLS LAST")),
        SqlIndex("idx_type_shelf_rating", ("type", "shelf", "rating DESC NULLS LAST")),
    ),
    checks=(Check("chk_series_id", "series_id IS NULL OR type = 'TvSeason'"),),
    references=(Reference("items_series_id_fkey", "series_id", "items"),),
)

COMMON = fields(
    Field("id", Uuid()),
    Field("type", Text(50)),
    Field("shelf", Text(50)),
    Field("title", Text(500)),
    Field("rating", Integer(1, 10), optional=True),
    Field("image.url", Text(), row="image_url", optional=True),
    Field("image.width", Integer(), row="image_width", optional=True),
    Field("image.height", Integer(), row="image_height", optional=True),
    Field("externalId", Text(255), row="external_id", optional=True),
    Field("notes", Text(), optional=True),
    Field("addedAt", EpochMs(), row="added_at", default="now()"),
    Field("movedAt", EpochMs(), row="moved_at", default="now()"),
    Field("seriesId", Uuid(), row="series_id", optional=True),
    Rewrite("addedAt", Iso8601() >> EpochMs(), was="data"),
    Rewrite("movedAt", Iso8601() >> EpochMs(), was="data"),
    Rest("data"),
    Derived("type:id", "{type}:{id}"),
    Derived("type:shelf", "{type}:{shelf}"),
)
WATCHING = fields(Derived("category", "Watching"))
NO_SERIES = (Rule.absent("series_id"),)

BOOK = Entity("Book", ITEMS, {"type": "Book"}, COMMON + fields(Field("author", Text(), inside="data")), NO_SERIES)
VIDEO_GAME = Entity("VideoGame", ITEMS, {"type": "VideoGame"}, COMMON, NO_SERIES)
FEATURE = Entity(
    "Feature",
    ITEMS,
    {"type": "Feature"},
    COMMON + WATCHING + fields(Rewrite("type", {"Movie": "Feature"}, was="data")),
    NO_SERIES,
)
TV_SERIES = Entity("TvSeries", ITEMS, {"type": "TvSeries"}, COMMON + WATCHING, NO_SERIES)
TV_SEASON = Entity(
    "TvSeason",
    ITEMS,
    {"type": "TvSeason"},
    COMMON + fields(Field("seasonNumber", Integer(), inside="data")),
    rules=(Rule.refers("series_id", ITEMS, {"type": "TvSeries"}),),
)

SYSTEM = System("billio", TABLE, ITEMS, (BOOK, VIDEO_GAME, FEATURE, TV_SERIES, TV_SEASON))

# Per type, the shelves the application knows; another shelf loads, and is named by a warning.
SHELVES = {
    "Book": ("Reading", "Read", "DidNotFinish"),
    "VideoGame": ("Playing", "Played", "Completed", "GaveUp", "Paused"),
    "Feature": ("Watched",),
    "TvSeries": ("Watching", "FinishedSeason", "MidSeasonBreak", "GaveUp", "Finished"),
    "TvSeason": ("Watching", "FinishedSeason", "MidSeasonBreak", "GaveUp"),
}
