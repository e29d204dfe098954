"""What a run will need, reached before it starts: its source and its target, as the environment of the run."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import urlsplit

from billio_pipeline.errors import ConfigurationError
from billio_pipeline.model.entity import AnySystem, RowSystem, System
from billio_pipeline.settings import Settings, dsn_variable


def reach(system: AnySystem, settings: Settings, target: str | None, asked: dict[str, str]) -> dict[str, str]:
    """The variables the run is given, every address tried. By environment, for a run's configuration is recorded.

    Raises InputError or ConfigurationError when the source or the target can't be reached.
    """
    if isinstance(system, RowSystem):
        return _items(system, settings, target, asked)
    return _rows(system, settings, target, asked)


def _rows(system: System, settings: Settings, target: str | None, asked: dict[str, str]) -> dict[str, str]:
    from billio_pipeline.local.resolve import resolve_target
    from billio_pipeline.stores.objects import open_store
    from billio_pipeline.stores.sql.target import Target

    if not asked.get("export"):
        raise ConfigurationError(f"{system.name} is migrated from an export", remedy="Name it with --export.")
    open_store(asked["export"], settings).check()
    if asked.get("parity_table"):
        _parity_table(system, asked["parity_table"], settings)
    dsn = resolve_target(settings, target)
    Target.open(dsn, settings, connections=1).close()
    return {"BILLIO_POSTGRES_DSN": dsn}


def _items(system: RowSystem, settings: Settings, target: str | None, asked: dict[str, str]) -> dict[str, str]:
    from billio_pipeline.local.resolve import resolve_dynamodb
    from billio_pipeline.stores.dynamodb.client import dynamodb_client
    from billio_pipeline.stores.objects.aws import explained

    if asked.get("parity_table"):
        raise ConfigurationError(f"{system.name} has no parity table", remedy="Leave --parity-table out.")
    check_endpoint(system, target)
    found = reach_source(system, settings, asked.get("export", ""))
    endpoint = target or resolve_dynamodb(settings)
    with explained(f"the DynamoDB API at {endpoint}"):
        dynamodb_client(replace(settings, dynamodb_endpoint=endpoint)).list_tables(Limit=1)
    return {**found, "BILLIO_DYNAMODB_ENDPOINT": endpoint}


def check_endpoint(system: RowSystem, target: str | None) -> None:
    """Raise ConfigurationError for a target that is no endpoint."""
    if target is not None and urlsplit(target).scheme not in ("http", "https"):
        raise ConfigurationError(
            f"{system.name} is migrated into DynamoDB, not into a database",
            remedy="Give --target an endpoint, such as https://dynamodb.us-east-1.amazonaws.com, or leave it out.",
        )


def reach_source(system: RowSystem, settings: Settings, export: str) -> dict[str, str]:
    """The variables that name the source, its database tried."""
    from billio_pipeline.local.resolve import resolve_database
    from billio_pipeline.stores.sql.target import Target

    if system.kinds[0] != "postgres":
        return {}
    variable = dsn_variable(system.name)
    if export:
        raise ConfigurationError(
            f"{system.name} is migrated from its database, not from files",
            remedy=f"Leave --export out, and set {variable} to the database.",
        )
    dsn = resolve_database(settings, system.name)
    Target.open(dsn, settings, connections=1).close()
    return {variable: dsn}


def _parity_table(system: System, table: str, settings: Settings) -> None:
    """Refuse a live table that can't answer the system's questions."""
    from billio_pipeline.stores.dynamodb.client import dynamodb_client
    from billio_pipeline.stores.objects.aws import explained

    with explained(f"the DynamoDB table {table}"):
        found = dynamodb_client(settings).describe_table(TableName=table)["Table"]
    indexes = {index["IndexName"] for index in found.get("GlobalSecondaryIndexes", ())}
    if lacking := [index.name for index in system.source.indexes if index.name not in indexes]:
        raise ConfigurationError(
            f"the table {table} lacks the indexes {', '.join(lacking)}",
            remedy="Name the live table with --parity-table.",
        )
