"""Progress of long work, told to whoever listens: the terminal's bars. Work that nobody watches tells nobody."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

Listener = Callable[[str, int, int | None], None]  # stage, units done since the last call, total if known

_listeners: list[Listener] = []


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Tell `listener` of progress made in this process while the block runs."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


def tell(stage: str, done: int, total: int | None = None) -> None:
    """`done` more units of `stage` are finished, of `total`."""
    for listener in _listeners:
        listener(stage, done, total)
