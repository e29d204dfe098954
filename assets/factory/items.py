"""The assets of a migration from rows to DynamoDB: a copy of the source → items → tables, loaded."""

import time
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import dagster as dg

from assets.factory.assets import OWNERS
from assets.factory.run import explained, markdown, staged_items
from assets.factory.source import Source
from billio_pipeline import progress
from billio_pipeline.migrate import copied as copies
from billio_pipeline.migrate.load_items import load_live_table, load_table
from billio_pipeline.migrate.prepare_items import prepare_items
from billio_pipeline.migrate.refused import RefusedItem, add_refused_items
from billio_pipeline.model.entity import Entity, RowSystem
from billio_pipeline.model.tables import DynamoTable
from billio_pipeline.settings import Settings
from billio_pipeline.stores.dynamodb import ledger, tables
from billio_pipeline.stores.dynamodb.load import Loaded
from resources.dynamodb import DynamoDBResource
from resources.migration import MigrationResource


def rows_to_items_assets(
    system: RowSystem, source: Source, tags: Mapping[str, str] | None = None, first: Sequence[dg.AssetKey] = ()
) -> list[dg.AssetsDefinition]:
    """All assets of `system`, keyed [system, stage, part]. `first` are assets that must be there, their checks
    passed, before anything of the target is touched."""
    common: dict[str, Any] = {"group_name": system.name, "owners": OWNERS, "tags": dict(tags or {})}
    return [
        _copy(system, source, common),
        _items(system, source, common),
        _schema(system, common, first),
        _loaded(system, common),
    ]


def table_key(table: DynamoTable) -> str:
    """A table's name in asset keys: `AlgoItny-Main` is `main`, `thrivecalc-user-data` is `user_data`."""
    return (table.name.partition("-")[2] or table.name).replace("-", "_").lower()


def _copy(system: RowSystem, source: Source, common: dict[str, Any]) -> dg.AssetsDefinition:
    specs = [
        dg.AssetSpec(
            [system.name, source.stage, part], kinds={"parquet"}, description=f"{source.what} {text}", **common
        )
        for part, text in source.parts.items()
    ]

    @dg.multi_asset(name=f"{system.name}_{source.stage}", specs=specs)
    def copy(context: dg.AssetExecutionContext, migration: MigrationResource) -> Iterator[dg.MaterializeResult]:
        settings, started = Settings.from_env(), time.perf_counter()
        with explained():
            taken = copies.take(
                source.open(migration, settings),
                settings.home,
                system.name,
                context.run.run_id,
                lambda rows: progress.tell("copy", rows),
            )
        seconds = round(time.perf_counter() - started, 3)
        for part in source.parts:
            yield dg.MaterializeResult(
                asset_key=[system.name, source.stage, part],
                metadata={
                    "dagster/row_count": source.rows(taken, part),
                    "path": str(taken.path),
                    "source": taken.uri,
                    "id": taken.id,
                    "bytes": taken.bytes,
                    "seconds": seconds,
                    **{name: str(value) for name, value in taken.about.items()},
                },
            )

    return copy


def _items(system: RowSystem, source: Source, common: dict[str, Any]) -> dg.AssetsDefinition:
    deps = [dg.AssetKey([system.name, source.stage, part]) for part in source.parts]
    specs = [
        dg.AssetSpec(
            [system.name, "items", entity.name],
            deps=deps,
            kinds={"parquet"},
            description=f"Rows of `{entity.table.name}` as {entity.name} items, staged, not loaded.",
            metadata={"dagster/column_lineage": _lineage(system, source, entity)},
            **common,
        )
        for entity in system.entities
    ]
    quarantine = dg.AssetSpec(
        [system.name, "quarantine"],
        deps=deps,
        kinds={"parquet"},
        description="Every row refused, with reason, file, line and original bytes.",
        **common,
    )

    @dg.multi_asset(name=f"{system.name}_items", specs=[*specs, quarantine])
    def items(context: dg.AssetExecutionContext, migration: MigrationResource) -> Iterator[dg.MaterializeResult]:
        settings, started = Settings.from_env(), time.perf_counter()
        with explained():
            taken = copies.find(settings.home, system.name, context.run.run_id)
            read = source.open(migration, settings).read
            stage = prepare_items(
                taken, read, system, settings, context.run.run_id, lambda n: progress.tell("items", n, taken.rows)
            )
        seconds, summary = time.perf_counter() - started, stage.summary
        for entity in system.entities:
            counts = summary["counts"][entity.name]
            yield dg.MaterializeResult(
                asset_key=[system.name, "items", entity.name],
                metadata={
                    "dagster/row_count": counts["accepted"],
                    **counts,
                    "expired": summary["expired"].get(entity.name, 0),
                    "seconds": round(seconds, 3),
                    "items_per_second": round(taken.rows / seconds),
                },
            )
        quarantined = sum(counts["quarantined"] for counts in summary["counts"].values())
        yield dg.MaterializeResult(
            asset_key=[system.name, "quarantine"],
            metadata={
                "dagster/row_count": quarantined,
                "quarantined": quarantined,
                "path": str(stage.quarantine),
                "clock_jump": summary["clock_jump"],
                "stage": str(stage.path),
            },
        )

    return items


def _lineage(system: RowSystem, source: Source, entity: Entity) -> dg.TableColumnLineage:
    part = entity.table.name if entity.table.name in source.parts else next(iter(source.parts))
    table = dg.AssetKey([system.name, source.stage, part])
    by_attribute = {field.attribute: field.column for field in entity.fields}
    columns = {attribute: {column} for attribute, column in by_attribute.items() if column}
    for derived in entity.derived:
        read = [by_attribute.get(name) for name in derived.inputs]
        columns.setdefault(derived.attribute, set()).update(column for column in read if column)
    deps = {
        attribute: [dg.TableColumnDep(asset_key=table, column_name=each) for each in sorted(found)]
        for attribute, found in columns.items()
    }
    return dg.TableColumnLineage(deps)


def _schema(system: RowSystem, common: dict[str, Any], before: Sequence[dg.AssetKey]) -> dg.AssetsDefinition:
    # After the items, not beside them: a source that proves unreadable must leave the target untouched.
    @dg.asset(
        key=[system.name, "schema"],
        deps=[*(dg.AssetKey([system.name, "items", entity.name]) for entity in system.entities), *before],
        kinds={"dynamodb"},
        description="The target's tables with their indexes, capacity, expiry, recovery and encryption; the ledger.",
        **common,
    )
    def dynamodb_tables(dynamodb: DynamoDBResource) -> dg.MaterializeResult:
        with explained():
            client, scaler = dynamodb.client(), dynamodb.scaler()
            missing = [table.name for table in system.tables if tables.live(client, table.name) is None]
            for table in system.tables:
                tables.create(client, dynamodb.fitting(table), scaler)
            ledger.create(client)
        return dg.MaterializeResult(
            metadata={
                "tables": ", ".join(table.name for table in system.tables),
                "created": ", ".join(missing) or "none: all were there",
                "indexes": sum(len(table.indexes) for table in system.tables),
            }
        )

    return dynamodb_tables


def _loaded(system: RowSystem, common: dict[str, Any]) -> dg.AssetsDefinition:
    specs = [
        dg.AssetSpec(
            [system.name, "loaded", table_key(table)],
            deps=[
                [system.name, "schema"],
                *([system.name, "items", entity.name] for entity in system.within(table)),
            ],
            kinds={"dynamodb"},
            skippable=False,
            description=f"Items put into `{table.name}` in batches, each entered in the ledger once it is there.",
            **common,
        )
        for table in system.tables
    ]

    @dg.multi_asset(name=f"{system.name}_loaded", specs=specs, can_subset=True, pool="dynamodb")
    def loaded(
        context: dg.AssetExecutionContext, migration: MigrationResource, dynamodb: DynamoDBResource
    ) -> Iterator[dg.MaterializeResult]:
        with explained():
            stage = staged_items(context, system)
            total = sum(counts["accepted"] for counts in stage.summary["counts"].values())
            done: dict[str, Loaded] = {}
            for table in system.tables:
                if dg.AssetKey([system.name, "loaded", table_key(table)]) in context.selected_asset_keys:
                    put = load_live_table if migration.live else partial(load_table, policy=migration.policy)
                    done[table_key(table)] = put(
                        dynamodb.writer(),
                        stage,
                        table,
                        max_wcu=migration.max_wcu or None,
                        progress=lambda n: progress.tell("load", n, total),
                    )
            add_refused_items(
                stage,
                [RefusedItem(entry.entity, entry.file, refused.item, refused.refusal)
                 for each in done.values() for entry, refused in each.refused],
            )  # fmt: skip
        for name, result in done.items():
            yield dg.MaterializeResult(asset_key=[system.name, "loaded", name], metadata=_loaded_metadata(result))

    return loaded


def _loaded_metadata(result: Loaded) -> dict[str, Any]:
    items = result.items + result.present
    return {
        "dagster/row_count": items,
        "written": result.items,
        "present": result.present,
        "conflicts": result.conflicts,
        "refused": len(result.refused),
        "batches": result.batches,
        "units": result.units,
        "retries": sum(result.retries.values()),
        "retries_by_code": result.retries,
        "clock_jump": result.clock_jump,
        "seconds": round(result.seconds, 3),
        "items_per_second": round(items / result.seconds) if result.seconds else 0,
        "conflicting_keys": markdown(["key"], [[key] for key in result.conflict_keys]),
    }
