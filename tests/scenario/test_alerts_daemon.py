"""Failed checks alert, under a live daemon, against a webhook this test serves."""

import importlib.util
import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import dagster as dg
import pytest

LOCATION = Path(__file__).with_name("alerts_location.py")
ROOT = Path(__file__).parents[2]
CONFIG = """
telemetry: {enabled: false}
nux: {enabled: false}
run_retries: {enabled: true, max_retries: 0}
run_coordinator: {module: dagster._core.run_coordinator, class: DefaultRunCoordinator}
"""
DEADLINE = 120.0  # seconds; about 30 are needed on two idle cores


class Hook(ThreadingHTTPServer):
    """Collects what is posted. The first post is answered 503: it must come again, and count once."""

    daemon_threads = True

    def __init__(self):
        self.received: list[dict] = []
        self.refused = 0
        self.lock = threading.Lock()
        super().__init__(("127.0.0.1", 0), Receiver)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/hooks/SECRET-PATH"


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.lock:
            refuse = self.server.refused == 0
            self.server.refused += refuse
            if not refuse:
                self.server.received.append(body)
        self.send_response(503 if refuse else 200)
        self.end_headers()

    def log_message(self, *args):
        """Not into the test's output."""


@pytest.fixture
def hook():
    server = Hook()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


@contextmanager
def daemon(home: Path, hook: Hook):
    """A dagster-daemon with its code server in a process group of its own, ended with all it started."""
    environment = {
        **os.environ,
        "DAGSTER_HOME": str(home),
        "BILLIO_ALERT_WEBHOOK_URL": hook.url,
        "ALERTS_TEST_GO": str(home / "go"),
        "NO_PROXY": "127.0.0.1",
    }
    command = [sys.executable, "-m", "dagster._daemon", "run", "-f", str(LOCATION), "-d", str(ROOT)]
    with (home / "daemon.log").open("w") as log:
        process = subprocess.Popen(
            command, env=environment, stdout=log, stderr=subprocess.STDOUT, cwd=ROOT, start_new_session=True
        )
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def wait_for(what, condition, process, home):
    """Poll until `condition()` is truthy; explain with the daemon's log when it dies or time is up."""
    until = time.monotonic() + DEADLINE
    while time.monotonic() < until and process.poll() is None:
        if answer := condition():
            return answer
        threading.Event().wait(0.2)
    pytest.fail(f"{what}: not within {DEADLINE} s\n{(home / 'daemon.log').read_text()[-4000:]}")


def acted_on(instance, run_id: str, sensor: str) -> bool:
    """Whether that sensor has dealt with the run: Dagster notes it in the run's own log."""
    events = instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.ENGINE_EVENT).records
    return any(f'"{sensor}" acted on run status' in (event.event_log_entry.message or "") for event in events)


def in_process_run(instance) -> dg.DagsterRun:
    """What `billio migrate` does: the assets run in this process, recorded in the same DAGSTER_HOME."""
    spec = importlib.util.spec_from_file_location("alerts_location", LOCATION)
    location = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(location)
    assets = [location.season, location.game]
    result = dg.materialize(assets, selection=[location.GAME], instance=instance, raise_on_error=False)
    assert not result.success
    return result.dagster_run


@pytest.mark.slow
def test_every_failure_alerts_once_under_a_live_daemon(tmp_path, hook):
    home = tmp_path / "home"
    home.mkdir()
    (home / "dagster.yaml").write_text(CONFIG)
    with dg.DagsterInstance.from_config(str(home)) as instance, daemon(home, hook) as process:

        def sensors_ready():
            states = {state.instigator_name: state for state in instance.all_instigator_state()}
            both = [states.get("alert_on_success"), states.get("alert_on_failure")]
            return all(state and state.instigator_data and state.instigator_data.cursor for state in both)

        wait_for("alert sensors start", sensors_ready, process, home)
        (home / "go").touch()
        failed_here = in_process_run(instance)

        def all_dealt_with():
            runs = instance.get_runs()
            retries = [run for run in runs if run.root_run_id]
            books = [run for run in runs if run.job_name == "load_books" and run.status == dg.DagsterRunStatus.SUCCESS]
            return (
                retries
                and books
                and acted_on(instance, books[0].run_id, "alert_on_success")
                and all(acted_on(instance, run.run_id, "alert_on_failure") for run in [*retries, failed_here])
            )

        wait_for("all runs are dealt with, the retry included", all_dealt_with, process, home)
        runs = {run.run_id: run for run in instance.get_runs()}

    assert hook.refused == 1
    assert len(runs) == 4  # books, seasons, the seasons' retry, ours
    by_job = {}
    for alert in hook.received:
        by_job.setdefault(alert["job"], []).append(alert)

    told = [(alert["severity"], alert["check"]) for alert in by_job["load_books"]]
    assert told == [("ERROR", "count"), ("ERROR", "rows_equal"), ("WARN", "shelves_known")]
    count = by_job["load_books"][0]
    assert (count["system"], count["entity"]) == ("billio", "Book")
    assert [count[name] for name in ("source", "target", "missing", "extra", "different")] == [10, 8, 3, 1, 2]
    assert "source 10 · target 8 · missing 3 · extra 1" in count["text"]
    assert runs[count["run_id"]].is_success
    assert count["link"] == f"http://ui.example/runs/{count['run_id']}"

    (season,) = by_job["load_seasons"]  # one for run and retry; the failed check explains the failed run
    assert (season["entity"], season["check"], season["source"], season["missing"]) == ("TvSeason", "count", 4, 4)
    assert runs[season["run_id"]].is_failure

    (here,) = by_job[failed_here.job_name]
    assert (here["kind"], here["run_id"]) == ("run", failed_here.run_id)
    assert "no route to" in here["detail"]
    assert "hunter2" not in json.dumps(hook.received)
    assert "SECRET-PATH" not in (home / "daemon.log").read_text()
