"""A source read anew and compared with its target; nothing is loaded."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from billio_pipeline import progress
from billio_pipeline.cli.apart import place, run_name, staged_apart
from billio_pipeline.errors import ConfigurationError
from billio_pipeline.model.entity import AnySystem, RowSystem, System
from billio_pipeline.settings import Settings

if TYPE_CHECKING:
    from billio_pipeline.migrate.stage import Stage
    from billio_pipeline.verify.reconcile import Verdict

Mode = Literal["auto", "full", "fingerprint"]


@dataclass(frozen=True)
class Compared:
    """What was found. `run` names it, `target` holds no secret."""

    run: str
    stage: Stage
    verdict: Verdict
    target: str


@contextmanager
def compared(system: AnySystem, export: str, target: str | None, mode: Mode, settings: Settings) -> Iterator[Compared]:
    """The comparison; its stage is there within the block only."""
    if not isinstance(system, RowSystem):
        with _rows(system, export, target, mode, settings) as found:
            yield found
        return
    from assets.factory.items_verdict import judge_items, require_tables

    if mode == "fingerprint":
        raise ConfigurationError(
            "DynamoDB computes no fingerprints: items are compared in full", remedy="Leave --mode out."
        )
    with staged_apart(system, export, target, settings) as apart:
        require_tables(apart.client, system)
        verdict = judge_items(apart.stage, apart.client)
        verdict.seconds = {"stage": apart.seconds, **verdict.seconds}
        yield Compared(apart.run, apart.stage, verdict, apart.client.meta.endpoint_url)


@contextmanager
def _rows(system: System, export: str, target: str | None, mode: Mode, settings: Settings) -> Iterator[Compared]:
    from assets.factory.verdict import judge, require_table
    from billio_pipeline.local.resolve import resolve_target
    from billio_pipeline.migrate import repairs
    from billio_pipeline.migrate.prepare import prepare
    from billio_pipeline.stores.dynamodb import open_source
    from billio_pipeline.stores.sql.target import Target

    source = open_source(export, system, settings)
    source = repairs.repaired(source, repairs.kept(settings.home, system.name, source.id))
    run = run_name("diff")
    stage: Stage | None = None
    with Target.open(resolve_target(settings, target), settings) as opened:
        require_table(opened, system)
        started = time.perf_counter()
        try:
            stage = prepare(source, system, place(settings), run, lambda n: progress.tell("decode", n, source.items))
            decoded = time.perf_counter() - started
            verdict = judge(stage, opened, mode)
            verdict.seconds = {"decode": round(decoded, 3), **verdict.seconds}
            yield Compared(run, stage, verdict, opened.name)
        finally:
            if stage is not None:
                shutil.rmtree(stage.path, ignore_errors=True)
