"""The checks of the finished table, asked as their Dagster asset asks them."""

from __future__ import annotations

from assets.billio import checks as billio
from assets.factory import checks as common
from assets.factory.checks import TableCheck
from benchmarks.stages import Stages
from billio_pipeline.migrate.stage import Stage
from billio_pipeline.stores.sql.target import Target
from resources.dynamodb import DynamoDBResource
from resources.migration import MigrationResource

CHECKS: dict[str, TableCheck] = {
    "references_valid": common.references_valid,
    "rules_hold": common.rules_hold,
    "parity": billio.parity_holds,
    "schema_matches": common.schema_matches,
    "series_follow_last_season": billio.series_follow_last_season,
    "category_derivable": billio.category_derivable,
    "shelves_known": billio.shelves_known,
}
# About the data, not the migration: generated items may break them.
_WARN = {"series_follow_last_season", "category_derivable", "shelves_known"}
# The only one that asks the application's own questions: a stage of its own.
_PARITY = "parity"


def failed(target: Target, stage: Stage, export: str, stages: Stages) -> list[str]:
    """Names of the checks that failed, warnings about the data aside."""
    migration, dynamodb = MigrationResource(export=export), DynamoDBResource()
    outcomes = {}
    with stages("other checks"):
        for name, check in CHECKS.items():
            if name != _PARITY:
                outcomes[name] = check(target, stage, migration, dynamodb)[0]
    with stages(_PARITY):
        outcomes[_PARITY] = CHECKS[_PARITY](target, stage, migration, dynamodb)[0]
    return [name for name, passed in outcomes.items() if not passed and name not in _WARN]
