"""`billio dev` and what it supervises end together, whatever ends it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from servers import working_below

from billio_pipeline.local.ports import free_port, is_free
from billio_pipeline.settings import Settings

pytestmark = pytest.mark.slow

DEV = [sys.executable, "-c", "import typer; from billio_pipeline.cli.dev import dev; typer.run(dev)", "--no-demo"]

# A program with a child and a grandchild, none of which heeds SIGINT: only the group's end is their end.
TREE = """
import signal, subprocess, sys, time
signal.signal(signal.SIGINT, signal.SIG_IGN)
if len(sys.argv) > 1:
    subprocess.Popen([sys.executable, __file__, *sys.argv[2:]])
while True:
    time.sleep(60)
"""
SUPERVISE = """
import os, sys
from pathlib import Path
import psutil
from billio_pipeline.local import supervise
from billio_pipeline.local.supervise import Foreground

supervise.STOP_SECONDS = 1.0
folder = Path(sys.argv[1])
with Foreground(folder / "note.json") as foreground:
    print("cleared" if foreground.clear_up("it") else "nothing to clear", flush=True)
    def ready():
        members = psutil.Process().children(recursive=True)
        if len(members) == 3:
            print(*(member.pid for member in members), flush=True)
        return len(members) == 3
    ended = foreground.run([sys.executable, str(folder / "tree.py"), "a", "b"], os.environ, folder, ready)
    print(ended.by.name, flush=True)
"""


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "tree.py").write_text(textwrap.dedent(TREE))
    yield tmp_path
    for left in working_below(tmp_path):
        left.kill()


@contextmanager
def running(command: list[str], **options: Any) -> Iterator[subprocess.Popen[str]]:
    """A process whose stdout is read by the test; ended with it, also when the test fails."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **options)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(90)  # not communicate: what a killed one leaves holds the pipe open
        for pipe in filter(None, (process.stdout, process.stderr)):
            pipe.close()


def supervise(folder: Path, **options: Any) -> AbstractContextManager[subprocess.Popen[str]]:
    return running([sys.executable, "-c", SUPERVISE, str(folder)], stderr=subprocess.PIPE, **options)


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    read = process.stdout.readline().strip()
    assert read or process.poll() is None, process.stderr.read() if process.stderr else ""
    return read


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda sent: sent.name)
def test_a_signal_ends_the_program_and_all_it_started(tree: Path, sent: signal.Signals) -> None:
    # SIGINT ignored from the start, as a shell does for a command started with `&`.
    with supervise(tree, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN)) as process:
        assert line(process) == "nothing to clear"
        members = [psutil.Process(int(pid)) for pid in line(process).split()]
        process.send_signal(sent)
        assert line(process) == sent.name
        assert process.wait(30) == 0
    assert not any(member.is_running() for member in members)
    assert not (tree / "note.json").exists()


def test_what_a_killed_supervisor_left_is_ended_by_the_next(tree: Path) -> None:
    with supervise(tree) as killed:
        line(killed)
        left = [psutil.Process(int(pid)) for pid in line(killed).split()]
        killed.kill()
        killed.wait()
    assert all(process.is_running() for process in left)
    with supervise(tree) as process:
        assert line(process) == "cleared"
        line(process)
        assert not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in left)


def test_a_second_one_beside_a_running_one_is_refused(tree: Path) -> None:
    with supervise(tree) as first:
        line(first)
        line(first)
        with supervise(tree) as second:
            _, complaint = second.communicate(timeout=30)
        assert second.returncode == 1
        assert f"already runs (pid {first.pid})" in complaint
        assert first.poll() is None


def environment(settings: Settings) -> dict[str, str]:
    return os.environ | {"BILLIO_HOME": str(settings.home), "DAGSTER_HOME": str(settings.dagster_home)}


def test_ctrl_c_stops_dagster_and_the_stack_and_leaves_no_process(settings: Settings) -> None:
    port = free_port()
    command = [*DEV, "--port", str(port), "--json"]
    log = (settings.home / "dev.log").open("w")  # a pipe nobody reads would stop Dagster once it is full
    with (
        log,
        subprocess.Popen(command, env=environment(settings), stdout=subprocess.PIPE, stderr=log, text=True) as process,
    ):
        assert line(process) == "{"
        assert f"http://127.0.0.1:{port}" in line(process)
        members = psutil.Process(process.pid).children(recursive=True)
        assert any("dagster_webserver" in " ".join(member.cmdline()) for member in members)
        assert working_below(settings.home)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=90)
        assert process.returncode == 0, (settings.home / "dev.log").read_text()
    assert [member for member in members if member.is_running()] == []
    assert working_below(settings.home) == []
    assert is_free(port)


def test_a_taken_port_is_explained_and_nothing_is_left_running(settings: Settings) -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        done = subprocess.run(
            [*DEV, "--port", str(port)], env=environment(settings), capture_output=True, text=True, check=False
        )
    assert done.returncode == 2
    assert f"port {port} on 127.0.0.1 is in use" in done.stderr
    assert "--port" in done.stderr
    assert working_below(settings.home) == []
