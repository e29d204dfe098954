"""Billio's assets: DynamoDB export → rows and quarantine → schema and loaded rows → `items`."""

from assets.billio.model import SYSTEM
from assets.factory.assets import export_to_sql_assets

export, rows, schema, loaded, items = export_to_sql_assets(SYSTEM, tags={"system": "billio"})
