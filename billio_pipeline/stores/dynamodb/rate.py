"""How fast requests may go: a token bucket, and one that finds the pace a table takes."""

from __future__ import annotations

import threading
import time

from billio_pipeline.errors import ConfigurationError

# DynamoDB developer guide, "On-demand capacity mode": a new on-demand table takes 4,000 write units per second at once.
ON_DEMAND_UNITS = 4_000.0

_WINDOW = 1.0  # seconds over which requests are judged together
_GROWTH = 1.1  # per window without a refusal: from a tenth of the capacity to all of it in 25 s
_BELOW = 0.9  # of what the table took, when it refused some
_HELPED = 0.5  # a slower pace that is refused more than this share of what it was before is not what was asked for
_HELD = 10  # windows for which such a pace is then left alone
_LEAST = 25.0  # units per second


class Rate:
    """A token bucket of `per_second` units that holds one second's worth; `of` names them."""

    def __init__(self, per_second: float, of: str = "items") -> None:
        if not per_second > 0:
            raise ConfigurationError(f"a rate of {per_second} {of}/s", remedy="Give a rate above 0, or none.")
        self.per_second = per_second
        self._tokens = per_second
        self._at = time.monotonic()
        self._lock = threading.Lock()

    def pay(self, units: float) -> float:
        """Take `units` tokens; the seconds to wait until the bucket is no longer in debt."""
        with self._lock:
            now = time.monotonic()
            self._tokens = min(self.per_second, self._tokens + (now - self._at) * self.per_second) - units
            self._at = now
            return max(0.0, -self._tokens / self.per_second)


class AdaptiveRate(Rate):
    """Write units per second as the table takes them: slower when it refuses some, faster again while it refuses none.

    Starts at `per_second` and never exceeds `most`. Refusals that a slower pace doesn't lessen have another cause (one
    hot partition, a fault): the pace is restored, and left alone for a while.
    """

    def __init__(self, per_second: float, most: float | None = None) -> None:
        super().__init__(per_second if most is None else min(most, per_second), "write units")
        self._most = most
        self._least = min(_LEAST, self.per_second)
        self._since = self._at
        self._taken = self._refused = 0.0
        self._before: tuple[float, float] | None = None  # pace and share refused, before it was slowed
        self._held = 0

    def answered(self, taken: float, refused: float) -> None:
        """Tell units of a request that were written, and those to be sent again for lack of capacity."""
        with self._lock:
            self._taken += taken
            self._refused += refused
            now = time.monotonic()
            if now - self._since >= _WINDOW:
                self._judge(now - self._since)
                self._taken, self._refused, self._since = 0.0, 0.0, now

    def _judge(self, seconds: float) -> None:
        share = self._refused / ((self._taken + self._refused) or 1.0)
        before, self._before = self._before, None
        if before is not None and share > _HELPED * before[1]:
            self.per_second, self._held = before[0], _HELD
        elif self._held:
            self._held -= 1
        elif share:
            self._before = (self.per_second, share)
            self.per_second = max(self._least, min(self.per_second, self._taken / seconds) * _BELOW)
            self._tokens = min(self._tokens, self.per_second)
        elif self._taken >= self.per_second * seconds / 2:
            # A pace nobody keeps up with says nothing about the table.
            self.per_second = min(self.per_second * _GROWTH, self._most or float("inf"))
