"""Worker processes for work on many files: answers as they come, and an end in order whoever is stopped."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import Any, TypeVar

import pyarrow as pa

from billio_pipeline.errors import TransientError

T = TypeVar("T")


def spread(
    work: Callable[..., T],
    calls: Iterable[tuple[Any, ...]],
    workers: int,
    safe_point: Callable[[], None] = lambda: None,
) -> Iterator[T]:
    """`work(*call)` for each of `calls`, begun in their order; results as they are done, whichever is first.

    With one worker, or one call, all is done in this process. `safe_point` is called at least every second: what it
    raises ends the work. Raises TransientError when a worker was killed, and whatever `work` raises, at once.
    """
    calls = list(calls)
    if min(workers, len(calls)) < 2:
        for call in calls:
            yield work(*call)
            safe_point()
    else:
        yield from _pooled(work, calls, min(workers, len(calls)), safe_point)


def apart(work: Callable[..., T], *call: Any, safe_point: Callable[[], None] = lambda: None) -> T:
    """`work(*call)` in a process of its own, whose memory is gone with it. `safe_point` and errors as of `spread`."""
    (result,) = _pooled(work, [call], 1, safe_point)
    return result


def _pooled(
    work: Callable[..., T], calls: list[tuple[Any, ...]], processes: int, safe_point: Callable[[], None]
) -> Iterator[T]:
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn"), initializer=_begin) as pool:
        waiting = {pool.submit(work, *call) for call in calls}
        try:
            while waiting:
                done, waiting = wait(waiting, return_when=FIRST_COMPLETED, timeout=1.0)
                safe_point()
                for future in done:
                    yield future.result()
        except BrokenProcessPool as error:
            raise TransientError("a worker process was killed, perhaps for want of memory") from error
        finally:
            for future in waiting:
                future.cancel()


def _begin() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, who stops us in order
    pa.set_memory_pool(pa.system_memory_pool())  # gives back at once what is freed: an eighth off a worker's peak
