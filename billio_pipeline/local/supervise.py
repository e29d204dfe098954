"""Run one program with all its children in the foreground of ours: until it ends or we are told to stop, leaving none.

The program gets its own session, so Ctrl-C reaches it only through us and everything it started can be found again,
also after we were killed: the note in `record` says what to clear up.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from billio_pipeline.errors import ConfigurationError
from billio_pipeline.local.processes import ProcessId, group, stop_group

STOP_SECONDS = 20.0  # dagster dev stops its webserver, daemon and code servers one after the other
POLL_SECONDS = 0.2
STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True)
class Ended:
    """How it ended: the program's own exit code, or the signal we were stopped by."""

    code: int | None
    by: signal.Signals | None


class Foreground:
    """Takes over SIGINT, SIGTERM and SIGHUP, also where a shell had them ignored (a command started with `&`).

    Outside `run` they raise KeyboardInterrupt; during `run`, and after `hold`, they are noted and nothing is cut short.
    """

    def __init__(self, record: Path) -> None:
        self.record = record
        self._signal: signal.Signals | None = None
        self._held = False
        self._wake = threading.Event()
        self._before: dict[signal.Signals, object] = {}

    def __enter__(self) -> Foreground:
        self._before = {number: signal.signal(number, self._told) for number in STOPPING}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def hold(self) -> None:
        """From here on clearing up goes on whatever is signalled."""
        self._held = True

    def _told(self, number: int, _: FrameType | None) -> None:
        self._signal = self._signal or signal.Signals(number)
        self._wake.set()
        if not self._held:
            raise KeyboardInterrupt

    def clear_up(self, what: str) -> bool:
        """End what a killed predecessor left. True if there was something.

        Raises ConfigurationError when the predecessor still runs.
        """
        try:
            noted = json.loads(self.record.read_text())
            owner, leader = ProcessId(*noted["owner"]), ProcessId(*noted["leader"])
        except (FileNotFoundError, ValueError, TypeError, KeyError):
            return False
        if owner.alive and owner.pid != os.getpid():
            raise ConfigurationError(f"{what} already runs (pid {owner.pid})", remedy=f"Use it, or: kill {owner.pid}")
        left = group(leader)
        stop_group(leader, signal.SIGTERM, seconds=STOP_SECONDS)
        self.record.unlink()
        return bool(left)

    def run(
        self, command: Sequence[str], env: Mapping[str, str], cwd: Path, ready: Callable[[], bool], quiet: bool = False
    ) -> Ended:
        """Run until the program ends or a signal comes. `ready` is polled until it says True, then no more.

        With `quiet` what it writes to stdout goes to our stderr: stdout is for JSON then.
        """
        self.hold()
        stdout = sys.stderr.fileno() if quiet else None
        child = subprocess.Popen(
            command, env=dict(env), cwd=cwd, stdin=subprocess.DEVNULL, stdout=stdout, start_new_session=True
        )
        leader, owner = ProcessId.of(child.pid), ProcessId.of(os.getpid())
        if leader is not None and owner is not None:
            note = {"owner": [owner.pid, owner.started], "leader": [leader.pid, leader.started]}
            self.record.write_text(json.dumps(note))
        is_ready = False
        try:
            while self._signal is None and child.poll() is None:
                is_ready = is_ready or ready()
                self._wake.wait(POLL_SECONDS)
        finally:
            if leader is not None:
                # The leader first: it knows the order. What is left of its session afterwards goes too.
                _leader_first(child)
                stop_group(leader, signal.SIGTERM, seconds=STOP_SECONDS)
            self.record.unlink(missing_ok=True)
        return Ended(child.poll() if self._signal is None else None, self._signal)


def _leader_first(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is None:
        # SIGINT: dagster dev tells its services to stop on it; SIGTERM would just end it, and leave them.
        child.send_signal(signal.SIGINT)
        try:
            child.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
