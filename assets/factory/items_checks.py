"""The checks of a migration from rows to DynamoDB, one definition per stage; each says what it proves and can't see."""

import time
from collections.abc import Iterator

import dagster as dg

from assets.factory.checks import check_spec, quarantine_empty, reversed_results
from assets.factory.items import table_key
from assets.factory.items_questions import asked
from assets.factory.items_verdict import judge_items, require_tables, staged_paths
from assets.factory.run import explained, staged_items
from billio_pipeline import progress
from billio_pipeline.model.entity import RowSystem
from billio_pipeline.verify.survey import survey
from resources.dynamodb import DynamoDBResource
from resources.migration import MigrationResource

_BLOCKING = ("count", "keys", "rows_equal", "gsi_members")
_WARNING = ("ttl_plausible", "item_sizes", "hottest_key", "schema_matches")


def rows_to_items_checks(system: RowSystem) -> list[dg.AssetChecksDefinition]:
    """All checks of `system`."""
    return [_items(system), _loaded(system)]


def _items(system: RowSystem) -> dg.AssetChecksDefinition:
    keys = {entity.name: dg.AssetKey([system.name, "items", entity.name]) for entity in system.entities}
    quarantine = dg.AssetKey([system.name, "quarantine"])
    specs = [check_spec("reversible", key, blocking=True) for key in keys.values()]

    @dg.multi_asset_check(
        name=f"{system.name}_items_checks", specs=[*specs, check_spec("quarantine_empty", quarantine)], can_subset=True
    )
    def items_checks(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        with explained():
            stage = staged_items(context, system)
        selected = context.selected_asset_check_keys
        yield from reversed_results(stage, keys, selected)
        if dg.AssetCheckKey(quarantine, "quarantine_empty") in selected:
            yield quarantine_empty(stage, quarantine)

    return items_checks


def _loaded(system: RowSystem) -> dg.AssetChecksDefinition:
    keys = {table.name: dg.AssetKey([system.name, "loaded", table_key(table)]) for table in system.tables}
    items = [dg.AssetKey([system.name, "items", entity.name]) for entity in system.entities]
    specs = [
        check_spec(name, key, blocking=name in _BLOCKING, against=items)
        for key in keys.values()
        for name in (*_BLOCKING, *_WARNING)
    ]

    @dg.multi_asset_check(name=f"{system.name}_loaded_checks", specs=specs, can_subset=True)
    def loaded_checks(
        context: dg.AssetCheckExecutionContext, migration: MigrationResource, dynamodb: DynamoDBResource
    ) -> Iterator[dg.AssetCheckResult]:
        with explained():
            stage, client = staged_items(context, system), dynamodb.client()
            require_tables(client, system)
            verdict = judge_items(stage, client)
            surveyed = stage.path / "verdict" / "survey.parquet"
            survey(system.tables, staged_paths(stage), surveyed)
        selected = context.selected_asset_check_keys
        for table in system.tables:
            for name, ask in asked(stage, table, verdict, surveyed, dynamodb).items():
                if dg.AssetCheckKey(keys[table.name], name) not in selected:
                    continue
                started = time.perf_counter()
                with explained():
                    passed, metadata = ask()
                progress.tell("checks", 1, len(selected))
                yield dg.AssetCheckResult(
                    asset_key=keys[table.name],
                    check_name=name,
                    passed=passed,
                    severity=dg.AssetCheckSeverity.WARN if name in _WARNING else dg.AssetCheckSeverity.ERROR,
                    metadata={**metadata, "seconds": round(time.perf_counter() - started, 3)},
                )

    return loaded_checks
