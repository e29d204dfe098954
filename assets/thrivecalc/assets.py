"""ThriveCalc's assets: a copy of the records → items and quarantine → the table, loaded."""

from assets.factory.items import rows_to_items_assets
from assets.factory.source import Source
from assets.thrivecalc.model import SYSTEM
from assets.thrivecalc.renamed import open_renamed
from billio_pipeline.migrate.copied import Copied


def _objects(copied: Copied, _: str) -> int:
    return copied.rows


SOURCE = Source(
    open_renamed,
    stage="records",
    what="The tree of JSON records, copied byte for byte:",
    parts={"listing": "every object below `users/`"},
    rows=_objects,
)

records, items, schema, loaded = rows_to_items_assets(SYSTEM, SOURCE, tags={"system": SYSTEM.name})
