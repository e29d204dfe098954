"""Row 11: twenty-five times the items, and the process tree's peak memory grows by less than a tenth."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import psutil
import psycopg

from proof import bulk, command
from proof.outcome import Outcome, Workspace

TIMES = 25
MOST_GROWTH = 0.10
MOST_OF_SUBSET = 0.25  # too small to fill every buffer: only what grows without bound is told there
# A file below this fills no buffer, so that memory grows until it does; only a subset has such files.
LEAST_SMALL = 20_000
WHOLE = 40_000  # what bulk.write repeats in all its files
# From this size on it is the command that is measured: Dagster, checks, report and all. Below, the engine alone.
COMMAND_FROM = 1_000_000
SAMPLE_SECONDS = 0.05
PATIENCE = 3_600.0


def run(n: int, seed: int, workspace: Workspace) -> Outcome:
    """A migrate of `n` items beside one of a twenty-fifth, resident memory of all our processes sampled."""
    n = max(n - n % WHOLE, WHOLE)
    small = max(n // TIMES, LEAST_SMALL)
    failures: list[str] = []
    peaks: list[int] = []
    seconds: list[float] = []
    for items in (small, n):
        folder = workspace.folder / f"export-{items}"
        export = bulk.write(folder, items, seed)
        with workspace.database(guarded=False) as dsn:
            began = time.perf_counter()
            peak, trouble = _peak(workspace, export, dsn, by_command=n >= COMMAND_FROM)
            seconds.append(time.perf_counter() - began)
            peaks.append(peak)
            with psycopg.connect(dsn) as connection:
                there = connection.execute("SELECT to_regclass('items') IS NOT NULL").fetchone() == (True,)
                rows = (connection.execute("SELECT count(*) FROM items").fetchone() or (0,))[0] if there else 0
            if trouble or rows != items:
                failures.append(f"{items} items: {rows} rows; {trouble}")
        shutil.rmtree(folder)
    growth = peaks[1] / peaks[0] - 1
    allowed = MOST_GROWTH if n >= COMMAND_FROM else MOST_OF_SUBSET
    if growth >= allowed:
        failures.append(f"memory grew by {growth:.0%}")
    figure = (
        f"{small:,} → {n:,} items: peak {peaks[0] >> 20} → {peaks[1] >> 20} MiB ({growth:+.1%}, {allowed:.0%} allowed)"
    )
    return Outcome.of(failures, 2, figure, peaks=peaks, seconds=[round(each, 1) for each in seconds])


def _peak(workspace: Workspace, export: Path, dsn: str, *, by_command: bool) -> tuple[int, str | None]:
    """Most resident bytes of the process and all below it, and what went wrong."""
    home = workspace.home()
    engine = [sys.executable, "-m", "proof.measured", export, dsn, home]
    migrate = [command.BILLIO, "migrate", "billio", "--export", export, "--json"]
    path = os.pathsep.join([str(Path(__file__).parents[1]), *filter(None, sys.path)])
    environment = command.environment(dsn, home, BILLIO_WORKERS="2", BILLIO_LOADERS="4", PYTHONPATH=path)
    errors = workspace.folder / "errors.txt"
    with errors.open("w+") as stream:
        process = subprocess.Popen(
            migrate if by_command else engine, env=environment,
            stdout=subprocess.DEVNULL, stderr=stream, start_new_session=True,
        )  # fmt: skip
        over, peaks = threading.Event(), [0]
        sampler = threading.Thread(target=_sample, args=(process.pid, peaks, over))
        sampler.start()
        try:
            code = process.wait(PATIENCE)
        finally:
            over.set()
            sampler.join()
    shutil.rmtree(home)
    return peaks[0], None if code == 0 else f"exit code {code}: {errors.read_text()[-500:]}"


def _sample(pid: int, peaks: list[int], over: threading.Event) -> None:
    while not over.wait(SAMPLE_SECONDS):
        with suppress(psutil.NoSuchProcess):
            leader = psutil.Process(pid)
            total = 0
            for each in (leader, *leader.children(recursive=True)):
                with suppress(psutil.NoSuchProcess):
                    total += each.memory_info().rss
            peaks[0] = max(peaks[0], total)
