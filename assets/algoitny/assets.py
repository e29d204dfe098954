"""AlgoItny's assets: a snapshot of the Django tables → items and quarantine → tables, loaded."""

import dagster as dg

from assets.algoitny.model import SYSTEM
from assets.factory.items import rows_to_items_assets
from assets.factory.source import sql_source

SOURCE = sql_source(SYSTEM)

snapshot, items, schema, loaded = rows_to_items_assets(
    SYSTEM, SOURCE, tags={"system": SYSTEM.name}, first=[dg.AssetKey([SYSTEM.name, "archive", "usage"])]
)
