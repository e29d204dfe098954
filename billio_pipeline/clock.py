"""Notices a wall clock that jumps under a run. Durations are measured steadily; what is stamped with a time isn't."""

from __future__ import annotations

import logging
import time

log = logging.getLogger(__name__)

# Clocks are slewed by up to 500 ppm, 2 s an hour; what goes beyond this and that was set by someone, or a suspend.
TOLERANCE_SECONDS = 2.0
SLEW = 0.001


class Clock:
    """Started when made."""

    def __init__(self) -> None:
        self._wall, self._steady = time.time(), time.monotonic()

    def jump(self, what: str) -> float:
        """Seconds by which the wall clock ran ahead (or, negative, back) since, 0 when it kept step; logs a jump."""
        steady = time.monotonic() - self._steady
        ahead = time.time() - self._wall - steady
        if abs(ahead) <= TOLERANCE_SECONDS + SLEW * steady:
            return 0.0
        log.warning("the clock jumped by %+.1f s during %s: times stamped meanwhile don't compare", ahead, what)
        return round(ahead, 1)
