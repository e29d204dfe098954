"""A source read anew and compared with its target, in a place apart from what migrations stage; nothing is loaded."""

from __future__ import annotations

import os
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from billio_pipeline import progress
from billio_pipeline.cli.systems import source_of
from billio_pipeline.errors import ConfigurationError
from billio_pipeline.model.entity import AnySystem, RowSystem, System
from billio_pipeline.settings import Settings

if TYPE_CHECKING:
    from billio_pipeline.migrate.stage import Stage
    from billio_pipeline.verify.reconcile import Verdict


@dataclass(frozen=True)
class Compared:
    """What was found. `run` names it, `target` holds no secret."""

    run: str
    stage: Stage
    verdict: Verdict
    target: str


@contextmanager
def compared(
    system: AnySystem, export: str, target: str | None, mode: Literal["auto", "full", "fingerprint"], settings: Settings
) -> Iterator[Compared]:
    """The comparison; its stage is there within the block only."""
    run = f"diff-{uuid.uuid4().hex[:12]}"
    # A stage of its own place: one that a migration reads or `quarantine` lists is never replaced by it.
    apart = replace(settings, home=settings.home / "diff")
    stages: list[Stage] = []
    try:
        if isinstance(system, RowSystem):
            if mode == "fingerprint":
                raise ConfigurationError(
                    "DynamoDB computes no fingerprints: items are compared in full", remedy="Leave --mode out."
                )
            yield _items(system, export, target, settings, apart, run, stages)
        else:
            yield _rows(system, export, target, mode, settings, apart, run, stages)
    finally:
        for stage in stages:
            shutil.rmtree(stage.path, ignore_errors=True)
        shutil.rmtree(apart.home / "source" / system.name / run, ignore_errors=True)


def _rows(
    system: System,
    export: str,
    target: str | None,
    mode: Literal["auto", "full", "fingerprint"],
    settings: Settings,
    apart: Settings,
    run: str,
    stages: list[Stage],
) -> Compared:
    from assets.factory.verdict import judge, require_table
    from billio_pipeline.local.resolve import resolve_target
    from billio_pipeline.migrate import repairs
    from billio_pipeline.migrate.prepare import prepare
    from billio_pipeline.stores.dynamodb import open_source
    from billio_pipeline.stores.sql.target import Target

    source = open_source(export, system, settings)
    source = repairs.repaired(source, repairs.kept(settings.home, system.name, source.id))
    with Target.open(resolve_target(settings, target), settings) as opened:
        require_table(opened, system)
        started = time.perf_counter()
        stages.append(prepare(source, system, apart, run, lambda n: progress.tell("decode", n, source.items)))
        decoded = time.perf_counter() - started
        verdict = judge(stages[0], opened, mode)
        verdict.seconds = {"decode": round(decoded, 3), **verdict.seconds}
        return Compared(run, stages[0], verdict, opened.name)


def _items(
    system: RowSystem,
    export: str,
    target: str | None,
    settings: Settings,
    apart: Settings,
    run: str,
    stages: list[Stage],
) -> Compared:
    from assets.factory.items_verdict import judge_items, require_tables
    from billio_pipeline.cli.reach import reach
    from billio_pipeline.migrate.copied import take
    from billio_pipeline.migrate.prepare_items import prepare_items
    from billio_pipeline.stores.dynamodb.client import dynamodb_client
    from resources.migration import MigrationResource

    found = reach(system, settings, target, {"export": export})
    here = replace(Settings.from_env({**os.environ, **found}), home=apart.home)
    client = dynamodb_client(here)
    require_tables(client, system)
    source, started = source_of(system).open(MigrationResource(export=export), here), time.perf_counter()
    taken = take(source, here.home, system.name, run, lambda rows: progress.tell("copy", rows))
    stage = prepare_items(taken, source.read, system, here, run, lambda n: progress.tell("items", n, taken.rows))
    stages.append(stage)
    staged = time.perf_counter() - started
    verdict = judge_items(stage, client)
    verdict.seconds = {"stage": round(staged, 3), **verdict.seconds}
    return Compared(run, stage, verdict, client.meta.endpoint_url)
