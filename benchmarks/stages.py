"""A child's own clock: wall and CPU seconds of each stage, its own and PostgreSQL's. Runs in the peers' venvs too.

CPU of PostgreSQL is that of its whole process tree, backends that have ended included: the postmaster is who waited
for them. So nothing else may use that server meanwhile.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

_AGAIN_SECONDS = 0.002
START = "start"  # interpreter and imports: shown apart, no part of the job


@dataclass
class StageTime:
    """One stage: when it began and ended on the machine's monotonic clock, CPU seconds, most resident bytes."""

    name: str
    began: float
    ended: float
    client: float
    server: float
    peak: int = 0

    @property
    def wall(self) -> float:
        return self.ended - self.began

    @property
    def cpu(self) -> float:
        return self.client + self.server


class Stages:
    """Collects a process's stages: `with stages("load"): …`."""

    def __init__(self, postmaster: int) -> None:
        self._postmaster = postmaster
        self.done: list[StageTime] = []

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        began, client, server = time.monotonic(), own_cpu(), server_cpu(self._postmaster)
        yield
        ended = time.monotonic()
        cpu = own_cpu() - client, server_cpu(self._postmaster) - server
        self.done.append(StageTime(name, began, ended, *cpu))

    def answer(self, path: Path, **facts: Any) -> None:
        """Tell the parent: the stages, and what else was found out."""
        path.write_text(json.dumps({"stages": [asdict(each) for each in self.done], "facts": facts}, default=str))


def own_cpu() -> float:
    """CPU seconds of this process and of the children it has waited for."""
    return sum(os.times()[:4])


def server_cpu(postmaster: int) -> float:
    """CPU seconds of PostgreSQL's processes since it started: ended ones through the postmaster, living ones each.

    One that ends while they are added up would be missed or counted twice: then all are added up again.
    """
    leader = psutil.Process(postmaster)
    while True:
        living = leader.children()
        try:
            total = sum(leader.cpu_times()[:4]) + sum([sum(each.cpu_times()[:2]) for each in living])
        except psutil.NoSuchProcess:  # or a zombie, whose CPU the postmaster is about to take over
            time.sleep(_AGAIN_SECONDS)
            continue
        if living == leader.children():
            return total
