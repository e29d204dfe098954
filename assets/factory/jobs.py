"""The two jobs of a migration: migrate (everything), and verify (decode again, and prove the target as it is)."""

from __future__ import annotations

import dagster as dg

from billio_pipeline.model.entity import System


def migrate_job(system: System) -> dg.UnresolvedAssetJobDefinition:
    """All assets and all checks of the system."""
    selection = dg.AssetSelection.groups(system.name)
    return dg.define_asset_job(
        f"migrate_{system.name}",
        selection=selection,
        description=f"Load an export into `{system.target.name}` and prove that every item arrived.",
        executor_def=dg.in_process_executor,
        tags={"system": system.name},
    )


def verify_job(system: System) -> dg.UnresolvedAssetJobDefinition:
    """The export decoded anew, and every check; nothing of the target is written."""
    decoded = dg.AssetSelection.assets(
        [system.name, "export"],
        [system.name, "quarantine"],
        *([system.name, "rows", entity.name] for entity in system.entities),
    )
    everything = dg.AssetSelection.groups(system.name)
    checks = everything - everything.without_checks()
    return dg.define_asset_job(
        f"verify_{system.name}",
        selection=decoded | checks,
        description=f"Prove `{system.target.name}` against an export without loading anything.",
        executor_def=dg.in_process_executor,
        tags={"system": system.name},
    )
