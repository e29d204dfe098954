"""Row 12: a clock set back or forward under a running migrate, and an export changed under one, are noticed."""

from __future__ import annotations

import os
import shutil
import time
from collections import Counter
from functools import partial
from pathlib import Path
from random import Random
from unittest.mock import patch

import psycopg
from exports import write_export
from fault.test_export_corruption import reseal

from proof import engine, faults, inputs, settled
from proof.outcome import Outcome, Workspace

ITEMS, FILES = 400, 4
EARLIER_STAGES = 3  # as many as are kept beside the newest
JUMPS = (3_600.0, -3_600.0, 86_400.0, -86_400.0, 5.0, -5.0)


def run(n: int, seed: int, workspace: Workspace) -> Outcome:
    """`n` migrates, in turn with a clock that jumps and with an export that changes while its files are read."""
    random = Random(seed)
    failures: list[str] = []
    noticed: Counter[str] = Counter()
    for number in range(n):
        folder = workspace.folder / f"export-{number}"
        export = inputs.generated(folder, ITEMS, seed + number, FILES)
        with workspace.database() as dsn:
            home = workspace.home()
            if number % 2:
                name = list(CHANGES)[number // 2 % len(CHANGES)]
                found = _changed(name, export, dsn, home, random)
            else:
                name = "clock"
                found = _jumped(JUMPS[number // 2 % len(JUMPS)], workspace, export, dsn, home, random)
            noticed[name] += not found
            failures += [f"{name}: {each}" for each in found]
            shutil.rmtree(home)
        shutil.rmtree(folder)
    figure = f"{noticed.total()} of {n} noticed: {noticed['clock']} clock jumps told, the rest changed exports refused"
    return Outcome.of(failures, n, figure, noticed=dict(noticed))


def _jumped(
    seconds: float, workspace: Workspace, export: inputs.Export, dsn: str, home: Path, random: Random
) -> list[str]:
    """The clock jumps while a file is decoded or a batch loaded; earlier stages lie in what is now the future."""
    point, nth = random.choice([("file", random.randint(1, FILES)), ("commit", random.randint(1, 8))])
    if seconds < 0:
        _stages_ahead(engine.Order(str(export.path), dsn, str(home), "earlier"), -seconds)
    jump = faults.Fault(point, nth, act=partial(jump_clock, seconds))
    ended = engine.run(engine.Order(str(export.path), dsn, str(home), "jumped", faults=(jump,)))
    if (trouble := ended.trouble()) or ended.answer is None:
        return [f"{seconds:+} s: {trouble}"]
    told = [ended.answer["summary"]["clock_jump"], *ended.answer["clock_jumps"]]
    failures = [] if any(abs(each - seconds) < 1 for each in told) else [f"{seconds:+} s at {point}: told {told}"]
    return failures + settled.troubles(dsn, workspace.settings(), ended.answer["stage"], export)


def _stages_ahead(order: engine.Order, seconds: float) -> None:
    """Earlier, complete stages of the same export, made when the clock was `seconds` ahead: all newer than ours."""
    ended = engine.run(order)
    assert ended.answer is not None, ended
    stage = Path(ended.answer["stage"])
    for number in range(EARLIER_STAGES):
        copy = stage.with_name(f"earlier-{number}")
        shutil.copytree(stage, copy)
        os.utime(copy / "summary.json", (time.time() + seconds, time.time() + seconds))


def jump_clock(seconds: float) -> None:
    """From now on this process's wall clock is off by so much. (Its steady clock isn't: that is what steady means.)"""
    now = time.time
    patch.object(time, "time", lambda: now() + seconds).start()


def _changed(name: str, export: inputs.Export, dsn: str, home: Path, random: Random) -> list[str]:
    """The export is altered when its n-th file is about to be read, after its manifest was."""
    nth = random.randint(1, FILES)
    change = faults.Fault("file", nth, act=partial(CHANGES[name], export.path, nth - 1))
    ended = engine.run(engine.Order(str(export.path), dsn, str(home), "changed", faults=(change,)))
    answer = ended.answer or {}
    failures = []
    if answer.get("exit_code") != 2 or answer["error"]["code"] != "bad_export":
        failures.append(f"not refused: {answer.get('error', 'it went through')}")
    with psycopg.connect(dsn) as connection:
        if connection.execute("SELECT to_regclass('public.items')").fetchone() != (None,):
            failures.append("the target was touched")
    return failures


def _file(export: Path, index: int) -> Path:
    return sorted((export / "data").iterdir())[index]


def rewritten(export: Path, index: int) -> None:
    """Another, equally whole file lies where the one that was listed lay."""
    other = write_export(export.parent.parent / "other", [[inputs.line(item) for item in _others()]])
    os.replace(_file(other, 0), _file(export, index))


def replaced(export: Path, index: int) -> None:
    """The whole export is written anew, checksums and all, as a second export into the same folder would."""
    rewritten(export, index)
    reseal(export)


def removed(export: Path, index: int) -> None:
    """The file is gone."""
    _file(export, index).unlink()


def appended(export: Path, index: int) -> None:
    """The file is still being written."""
    with _file(export, index).open("ab") as stream:
        stream.write(_file(export, index).read_bytes())


def truncated(export: Path, index: int) -> None:
    """The file was emptied to be written anew."""
    os.truncate(_file(export, index), 0)


CHANGES = {each.__name__: each for each in (rewritten, replaced, removed, appended, truncated)}


def _others() -> list[inputs.Item]:
    from assets.billio.generator import generate

    return list(generate(ITEMS // FILES, 4_711))
