"""Runs a competitor as a process of its own and watches it: wall, CPU of both sides, memory of its process tree."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from benchmarks.stages import START, StageTime, server_cpu

SAMPLE_SECONDS = 0.05
_LOOK_FOR_CHILDREN = 6  # samples between two looks at who belongs to the tree: looking costs more than sampling
_QUIET_SECONDS = 3.0  # how long ended backends may take to be gone before their CPU is read


@dataclass
class Run:
    """One run of one competitor over `items` items. Its job is all stages but the start. Seconds and bytes."""

    items: int
    stages: list[StageTime] = field(default_factory=list)
    peak: int = 0
    peak_worker: int = 0
    facts: dict[str, Any] = field(default_factory=dict)
    error: str | None = None

    @property
    def job(self) -> list[StageTime]:
        return [stage for stage in self.stages if stage.name != START]

    @property
    def wall(self) -> float:
        return sum(stage.wall for stage in self.job)

    @property
    def cpu(self) -> float:
        return sum(stage.cpu for stage in self.job)

    def stage(self, *names: str) -> list[StageTime]:
        return [stage for stage in self.stages if stage.name in names]

    @classmethod
    def from_json(cls, kept: dict[str, Any]) -> Run:
        return cls(**{**kept, "stages": [StageTime(**stage) for stage in kept["stages"]]})


@dataclass
class _Samples:
    """(when, all bytes of the tree, most bytes of one process that isn't its leader)."""

    taken: list[tuple[float, int, int]] = field(default_factory=list)

    def peak(self, began: float = 0.0, ended: float = float("inf")) -> int:
        return max((total for when, total, _ in self.taken if began <= when <= ended), default=0)

    def peak_worker(self) -> int:
        return max((most for _, _, most in self.taken), default=0)


def watch(
    command: Sequence[str | Path],
    *,
    items: int,
    postmaster: int,
    log: Path,
    environment: Mapping[str, str] | None = None,
    answer: Path | None = None,
    accept: Sequence[int] = (0,),
) -> Run:
    """Run `command` to its end. Its stages are those it tells in `answer`; if it tells none, all of it is `load`.

    An exit code not in `accept` is kept as the run's error, with the end of what it printed.
    """
    if answer:
        answer.unlink(missing_ok=True)
    samples, over = _Samples(), threading.Event()
    server, began = server_cpu(postmaster), time.monotonic()
    with log.open("wb") as out:
        process = subprocess.Popen(
            [str(part) for part in command], env=dict(environment) if environment is not None else None,
            stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        sampler = threading.Thread(target=_sample, args=(process.pid, samples, over), daemon=True)
        sampler.start()
        try:
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        except BaseException:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            raise
        finally:
            over.set()
            sampler.join()
    ended = time.monotonic()
    run = Run(items, peak=samples.peak(), peak_worker=samples.peak_worker())
    if answer and answer.exists():
        told = json.loads(answer.read_text())
        run.facts = told["facts"]
        run.stages = [StageTime(**stage) for stage in told["stages"]]
    else:
        quiet(postmaster)
        cpu = usage.ru_utime + usage.ru_stime, server_cpu(postmaster) - server
        run.stages = [StageTime("load", began, ended, *cpu)]
    for stage in run.stages:
        stage.peak = samples.peak(stage.began, stage.ended)
    if process.returncode not in accept:
        run.error = f"exit code {process.returncode}: {log.read_text(errors='replace').strip()[-400:]}"
    return run


def quiet(postmaster: int) -> None:
    """Wait until no session is left behind by a client that has ended, so that all its CPU is counted."""
    deadline = time.monotonic() + _QUIET_SECONDS
    while time.monotonic() < deadline:
        titles = []
        for each in psutil.Process(postmaster).children():
            with suppress(psutil.NoSuchProcess, psutil.ZombieProcess, IndexError):
                titles.append(" ".join(each.cmdline()))
        if not any("127.0.0.1(" in title for title in titles):
            return
        time.sleep(0.02)


def _sample(pid: int, samples: _Samples, over: threading.Event) -> None:
    tree: list[psutil.Process] = []
    count = 0
    while not over.wait(SAMPLE_SECONDS):
        with suppress(psutil.NoSuchProcess):
            if count % _LOOK_FOR_CHILDREN == 0:
                leader = psutil.Process(pid)
                tree = [leader, *leader.children(recursive=True)]
            count += 1
            total = most = 0
            for each in tree:
                with suppress(psutil.NoSuchProcess):
                    resident = each.memory_info().rss
                    total += resident
                    if each.pid != pid:
                        most = max(most, resident)
            samples.taken.append((time.monotonic(), total, most))
