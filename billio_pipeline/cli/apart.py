"""A source of rows, copied and staged apart from what migrations keep, for commands that load nothing."""

from __future__ import annotations

import os
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from billio_pipeline import progress
from billio_pipeline.cli.systems import source_of
from billio_pipeline.model.entity import RowSystem
from billio_pipeline.settings import Settings

if TYPE_CHECKING:
    from billio_pipeline.migrate.stage import ItemStage


@dataclass(frozen=True)
class Apart:
    """A stage that is there within a block only; `run` names it. `client` reaches the target, `settings` its API."""

    run: str
    stage: ItemStage
    client: Any
    settings: Settings
    seconds: float


def run_name(what: str) -> str:
    """A name no other run has."""
    return f"{what}-{uuid.uuid4().hex[:12]}"


def place(settings: Settings) -> Settings:
    """Settings with a home of its own: a stage that a migration reads or `quarantine` lists is never replaced."""
    return replace(settings, home=settings.home / "diff")


@contextmanager
def staged_apart(
    system: RowSystem, export: str, target: str | None, settings: Settings, what: str = "diff"
) -> Iterator[Apart]:
    """The source, read anew and staged. Raises InputError or ConfigurationError when it, or the target, can't be
    reached."""
    from billio_pipeline.cli.reach import reach
    from billio_pipeline.migrate.copied import take
    from billio_pipeline.migrate.prepare_items import prepare_items
    from billio_pipeline.stores.dynamodb.client import dynamodb_client
    from resources.migration import MigrationResource

    found = reach(system, settings, target, {"export": export})
    here = replace(Settings.from_env({**os.environ, **found}), home=place(settings).home)
    source, run, started = source_of(system).open(MigrationResource(export=export), here), run_name(what), time.time()
    stage: ItemStage | None = None
    try:
        taken = take(source, here.home, system.name, run, lambda rows: progress.tell("copy", rows))
        stage = prepare_items(taken, source.read, system, here, run, lambda n: progress.tell("items", n, taken.rows))
        yield Apart(run, stage, dynamodb_client(here), here, round(time.time() - started, 3))
    finally:
        if stage is not None:
            shutil.rmtree(stage.path, ignore_errors=True)
        shutil.rmtree(here.home / "source" / system.name / run, ignore_errors=True)
