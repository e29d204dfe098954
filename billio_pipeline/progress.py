"""Progress of long work, told to whoever listens, and the place where it can be asked to stop.

Work that nobody watches tells nobody. Every `tell` is a safe point: between batches, files, pages, checks.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from billio_pipeline.errors import Interrupted

Listener = Callable[[str, int, int | None], None]  # stage, units done since the last call, total if known

_listeners: list[Listener] = []
_stopped = threading.Event()


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Tell `listener` of progress made in this process while the block runs."""
    _listeners.append(listener)
    _stopped.clear()
    try:
        yield
    finally:
        _listeners.remove(listener)


def tell(stage: str, done: int, total: int | None = None) -> None:
    """`done` more units of `stage` are finished, of `total`. Raises Interrupted when the work was asked to stop."""
    if _stopped.is_set():
        raise Interrupted("stopped before the end")
    for listener in _listeners:
        listener(stage, done, total)


def stop() -> None:
    """Ask the work that is being listened to to stop at its next safe point."""
    _stopped.set()


def stopped() -> bool:
    """Whether it was asked to."""
    return _stopped.is_set()
