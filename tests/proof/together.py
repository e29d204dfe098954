"""Row 9: two migrates of the same export into the same target at once: the same target, and neither fails."""

from __future__ import annotations

import shutil
import time
from random import Random

from proof import command, engine, inputs, settled
from proof.outcome import Outcome, Workspace

ITEMS, FILES = 600, 4
# One pair in this many is a pair of `billio migrate`, Dagster and all.
COMMANDS_ONE_IN = 10


def run(n: int, seed: int, workspace: Workspace) -> Outcome:
    """`n` pairs, the second started up to a third of a run after the first."""
    random = Random(seed)
    export = inputs.generated(workspace.folder / "export", ITEMS, seed, FILES)
    failures: list[str] = []
    shared = commands = 0
    for number in range(n):
        with workspace.database() as dsn:
            if number % COMMANDS_ONE_IN == COMMANDS_ONE_IN - 1:
                commands += 1
                failures += [f"pair {number}: {each}" for each in _commands(workspace, dsn, export)]
                continue
            homes = [workspace.home(), workspace.home()]
            orders = [engine.Order(str(export.path), dsn, str(home), loaders=2) for home in homes]
            began, pause = time.perf_counter(), random.choice((0.0, random.uniform(0, 0.5)))
            first = engine.start(orders[0])
            time.sleep(pause)
            second = engine.start(orders[1])
            ended = [engine.wait(order, each, began) for order, each in zip(orders, (first, second), strict=True)]
            answers = [each.answer for each in ended if each.trouble() is None and each.answer]
            failures += [f"pair {number}: {each.trouble()}" for each in ended if each.trouble()]
            if len(answers) == 2:
                written = [answer["rows"] for answer in answers]
                shared += all(written)
                if sum(written) != ITEMS or any(answer["conflicts"] for answer in answers):
                    failures.append(f"pair {number}: they wrote {written} of {ITEMS} rows")
                settings = workspace.settings()
                found = settled.troubles(dsn, settings, answers[0]["stage"], export)
                failures += [f"pair {number}: {each}" for each in found]
                shutil.rmtree(settings.home)
            for home in homes:
                shutil.rmtree(home)
    figure = f"{n} pairs ({commands} of them commands; in {shared} both wrote rows): same target, none failed"
    return Outcome.of(failures, n, figure, shared=shared, commands=commands)


def _commands(workspace: Workspace, dsn: str, export: inputs.Export) -> list[str]:
    started = [command.start(export.path, dsn, workspace.home()) for _ in range(2)]
    failures = [trouble for each in started if (trouble := command.finish(each).trouble(ITEMS))]
    return failures or settled.counted(dsn, export)
