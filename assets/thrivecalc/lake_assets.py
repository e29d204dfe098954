"""ThriveCalc's analytics export as assets: the table's items as Parquet, and the Iceberg table made of them.

Apart from the migration and its proof: materialised on their own, once the table is loaded, as often as wanted.
"""

from pathlib import Path
from typing import Any

import dagster as dg

from assets.factory.assets import OWNERS
from assets.factory.checks import check_spec
from assets.factory.items import table_key
from assets.factory.jobs import APART
from assets.factory.run import explained
from assets.thrivecalc.exported import export_table, publish
from assets.thrivecalc.lake import USER_DATA, read_lake
from assets.thrivecalc.model import SYSTEM
from billio_pipeline.settings import Settings
from billio_pipeline.stores.objects import ObjectStore, open_store
from billio_pipeline.stores.objects.parquet import stored_rows
from resources.dynamodb import DynamoDBResource

_EXPORT, _LAKE = dg.AssetKey([SYSTEM.name, "export"]), dg.AssetKey([SYSTEM.name, "lake", USER_DATA])
_COMMON: dict[str, Any] = {"group_name": SYSTEM.name, "owners": OWNERS, "tags": {"system": SYSTEM.name, **APART}}


class LakeConfig(dg.Config):
    """Where the lake is."""

    location: str = ""  # folder or s3:// URI; empty: lake/thrivecalc below BILLIO_HOME


@dg.asset(
    key=_EXPORT,
    deps=[[SYSTEM.name, "loaded", table_key(table)] for table in SYSTEM.tables],
    kinds={"parquet"},
    check_specs=[check_spec("exported", _EXPORT)],
    description="All items as Parquet, a new version that replaces the one before it; amounts as DECIMAL.",
    **_COMMON,
)
def export(config: LakeConfig, dynamodb: DynamoDBResource) -> dg.MaterializeResult:
    with explained():
        store = _store(config)
        lake, read = export_table(dynamodb.client(), SYSTEM, store)
        rows = stored_rows(store, lake.files[USER_DATA])
    metadata: dict[str, Any] = {
        "dagster/row_count": rows,
        "path": f"{store.uri}/{lake.files[USER_DATA]}",
        "version": lake.version,
    }
    return dg.MaterializeResult(metadata=metadata | lake.left_out, check_results=[_exported(read, rows)])


@dg.asset(
    key=_LAKE,
    deps=[_EXPORT],
    kinds={"iceberg"},
    check_specs=[check_spec("exported", _LAKE)],
    description="The newest export as Iceberg tables, which Athena and DuckDB query.",
    **_COMMON,
)
def lake_table(config: LakeConfig) -> dg.MaterializeResult:
    with explained():
        store = _store(config)
        lake = read_lake(store)
        snapshots, rows = publish(store, lake, Settings.from_env())
    metadata: dict[str, Any] = {
        "dagster/row_count": rows,
        "version": lake.version,
        "snapshot": str(snapshots[USER_DATA]),
    }
    return dg.MaterializeResult(metadata=metadata, check_results=[_exported(lake.rows[USER_DATA], rows)])


def _store(config: LakeConfig) -> ObjectStore:
    settings = Settings.from_env()
    location = config.location or str(settings.home / "lake" / SYSTEM.name)
    if "://" not in location:
        Path(location).mkdir(parents=True, exist_ok=True)
    return open_store(location, settings)


def _exported(read: int, rows: int) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name="exported",
        passed=read == rows,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"read": read, "rows": rows},
    )
