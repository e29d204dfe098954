"""Where a child may die or be troubled: named points of a migrate, reached the n-th time, by SIGKILL to its group.

Lives in the tests: the product has no such hooks; the child replaces functions of its own process before it works.
"""

from __future__ import annotations

import os
import resource
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Literal
from unittest.mock import patch

import psutil

Point = Literal["file", "settle", "record", "commit", "index"]
POINTS: dict[str, Point] = {
    "between files": "file",
    "while settling": "settle",
    "before COMMIT": "record",
    "in COMMIT": "record",
    "after COMMIT": "commit",
    "while indexing": "index",
}


@dataclass(frozen=True)
class Fault:
    """What happens when `point` is reached for the n-th time, `delay` seconds later."""

    point: Point
    nth: int
    delay: float = 0.0
    act: Callable[[], None] | None = None  # None: SIGKILL to the whole group

    def strike(self) -> None:
        act = self.act or die
        if self.delay:
            threading.Thread(target=_later, args=(self.delay, act), daemon=True).start()
        else:
            act()


_faults: tuple[Fault, ...] = ()
_reached: Counter[str] = Counter()
_lock = threading.Lock()


def die() -> None:
    """SIGKILL to this process and all it started."""
    os.killpg(os.getpgid(0), signal.SIGKILL)


def _later(seconds: float, act: Callable[[], None]) -> None:
    time.sleep(seconds)
    act()


def reach(point: Point) -> None:
    """This point is reached once more."""
    with _lock:
        _reached[point] += 1
        due = [each for each in _faults if (each.point, each.nth) == (point, _reached[point])]
    for each in due:
        each.strike()


def reach_indexing(_: object) -> None:
    """A step of the schema's second phase is done."""
    reach("index")


@contextmanager
def armed(faults: Sequence[Fault], file_bytes: int | None = None) -> Iterator[None]:
    """Within the block, `faults` strike in this process, and no file may grow beyond `file_bytes`."""
    global _faults
    from billio_pipeline.migrate import decode, ledger, load, prepare

    def before(function: Callable[..., Any], point: Point) -> Callable[..., Any]:
        def wrapped(*args: Any, **named: Any) -> Any:
            reach(point)
            return function(*args, **named)

        return wrapped

    def after(function: Callable[..., Any], point: Point) -> Callable[..., Any]:
        def wrapped(*args: Any, **named: Any) -> Any:
            answer = function(*args, **named)
            reach(point)
            return answer

        return wrapped

    _faults = tuple(faults)
    _reached.clear()
    with ExitStack() as stack:
        if file_bytes is not None:
            soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
            resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, hard))
            stack.callback(resource.setrlimit, resource.RLIMIT_FSIZE, (soft, hard))
        if faults:
            for owner, name, point, when in (
                (decode, "decode_file", "file", before),
                (prepare, "settle", "settle", before),
                (ledger, "record", "record", after),
                (load, "run_transaction", "commit", after),
            ):
                stack.enter_context(patch.object(owner, name, when(getattr(owner, name), point)))
        yield


def kill_tree(pid: int | None) -> None:
    """SIGKILL to a process's whole group, and to what it started that left the group."""
    if pid is None:
        return
    with suppress(psutil.NoSuchProcess):
        family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
        with suppress(ProcessLookupError, PermissionError):
            if os.getpgid(pid) == pid:
                os.killpg(pid, signal.SIGKILL)
        for each in family:
            with suppress(psutil.NoSuchProcess):
                each.kill()
