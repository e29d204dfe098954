"""Delivers alerts: each failure once per channel, retried with backoff, remembered as sent only when it was.

The memory is the key-value table of Dagster's own run storage: it outlives daemons and code servers, is shared by them,
and needs no further store. A run-status sensor can't keep it: Dagster owns that sensor's cursor and moves it on even
when the sensor's function fails. Killed between sending and remembering, an alert is sent twice.
"""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Callable, Sequence
from logging import Logger

from dagster import DagsterInstance

from billio_pipeline.errors import BillioError, TransientError
from resources.channels import TIMEOUT, Channel
from resources.messages import Alert

TRIES = 3
BUDGET = 8.0  # seconds for one run's alerts: a sensor tick handles up to 5 runs and is cut off after 60 s
FIRST_WAIT = 0.3  # seconds before the second try; doubles, with jitter
CLAIM = 150.0  # seconds a run being alerted is left alone: longer than a tick may last
AGAIN = 60.0  # seconds until undelivered alerts are tried again
GIVE_UP = 2 * 86_400.0  # seconds after which an undelivered alert is dropped, with an error in the log

_PREFIX = "billio/alerts/"
_PENDING = _PREFIX + "pending"
_pending_lock = threading.Lock()  # the sensors of one code server run in threads of one process


class Memory:
    """What was sent, and which runs still have alerts to send."""

    def __init__(self, instance: DagsterInstance) -> None:
        self._table = instance.daemon_cursor_storage

    def unsent(self, root_run_id: str, alert: Alert, channels: Sequence[Channel]) -> list[Channel]:
        """The channels this failure hasn't gone out on, in any retry of the run."""
        keys = {_key(root_run_id, alert, channel): channel for channel in channels}
        known = self._table.get_cursor_values(set(keys)) if keys else {}
        return [channel for key, channel in keys.items() if key not in known]

    def remember(self, root_run_id: str, alert: Alert, channel: Channel) -> None:
        self._set(_key(root_run_id, alert, channel), f"{alert.run_id} {time.time():.0f}")

    def claim(self, run_id: str) -> None:
        """Note that the run is being alerted, so that a crash leaves a trace and nobody else starts on it meanwhile."""
        self._postpone(run_id, CLAIM)

    def release(self, run_id: str, *, delivered: bool) -> None:
        """Forget the run, or have its alerts tried again."""
        if delivered:
            self._update(lambda runs: runs.pop(run_id, None))
        else:
            self._postpone(run_id, AGAIN)

    def _postpone(self, run_id: str, seconds: float) -> None:
        now = time.time()
        self._update(lambda runs: runs.update({run_id: (runs.get(run_id, (now, now))[0], now + seconds)}))

    def due(self) -> list[str]:
        """Runs whose alerts are to be tried again now, oldest first."""
        now = time.time()
        return [run_id for run_id, (_, due) in sorted(self._pending().items(), key=lambda kv: kv[1]) if due <= now]

    def drop_older(self, seconds: float = GIVE_UP) -> list[str]:
        """Give up on runs first alerted more than `seconds` ago; returns them."""
        limit = time.time() - seconds
        old = [run_id for run_id, (first, _) in self._pending().items() if first < limit]
        if old:
            self._update(lambda runs: [runs.pop(run_id, None) for run_id in old])
        return old

    def _pending(self) -> dict[str, tuple[float, float]]:
        text = self._table.get_cursor_values({_PENDING}).get(_PENDING, "{}")
        return {run_id: (first, due) for run_id, (first, due) in json.loads(text).items()}

    def _update(self, change: Callable[[dict[str, tuple[float, float]]], object]) -> None:
        with _pending_lock:
            runs = self._pending()
            change(runs)
            self._set(_PENDING, json.dumps(runs))

    def _set(self, key: str, value: str) -> None:
        # One key per call: Dagster's SQLite storage loses the new keys of a call that also has known ones.
        self._table.set_cursor_values({key: value})


def _key(root_run_id: str, alert: Alert, channel: Channel) -> str:
    return f"{_PREFIX}sent/{root_run_id}/{alert.failure}/{channel.name}"


def deliver(
    alerts: Sequence[Alert],
    channels: Sequence[Channel],
    memory: Memory,
    root_run_id: str,
    log: Logger,
    *,
    wait: Callable[[float], None] = time.sleep,
    budget: float = BUDGET,
) -> list[str]:
    """Send what was not sent, in the given order; returns "failure via channel" for each that could not be delivered.

    A channel that can't be reached is given up for this round, the others go on. Never raises for a failed delivery.
    """
    undelivered: list[str] = []
    down: set[str] = set()
    deadlines: dict[str, float] = {}
    for alert in alerts:
        for channel in memory.unsent(root_run_id, alert, channels):
            deadline = deadlines.setdefault(channel.name, time.monotonic() + budget / len(channels))
            if channel.name in down or not _send(channel, alert, deadline, log, wait, down):
                undelivered.append(f"{alert.failure} via {channel.name}")
            else:
                memory.remember(root_run_id, alert, channel)
    return undelivered


def _send(
    channel: Channel, alert: Alert, deadline: float, log: Logger, wait: Callable[[float], None], down: set[str]
) -> bool:
    for attempt in range(TRIES):
        left = deadline - time.monotonic()
        try:
            channel.send(alert, timeout=max(0.5, min(TIMEOUT, left)))
        except TransientError as error:
            log.warning("alert %s not delivered, try %d of %d: %s", alert.failure, attempt + 1, TRIES, error)
            pause = FIRST_WAIT * 2**attempt * random.uniform(0.5, 1.0)
            if attempt + 1 == TRIES or time.monotonic() + pause >= deadline:
                down.add(channel.name)
                return False
            wait(pause)
        except BillioError as error:  # refused for good: the same alert would be refused again
            log.error("alert %s refused: %s", alert.failure, error)
            return False
        else:
            return True
    return False
