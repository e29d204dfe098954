"""A whole migrate as the assets do it: the same calls in the same order, each timed as a stage."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from assets.billio.model import SYSTEM
from assets.factory.verdict import judge
from benchmarks.order import Order
from benchmarks.stages import Stages
from billio_pipeline.migrate import ledger
from billio_pipeline.migrate import prepare as preparing
from billio_pipeline.migrate.batch import batches
from billio_pipeline.migrate.load import Loaded, Loader
from billio_pipeline.migrate.refused import add_refused
from billio_pipeline.migrate.reverse import reversed_rows
from billio_pipeline.migrate.stage import Stage
from billio_pipeline.settings import Settings
from billio_pipeline.stores.dynamodb import open_source
from billio_pipeline.stores.sql import schema
from billio_pipeline.stores.sql.target import Target


def load_checks() -> ModuleType:
    """The checks of the finished table."""
    from benchmarks import checks

    return checks


def migrate(order: Order, stages: Stages, checks: ModuleType | None) -> None:
    """Decode, settle, make the tables, load, finish; with `checks`, prove it too. Raises when anything is amiss."""
    settings = Settings.from_env()
    facts: dict[str, Any] = {}
    source = open_source(order.export, SYSTEM, settings)
    with _timed(stages):
        stage = preparing.prepare(source, SYSTEM, settings, "bench")
    if checks:
        with stages("reversible"):
            facts["irreversible"] = _irreversible(stage, settings)
    with Target.open(order.dsn, settings) as target:
        with stages("schema"):
            schema.up(target, SYSTEM, phase="tables")
        with stages("load"):
            done = _load(target, stage, settings)
            add_refused(stage, done)
        with stages("indexes"):
            results = schema.up(target, SYSTEM, phase="finish")
        facts["failed"] = [f"{result.step.name}: {result.message}" for result in results if not result.ok]
        if checks:
            with stages("rows_equal"):
                verdict = judge(stage, target)
            facts |= {"mode": verdict.mode, "equal": verdict.equal, "loaded": verdict.total("loaded")}
            facts["failed"] += checks.failed(target, stage, order.export, stages)
    summary = stage.summary
    facts |= {
        "rows": sum(each.rows for each in done),
        "items": summary["export"]["items"],
        "fast": summary["fast"],
        "quarantined": sum(counts["quarantined"] for counts in summary["counts"].values()),
        "profile": target.profile.name,
        "retries": sum(sum(each.retries.values()) for each in done),
    }
    stages.answer(Path(order.answer), **facts)
    shutil.rmtree(settings.home)
    if facts["failed"] or facts.get("irreversible") or not facts.get("equal", True):
        raise SystemExit(f"not proven: {facts}")


def _load(target: Target, stage: Stage, settings: Settings) -> list[Loaded]:
    export_id = stage.summary["export"]["id"]
    return [
        Loader(target, SYSTEM, entity.name, "insert").run(
            batches(stage, entity.name, export_id),
            ledger.committed(target, export_id, entity.name),
            loaders=settings.loaders,
        )
        for entity in SYSTEM.entities
    ]


def _irreversible(stage: Stage, settings: Settings) -> int:
    names = [entity.name for entity in SYSTEM.entities]
    found = reversed_rows(stage, names, workers=settings.workers, progress=lambda rows: None)
    return sum(each.failed for each in found.values())


@contextmanager
def _timed(stages: Stages) -> Iterator[None]:
    """Time the two halves of `prepare` apart, by standing between it and them."""
    halves: dict[str, Callable[..., Any]] = {name: getattr(preparing, name) for name in ("decode", "settle")}

    def between(name: str, work: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*arguments: Any, **named: Any) -> Any:
            with stages(name):
                return work(*arguments, **named)

        return timed

    for name, work in halves.items():
        setattr(preparing, name, between(name, work))
    try:
        yield
    finally:
        for name, work in halves.items():
            setattr(preparing, name, work)
