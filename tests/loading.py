"""A target as a run would fill it: its tables made, a stage loaded into it, and both compared by our own verify."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from assets.billio.model import SYSTEM
from billio_pipeline.migrate import ledger
from billio_pipeline.migrate.batch import Batch, batches
from billio_pipeline.migrate.load import Loaded, Loader, Policy
from billio_pipeline.migrate.stage import Stage
from billio_pipeline.settings import Settings
from billio_pipeline.stores.sql import schema
from billio_pipeline.stores.sql.readback import read_table
from billio_pipeline.stores.sql.target import Target
from billio_pipeline.verify.reconcile import Verdict, reconcile, spool


@contextmanager
def opened(dsn: str, settings: Settings) -> Iterator[Target]:
    """The target with its tables, as the load finds it: indexes and constraints come afterwards."""
    with Target.open(dsn, settings) as target:
        schema.up(target, SYSTEM, phase="tables")
        yield target


def all_batches(stage: Stage, entity: str) -> list[Batch]:
    return list(batches(stage, entity, stage.summary["export"]["id"]))


def load(
    target: Target,
    stage: Stage,
    policy: Policy = "insert",
    *,
    loaders: int = 4,
    listed: bool = True,
    progress: Callable[[int], None] | None = None,
) -> dict[str, Loaded]:
    """Load every entity of the stage; what was done, by entity. Not `listed`: as if the ledger had not been asked."""
    export_id = stage.summary["export"]["id"]
    done = {}
    for entity in SYSTEM.entities:
        committed = ledger.committed(target, export_id, entity.name) if listed else set()
        loader = Loader(target, SYSTEM, entity.name, policy)
        done[entity.name] = loader.run(
            batches(stage, entity.name, export_id), committed, loaders=loaders, progress=progress
        )
    return done


def total(done: dict[str, Loaded], what: str) -> int:
    return sum(getattr(each, what) for each in done.values())


def verdict(target: Target, stage: Stage) -> Verdict:
    """Every staged row against every row of the table."""
    spooled = stage.path / "target.parquet"
    spool(read_table(target, SYSTEM.target.name, SYSTEM.columns, SYSTEM.target.key), spooled, SYSTEM.arrow_schema())
    paths = {entity.name: stage.rows(entity.name) for entity in SYSTEM.entities}
    return reconcile(SYSTEM, paths, stage.dropped, spooled, stage.path / "differences.parquet")


def same(target: Target, stage: Stage) -> bool:
    """The table holds exactly the staged rows."""
    found = verdict(target, stage)
    return not found.differences and found.total("loaded") == accepted(stage)


def accepted(stage: Stage) -> int:
    return sum(counts["accepted"] for counts in stage.summary["counts"].values())


def asked(target: Target, query: str, *values: Any) -> list[tuple[Any, ...]]:
    """Rows of a query, or none of a statement; run by the test's own hand, beside the loader."""
    with target.connection() as connection:
        cursor = connection.execute(query.encode(), values)
        return cursor.fetchall() if cursor.description else []


def listed_batches(target: Target) -> list[tuple[Any, ...]]:
    columns = "batch_id, entity, file, first_line, rows, content_hash, committed_at"
    return asked(target, f"SELECT {columns} FROM _billio_ledger ORDER BY 1")  # noqa: S608
