"""The two jobs of a migration: migrate (everything), and verify (decode again, and prove the target as it is)."""

from __future__ import annotations

import dagster as dg

from billio_pipeline.model.entity import AnySystem, RowSystem

# The tag of assets that neither job makes: what comes after a migration, materialised on its own.
APART = {"apart": "yes"}


def migrate_job(system: AnySystem) -> dg.UnresolvedAssetJobDefinition:
    """All assets and all checks of the system, those apart aside."""
    selection = _everything(system)
    return dg.define_asset_job(
        f"migrate_{system.name}",
        selection=selection,
        description=f"Load the source into {_target(system)} and prove that every item arrived.",
        executor_def=dg.in_process_executor,
        tags={"system": system.name},
    )


def verify_job(system: AnySystem) -> dg.UnresolvedAssetJobDefinition:
    """The source read anew, and every check; nothing of the target is written."""
    staged = "items" if isinstance(system, RowSystem) else "rows"
    decoded = dg.AssetSelection.assets(
        [system.name, "quarantine"], *([system.name, staged, entity.name] for entity in system.entities)
    ).upstream()
    everything = _everything(system)
    checks = everything - everything.without_checks()
    return dg.define_asset_job(
        f"verify_{system.name}",
        selection=decoded | checks,
        description=f"Prove {_target(system)} against the source without loading anything.",
        executor_def=dg.in_process_executor,
        tags={"system": system.name},
    )


def _everything(system: AnySystem) -> dg.AssetSelection:
    ((name, value),) = APART.items()
    return dg.AssetSelection.groups(system.name) - dg.AssetSelection.tag(name, value)


def _target(system: AnySystem) -> str:
    tables = [table.name for table in system.tables] if isinstance(system, RowSystem) else [system.target.name]
    return ", ".join(f"`{name}`" for name in tables)
