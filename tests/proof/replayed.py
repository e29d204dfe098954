"""Row 2: the process dies between a COMMIT and everything after it; the replay is a no-op, the ledger decides."""

from __future__ import annotations

from random import Random
from typing import Any

from loading import all_batches, asked, load, opened, total

from assets.billio.model import SYSTEM
from billio_pipeline.migrate.prepare import prepare
from billio_pipeline.stores.dynamodb import open_source
from billio_pipeline.stores.sql.target import Target
from proof import engine, faults, inputs, settled
from proof.outcome import Outcome, Workspace

ITEMS, FILES = 400, 4
ROWS = "SELECT id::text, xmin::text, ctid::text, md5(i::text) FROM items i"
LEDGER = "SELECT batch_id, rows, committed_at FROM _billio_ledger"


def run(n: int, seed: int, workspace: Workspace) -> Outcome:
    """`n` loads killed right after their k-th COMMIT, k from the first to the last, then loaded twice more."""
    random = Random(seed)
    export = inputs.generated(workspace.folder / "export", ITEMS, seed, FILES)
    settings = workspace.settings()
    stage = prepare(open_source(str(export.path), SYSTEM, settings), SYSTEM, settings, "stage")
    batches = sum(len(all_batches(stage, entity.name)) for entity in SYSTEM.entities)
    failures: list[str] = []
    replayed = 0
    with workspace.database() as dsn, opened(dsn, settings) as target:
        for number in range(n):
            asked(target, "DELETE FROM items")
            asked(target, "DELETE FROM _billio_ledger")
            after = 1 + number * batches // n if n <= batches else random.randint(1, batches)
            order = engine.Order(
                str(export.path), dsn, str(settings.home), f"run-{number}", loaders=random.choice((1, 2)),
                faults=(faults.Fault("commit", after),), stage=str(stage.path),
            )  # fmt: skip
            if not engine.run(order).killed:
                failures.append(f"run {number}: it wasn't killed")
            held, listed = _held(target)
            if sum(rows for _, rows, _ in listed) != len(held):
                failures.append(f"run {number}: {len(held)} rows, but the ledger lists others")
            again = load(target, stage)
            now, now_listed = _held(target)
            if (total(again, "rows"), total(again, "present")) != (ITEMS - len(held), len(held)):
                failures.append(f"run {number}: the replay wrote what was there")
            if not (held <= now and listed <= now_listed) or len(now) != ITEMS or len(now_listed) != batches:
                failures.append(f"run {number}: the replay touched what was committed")
            third = load(target, stage)
            if total(third, "rows") or _held(target) != (now, now_listed):
                failures.append(f"run {number}: a second replay changed something")
            failures += [
                f"run {number}: {e}" for e in settled.troubles(dsn, settings, stage.path, export, finished=False)
            ]
            replayed += len(listed)
    figure = f"{n} crashes after COMMIT, {replayed} batches replayed: no row or ledger line touched"
    return Outcome.of(failures, n, figure, batches=batches)


def _held(target: Target) -> tuple[set[tuple[Any, ...]], set[tuple[Any, ...]]]:
    return set(asked(target, ROWS)), set(asked(target, LEDGER))
