"""ThriveCalc's table as it leaves for analytics: exported as Parquet, and published as Iceberg tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson

from assets.thrivecalc.lake import USER_DATA, Lake, export_lake, local_catalog, publish_iceberg
from assets.thrivecalc.places import Places
from assets.thrivecalc.records import iceberg_properties, pyiceberg
from billio_pipeline import progress
from billio_pipeline.errors import ConfigurationError
from billio_pipeline.model.entity import RowSystem
from billio_pipeline.settings import Settings
from billio_pipeline.stores.dynamodb.read_back import read_back
from billio_pipeline.stores.objects import ObjectStore


def export_table(client: Any, system: RowSystem, store: ObjectStore) -> tuple[Lake, int]:
    """Read the table and write it as one version of the lake; and how many items were read."""
    read = 0

    def items() -> Iterator[Mapping[str, Any]]:
        nonlocal read
        for table in system.tables:
            for page in read_back(client, table.name):
                for line in page:
                    yield orjson.loads(line)["Item"]
                read += len(page)
                progress.tell("read the table", len(page))

    return export_lake(items(), store), read


def publish(store: ObjectStore, lake: Lake, settings: Settings) -> tuple[dict[str, int], int]:
    """Make the lake's files those of Iceberg tables; their snapshots by table, and the rows `user_data` now has.

    In S3 the catalog is PyIceberg's default one, beside a local lake one of its own. Raises ConfigurationError when
    there is none.
    """
    pyiceberg()
    catalog = _catalog(settings) if store.bucket else local_catalog(Path(store.uri) / "catalog")
    namespace = Places.from_env().lake_database
    snapshots = publish_iceberg(store, lake, catalog, namespace)
    return snapshots, catalog.load_table((namespace, USER_DATA)).scan().count()


def _catalog(settings: Settings) -> Any:
    from pyiceberg.catalog import load_catalog
    from pyiceberg.exceptions import NotInstalledError

    try:
        return load_catalog(None, **iceberg_properties(settings))
    except (ValueError, NotInstalledError) as error:
        raise ConfigurationError(
            f"PyIceberg has no catalog: {error}",
            remedy="Configure its default one, for Athena with PYICEBERG_CATALOG__DEFAULT__TYPE=glue.",
        ) from error
