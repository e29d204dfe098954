"""Row 3: PostgreSQL stopped `-m immediate` in the middle of a load and started again: the load converges by itself."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from random import Random
from threading import Event

from loading import load, opened, total

from assets.billio.model import SYSTEM
from billio_pipeline.migrate.prepare import prepare
from billio_pipeline.stores.dynamodb import open_source
from proof import inputs, server, settled
from proof.outcome import Outcome, Workspace

ITEMS, FILES = 400, 6
LONGEST_OUTAGE = 0.5
PATIENCE = 120.0


def run(n: int, seed: int, workspace: Workspace) -> Outcome:
    """`n` loads, each with one stop after a random number of batches and a restart a random moment later."""
    random = Random(seed)
    export = inputs.generated(workspace.folder / "export", ITEMS, seed, FILES)
    settings = workspace.settings()
    stage = prepare(open_source(str(export.path), SYSTEM, settings), SYSTEM, settings, "stage")
    failures: list[str] = []
    retries = interrupted = 0
    with server.started(workspace.folder / "postgres") as postgres, ThreadPoolExecutor(1) as thread:
        own = Workspace(workspace.folder, postgres)
        for number in range(n):
            with own.database() as dsn:
                reached, batches = Event(), 0
                after = random.randint(0, FILES * 3)

                def told(_: int, after: int = after, reached: Event = reached) -> None:
                    nonlocal batches
                    batches += 1
                    if batches >= after:
                        reached.set()

                with opened(dsn, settings) as target:
                    if after == 0:
                        reached.set()
                    loading = thread.submit(load, target, stage, loaders=2, progress=told)
                    while not reached.wait(0.01) and not loading.done():
                        pass
                    server.stop_immediately(postgres.server)
                    interrupted += not loading.done()
                    time.sleep(random.uniform(0, LONGEST_OUTAGE))
                    postgres.server.start(postgres.port)
                    try:
                        done = loading.result(PATIENCE)
                    except Exception as error:
                        failures.append(f"run {number}: {type(error).__name__}: {error}")
                        continue
                retries += sum(sum(each.retries.values()) for each in done.values())
                if total(done, "rows") + total(done, "present") != ITEMS or total(done, "conflicts"):
                    failures.append(f"run {number}: {total(done, 'rows')} written, {total(done, 'present')} present")
                found = settled.troubles(dsn, settings, stage.path, export, finished=False)
                failures += [f"run {number}: {each}" for each in found]
    figure = (
        f"{n} immediate stops, {interrupted} in mid-load: all converged without a re-run, {retries} retries counted"
    )
    return Outcome.of(failures, n, figure, retries=retries)
