"""The assets of a migration from a DynamoDB export to a SQL table: export → rows → schema, loaded → the table."""

import time
from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg
import pyarrow.parquet as pq

from assets.factory.checks import check_spec
from assets.factory.lineage import column_lineage
from assets.factory.run import explained, markdown, refuse, schema_metadata, stage_of
from billio_pipeline import progress
from billio_pipeline.errors import ExportError
from billio_pipeline.migrate.batch import batches
from billio_pipeline.migrate.ledger import committed
from billio_pipeline.migrate.load import Loaded, Loader
from billio_pipeline.migrate.prepare import prepare
from billio_pipeline.migrate.refused import add_refused
from billio_pipeline.migrate.stage import UNKNOWN
from billio_pipeline.model.entity import System
from billio_pipeline.settings import Settings
from billio_pipeline.stores.sql import schema
from resources.migration import MigrationResource
from resources.sql import SqlTargetResource

OWNERS = ["team:data-engineering"]


def export_to_sql_assets(system: System, tags: Mapping[str, str] | None = None) -> list[dg.AssetsDefinition]:
    """All assets of `system`, keyed [system, stage, entity]."""
    common: dict[str, Any] = {"group_name": system.name, "owners": OWNERS, "tags": dict(tags or {})}
    return [
        _export(system, common),
        _rows(system, common),
        _schema(system, common),
        _loaded(system, common),
        _table(system, common),
    ]


def _export(system: System, common: dict[str, Any]) -> dg.AssetsDefinition:
    key = dg.AssetKey([system.name, "export"])

    @dg.asset(
        key=key,
        kinds={"dynamodb", "s3"},
        description=f"The export of DynamoDB table `{system.source.name}`: its manifest, complete and consistent.",
        check_specs=[check_spec("manifest_complete", key, blocking=True)],
        **common,
    )
    def export(context: dg.AssetExecutionContext, migration: MigrationResource) -> Iterator[Any]:
        with explained():
            try:
                source = migration.open(system)
            except ExportError as error:
                found = {name: str(value) for name, value in error.details.items()}
                yield dg.AssetCheckResult(
                    check_name="manifest_complete", passed=False, metadata={**found, "why": error.message}
                )
                refuse(error)
        about = {name: value for name, value in source.about.items() if value is not None}
        numbers = {"items": source.items or 0, "files": len(source.files), "bytes": source.bytes}
        yield dg.AssetCheckResult(
            check_name="manifest_complete", passed=True, metadata={**numbers, "kind": source.kind}
        )
        yield dg.MaterializeResult(metadata={"path": source.uri, "export_id": source.id, **numbers, **about})

    return export


def _rows(system: System, common: dict[str, Any]) -> dg.AssetsDefinition:
    deps = [dg.AssetKey([system.name, "export"])]
    specs = [
        dg.AssetSpec(
            [system.name, "rows", entity.name],
            deps=deps,
            kinds={"parquet"},
            description=f"{entity.name} items decoded to rows of `{system.target.name}`, staged, not loaded.",
            metadata={"dagster/column_lineage": column_lineage(system, entity)},
            group_name=system.name,
            owners=OWNERS,
            tags=common["tags"],
        )
        for entity in system.entities
    ]
    quarantine = dg.AssetSpec(
        [system.name, "quarantine"],
        deps=deps,
        kinds={"parquet"},
        description="Every item refused, with reason, file, line and original bytes.",
        group_name=system.name,
        owners=OWNERS,
        tags=common["tags"],
    )

    @dg.multi_asset(name=f"{system.name}_rows", specs=[*specs, quarantine])
    def rows(context: dg.AssetExecutionContext, migration: MigrationResource) -> Iterator[dg.MaterializeResult]:
        started = time.perf_counter()
        with explained():
            source = migration.open(system)
            total = source.items
            stage = prepare(
                source, system, Settings.from_env(), context.run.run_id, lambda n: progress.tell("decode", n, total)
            )
        seconds = time.perf_counter() - started
        summary = stage.summary
        for entity in system.entities:
            counts = summary["counts"][entity.name]
            yield dg.MaterializeResult(
                asset_key=[system.name, "rows", entity.name],
                metadata={
                    "dagster/row_count": counts["accepted"],
                    **counts,
                    "seconds": seconds,
                    "items_per_second": round(summary["export"]["items"] / seconds),
                    "dagster/column_schema": schema_metadata(system),
                    "preview": _preview(stage.rows(entity.name)),
                },
            )
        quarantined = sum(counts["quarantined"] for counts in summary["counts"].values())
        yield dg.MaterializeResult(
            asset_key=[system.name, "quarantine"],
            metadata={
                "dagster/row_count": quarantined,
                "quarantined": quarantined,
                "unknown": summary["counts"].get(UNKNOWN, {}).get("source", 0),
                "path": str(stage.quarantine),
                "clock_jump": summary["clock_jump"],
                "stage": str(stage.path),
            },
        )

    return rows


def _preview(paths: list[Any]) -> dg.MarkdownMetadataValue:
    """A few rows, for a person to recognise."""
    if not paths:
        return dg.MetadataValue.md("no rows")
    with pq.ParquetFile(paths[0]) as file:
        first = next(file.iter_batches(batch_size=5))
    names = [name for name in first.schema.names if not name.startswith("_")]
    return dg.MetadataValue.md(first.select(names).to_pandas().to_markdown(index=False))


def _schema(system: System, common: dict[str, Any]) -> dg.AssetsDefinition:
    # After the rows, not beside them: an export that proves damaged must leave the target untouched, schema included.
    deps = [dg.AssetKey([system.name, "rows", entity.name]) for entity in system.entities]

    @dg.asset(
        key=[system.name, "schema"],
        deps=deps,
        kinds={"postgres"},
        description=f"The target's tables: `{system.target.name}`, ledger, migrations; indexes come after the load.",
        **common,
    )
    def schema_tables(target: SqlTargetResource) -> dg.MaterializeResult:
        with explained(), target.open() as opened:
            results = schema.up(opened, system, phase="tables")
            profile = opened.profile
        applied = [result.step.name for result in results if result.outcome == "applied"]
        return dg.MaterializeResult(
            metadata={
                "profile": profile.name,
                "profile_as_of": str(profile.as_of),
                "applied": len(applied),
                "statements": "\n".join(applied) or "none: all were there",
                "dagster/column_schema": schema_metadata(system),
            }
        )

    return schema_tables


def _loaded(system: System, common: dict[str, Any]) -> dg.AssetsDefinition:
    specs = [
        dg.AssetSpec(
            [system.name, "loaded", entity.name],
            deps=[[system.name, "rows", entity.name], [system.name, "schema"]],
            kinds={"postgres"},
            skippable=False,
            description=f"{entity.name} rows committed to `{system.target.name}` in batches, each with its ledger row.",
            group_name=system.name,
            owners=OWNERS,
            tags=common["tags"],
        )
        for entity in system.entities
    ]

    @dg.multi_asset(name=f"{system.name}_loaded", specs=specs, can_subset=True, pool="dsql")
    def loaded(
        context: dg.AssetExecutionContext, migration: MigrationResource, target: SqlTargetResource
    ) -> Iterator[dg.MaterializeResult]:
        with explained():
            stage = stage_of(context, system, migration)
            export_id = stage.summary["export"]["id"]
            total = sum(counts["accepted"] for counts in stage.summary["counts"].values())
            done: list[Loaded] = []
            settings = Settings.from_env()
            with target.open() as opened:
                for entity in system.entities:
                    if dg.AssetKey([system.name, "loaded", entity.name]) not in context.selected_asset_keys:
                        continue
                    loader = Loader(opened, system, entity.name, migration.policy)
                    result = loader.run(
                        batches(stage, entity.name, export_id),
                        committed(opened, export_id, entity.name),
                        loaders=settings.loaders,
                        progress=lambda n: progress.tell("load", n, total),
                    )
                    done.append(result)
            add_refused(stage, done)
        for result in done:
            yield dg.MaterializeResult(
                asset_key=[system.name, "loaded", result.entity], metadata=_loaded_metadata(system, result)
            )

    return loaded


def _loaded_metadata(system: System, result: Loaded) -> dict[str, Any]:
    rows = result.rows + result.present
    return {
        "dagster/row_count": rows,
        "written": result.rows,
        "present": result.present,
        "replaced": result.replaced,
        "conflicts": result.conflicts,
        "refused": sum(batch.rows.num_rows for batch, _ in result.refused),
        "batches": result.batches,
        "retries": sum(result.retries.values()),
        "retries_by_code": result.retries,
        "clock_jump": result.clock_jump,
        "bytes": result.bytes,
        "seconds": round(result.seconds, 3),
        "rows_per_second": round(rows / result.seconds) if result.seconds else 0,
        "conflicting_keys": markdown([system.target.key], [[key] for key in result.conflict_keys]),
    }


def _table(system: System, common: dict[str, Any]) -> dg.AssetsDefinition:
    @dg.asset(
        key=[system.name, system.target.name],
        deps=[dg.AssetKey([system.name, "loaded", entity.name]) for entity in system.entities],
        kinds={"postgres"},
        description=f"`{system.target.name}`, finished: foreign keys and checks validated, indexes built.",
        **common,
    )
    def table(target: SqlTargetResource) -> dg.MaterializeResult:
        with explained(), target.open() as opened:
            results = schema.up(
                opened, system, phase="finish", progress=lambda result: progress.tell("finish", 1, None)
            )
        return dg.MaterializeResult(
            metadata={
                "applied": sum(result.outcome == "applied" for result in results),
                "failed": sum(not result.ok for result in results),
                "steps": markdown(
                    ["step", "outcome", "seconds", "message"],
                    [[r.step.name, r.outcome, round(r.seconds, 3), r.message] for r in results],
                ),
                "dagster/column_schema": schema_metadata(system),
            }
        )

    return table
