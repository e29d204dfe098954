"""Who is running: processes known by pid and start time, found again by their working folder, stopped and waited for.

A pid alone is never trusted: it may belong to another program by now. Never signals a process it did not identify.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

STOP_SECONDS = 30.0  # PostgreSQL's fast stop writes a checkpoint first; ministack saves its tables
KILL_SECONDS = 10.0


@dataclass(frozen=True)
class ProcessId:
    """One process for good: `started` (seconds since the epoch) tells it from a later one with the same pid."""

    pid: int
    started: float

    @classmethod
    def of(cls, pid: int) -> ProcessId | None:
        """The running process with this pid; None when there is none (a zombie counts as none)."""
        try:
            process = psutil.Process(pid)
            if process.status() == psutil.STATUS_ZOMBIE:
                return None
            return cls(pid, process.create_time())
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            return None

    @property
    def alive(self) -> bool:
        now = ProcessId.of(self.pid)
        return now is not None and abs(now.started - self.started) < 1.0


def working_in(folder: Path, is_ours: Callable[[psutil.Process], bool]) -> list[ProcessId]:
    """Processes of ours whose working folder is `folder`: what a lost state file or a killed parent left behind.

    `is_ours` tells a server from, say, a shell somebody opened in its folder.
    """
    wanted = str(folder.resolve())
    found: list[ProcessId] = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            # A zombie's folder can't be read: it is not reported, and it holds nothing any more.
            if process.cwd() == wanted and is_ours(process):
                found.append(ProcessId(process.pid, process.create_time()))
    return found


def stop(process: ProcessId, sent: signal.Signals, *, seconds: float = STOP_SECONDS) -> bool:
    """Ask one process to stop, then kill its group. True when it stopped on being asked (or was gone)."""
    if not process.alive:
        return True
    handle = psutil.Process(process.pid)
    with contextlib.suppress(psutil.NoSuchProcess):
        handle.send_signal(sent)
    if _gone(handle, seconds):
        return True
    kill_group(process)
    _gone(handle, KILL_SECONDS)
    return False


def stop_group(process: ProcessId, sent: signal.Signals, *, seconds: float = STOP_SECONDS) -> bool:
    """Signal a process we started in its own session and everything in its group; kill what remains after `seconds`."""
    members = group(process)
    for member in members:
        with contextlib.suppress(psutil.NoSuchProcess):
            member.send_signal(sent)
    _, left = psutil.wait_procs(members, timeout=seconds)
    for member in left:
        with contextlib.suppress(psutil.NoSuchProcess):
            member.kill()
    psutil.wait_procs(left, timeout=KILL_SECONDS)
    return not left


def group(process: ProcessId) -> list[psutil.Process]:
    """All processes of the session that `process` leads, itself first, whether or not it still lives."""
    leader = process.pid
    found: list[psutil.Process] = []
    for other in psutil.process_iter():
        with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError, PermissionError):
            # started >= leader's: a session id is only reused once the whole old session is gone.
            if os.getsid(other.pid) == leader and other.create_time() >= process.started - 1.0:
                found.append(other)
    return sorted(found, key=lambda other: other.pid != leader)


def kill_group(process: ProcessId) -> None:
    """SIGKILL everything in the session that `process` leads."""
    for member in group(process):
        with contextlib.suppress(psutil.NoSuchProcess):
            member.kill()


def _gone(handle: psutil.Process, seconds: float) -> bool:
    gone, _ = psutil.wait_procs([handle], timeout=seconds)
    return bool(gone) or ProcessId.of(handle.pid) is None
