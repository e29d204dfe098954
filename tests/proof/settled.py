"""Whether a target is what its export says: by our own verify, and by a count that shares no code with it."""

from __future__ import annotations

from pathlib import Path

from loading import same

from assets.billio.model import SYSTEM
from billio_pipeline.migrate.stage import Stage
from billio_pipeline.settings import Settings
from billio_pipeline.stores.sql import schema
from billio_pipeline.stores.sql.target import Target
from proof import independent
from proof.inputs import Export


def troubles(dsn: str, settings: Settings, stage: Path | str, export: Export, *, finished: bool = True) -> list[str]:
    """Every way in which the target isn't the export; `finished`: indexes and constraints are there as well."""
    failures = independent.count(dsn, export.wanted)
    with Target.open(dsn, settings, connections=2) as target:
        if not same(target, Stage(Path(stage), SYSTEM)):
            failures.append("our own verify finds a difference")
        if finished and (left := schema.status(target, SYSTEM).pending):
            failures.append(f"schema steps left: {[each.step.name for each in left]}")
    return failures + (independent.ledger_failures(dsn, len(export.wanted)) if finished else [])


def counted(dsn: str, export: Export) -> list[str]:
    """The independent half, for a command that has verified for itself."""
    return independent.count(dsn, export.wanted) + independent.ledger_failures(dsn, len(export.wanted))
