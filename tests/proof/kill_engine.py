"""Row 1: SIGKILL of a migrate's whole process tree at random points; at most two re-runs; nothing lost or doubled."""

from __future__ import annotations

import shutil
import time
from collections import Counter
from random import Random

from proof import engine, faults, inputs, settled
from proof.outcome import Outcome, Workspace

ITEMS, FILES = 600, 4
LOADS = FILES * 5  # batches at most: one per entity and file
INDEX_STEPS = 11
# Each named point as often as the moment that no point names.
MOMENTS = (*faults.POINTS, "at any time")


def run(n: int, seed: int, workspace: Workspace) -> Outcome:
    """`n` migrates, each killed once or twice and then run to its end."""
    random = Random(seed)
    export = inputs.generated(workspace.folder / "export", ITEMS, seed, FILES)
    undisturbed = _undisturbed(workspace, export)
    killed: Counter[str] = Counter()
    failures: list[str] = []
    reruns = 0
    for number in range(n):
        with workspace.database() as dsn:
            home = workspace.home()
            kills = random.choice((1, 1, 2))
            for attempt in range(kills):
                # Every moment comes as often as the others, whatever n is.
                moment = MOMENTS[(number + attempt) % len(MOMENTS)]
                order = engine.Order(
                    str(export.path), dsn, str(home), f"killed-{attempt}", processes=number % 20 == 19,
                    faults=_fatal(moment, random),
                )  # fmt: skip
                if _killed(order, undisturbed * random.random() if moment == "at any time" else None):
                    killed[moment] += 1
            last = engine.Order(str(export.path), dsn, str(home), "last")
            reruns += kills
            ended = engine.run(last)
            if trouble := ended.trouble():
                failures.append(f"run {number}: {trouble}")
            else:
                settings = workspace.settings()
                found = settled.troubles(dsn, settings, ended.answer["stage"], export) if ended.answer else []
                failures += [f"run {number}: {each}" for each in found]
                shutil.rmtree(settings.home)
            shutil.rmtree(home)
    figure = f"{killed.total()} kills in {n} runs, {reruns} re-runs: 0 lost, 0 duplicated, 0 wrong"
    if killed.total() < n * 0.9:
        failures.append(f"only {killed.total()} kills struck")
    return Outcome.of(failures, n, figure, kills=dict(killed), items=ITEMS)


def _undisturbed(workspace: Workspace, export: inputs.Export) -> float:
    """Seconds a migrate takes when nobody kills it, its start included."""
    with workspace.database() as dsn:
        home = workspace.home()
        engine.run(engine.Order(str(export.path), dsn, str(home), "warm"))
    with workspace.database() as dsn:
        ended = engine.run(engine.Order(str(export.path), dsn, str(home), "timed"))
        assert ended.trouble() is None, ended
        shutil.rmtree(home)
        return ended.seconds


def _fatal(moment: str, random: Random) -> tuple[faults.Fault, ...]:
    if moment == "at any time":
        return ()
    point = faults.POINTS[moment]
    nth = {"file": random.randint(1, FILES), "settle": 1, "index": random.randint(1, INDEX_STEPS)}.get(
        point, random.randint(1, LOADS - 4)
    )
    # A commit takes about this long; settling, an index build and the file's decoding do as well.
    delay = {"in COMMIT": 0.004, "while settling": 0.05, "while indexing": 0.02, "between files": 0.01}.get(moment, 0)
    return (faults.Fault(point, nth, random.uniform(0, delay)),)


def _killed(order: engine.Order, after: float | None) -> bool:
    """Run until the fault strikes, or until `after` seconds have gone by."""
    started = time.perf_counter()
    process = engine.start(order)
    if after is not None:
        process.join(after)
        faults.kill_tree(process.pid)
    return engine.wait(order, process, started).killed
