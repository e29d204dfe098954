"""A run's verdict: the target read back once and compared with the stage; kept beside it for JSON and report."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import orjson

from billio_pipeline import progress
from billio_pipeline.errors import ConfigurationError
from billio_pipeline.migrate.stage import Stage
from billio_pipeline.model.entity import System
from billio_pipeline.stores.sql.readback import read_table
from billio_pipeline.stores.sql.target import Target
from billio_pipeline.verify.reconcile import Verdict, reconcile, spool
from billio_pipeline.verify.spot import spot_check


def require_table(target: Target, system: System) -> None:
    """Raise ConfigurationError when the target has no table of this system."""
    with target.connection() as connection:
        found = connection.execute("SELECT to_regclass(%s)", (f"public.{system.target.name}",)).fetchone()
    if not found or found[0] is None:
        raise ConfigurationError(
            f"the target {target.name} has no table {system.target.name}",
            remedy="Name the right database with --target, or load it first: billio migrate.",
        )


def judge(stage: Stage, target: Target) -> Verdict:
    """Read the whole target table back and compare it with every staged row. Writes verdict.json into the stage.

    Raises ConfigurationError when the target has no such table.
    """
    system = stage.system
    require_table(target, system)
    back = stage.path / "verdict" / "target.parquet"

    def pages() -> Any:
        for page in read_table(target, system.target.name, system.columns, system.target.key):
            progress.tell("read back", page.num_rows)
            yield page

    rows = spool(pages(), back, system.arrow_schema())
    staged = {entity.name: stage.rows(entity.name) for entity in system.entities}
    verdict = reconcile(system, staged, stage.dropped, back, stage.path / "verdict" / "differences.parquet")
    spots = [
        {**spot, "source": orjson.loads(spot["source"])["Item"]}
        for spot in spot_check(system, staged, stage.dropped, back)
    ]
    back.unlink()
    values = {
        **asdict(verdict),
        "path": str(verdict.path),
        "rows": rows,
        "spot_check": spots,
        "target": target.name,
        "profile": target.profile.name,
    }
    (stage.path / "verdict" / "verdict.json").write_bytes(orjson.dumps(values, default=str))
    return verdict
