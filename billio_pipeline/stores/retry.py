"""How often work is tried again, how long to wait before, and counts of it: the same for every kind of store."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from threading import Lock


@dataclass(frozen=True)
class Backoff:
    """`tries` in all; before try n a random pause of up to first·2ⁿ seconds, at most `most`: full jitter."""

    tries: int = 20
    first: float = 0.05
    most: float = 5.0

    def pause(self, failures: int) -> float:
        return random.uniform(0, min(self.most, self.first * 2 ** min(failures - 1, 30)))


BACKOFF = Backoff()


class Retries:
    """Counts repeated attempts by the error's code (SQLSTATE, AWS's code); safe to share between threads."""

    def __init__(self, counts: Mapping[str, int] | None = None) -> None:
        self._counts: Counter[str] = Counter(counts or {})
        self._lock = Lock()

    def count(self, code: str, times: int = 1) -> None:
        with self._lock:
            self._counts[code] += times

    def merge(self, other: Mapping[str, int]) -> None:
        """Add counts of another process, as its `as_dict` gave them."""
        for code, times in other.items():
            self.count(code, times)

    @property
    def total(self) -> int:
        with self._lock:
            return self._counts.total()

    def as_dict(self) -> dict[str, int]:
        with self._lock:
            return dict(sorted(self._counts.items()))
