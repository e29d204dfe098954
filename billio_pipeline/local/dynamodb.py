"""The embedded DynamoDB and S3 API: ministack as a child process on 127.0.0.1, its tables saved when it stops."""

from __future__ import annotations

import contextlib
import http.client
import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from billio_pipeline.errors import ConfigurationError, TransientError
from billio_pipeline.local.ports import HOST
from billio_pipeline.local.processes import ProcessId, stop, working_in

START_SECONDS = 60.0
POLL_SECONDS = 0.05
SERVICES = "dynamodb,s3"
# ministack takes any key; these keep boto3 from looking for real ones.
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local"}


class DynamoDbServer:
    """ministack in `folder`. With `persist`, tables and objects survive an orderly stop; a kill loses what it held."""

    def __init__(self, folder: Path, *, persist: bool = True) -> None:
        self.folder = folder
        self.persist = persist
        self.log = folder / "ministack.log"

    def running(self) -> tuple[ProcessId, int] | None:
        """Our process and its port, whoever started it; None when it doesn't answer."""
        try:
            port = int((self.folder / "port").read_text())
        except (OSError, ValueError):
            return None
        found = self._processes()
        return (found[0], port) if found and healthy(port) else None

    def start(self, port: int) -> ProcessId:
        """Start and wait until it is healthy. Raises ConfigurationError (not installed) or TransientError."""
        if importlib.util.find_spec("ministack") is None:
            raise ConfigurationError(
                "ministack, the embedded DynamoDB API, is not installed",
                remedy="Install the extra `local` (make setup does), or set BILLIO_DYNAMODB_ENDPOINT.",
            )
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.stop()
        with self.log.open("ab") as log:
            child = subprocess.Popen(
                [sys.executable, "-m", "ministack"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder, env=self._environment(port),
                start_new_session=True,
            )  # fmt: skip
        (self.folder / "port").write_text(str(port))
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and child.poll() is None:
            if healthy(port) and child.poll() is None:
                found = ProcessId.of(child.pid)
                if found:
                    return found
            time.sleep(POLL_SECONDS)
        if child.poll() is None:
            child.kill()
            child.wait()
        raise TransientError(f"ministack did not start on port {port}: see its log", log=str(self.log))

    def stop(self) -> None:
        """Stop it, saving its tables. Fine when nothing runs."""
        for process in self._processes():
            stop(process, signal.SIGTERM)

    def _processes(self) -> list[ProcessId]:
        return working_in(self.folder, lambda process: process.cmdline()[1:3] == ["-m", "ministack"])

    def _environment(self, port: int) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "VIRTUAL_ENV") if name in os.environ}
        state = str(self.folder / "state")
        return kept | CREDENTIALS | {
            "BIND_HOST": HOST, "GATEWAY_PORT": str(port), "SERVICES": SERVICES, "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0", "LOG_LEVEL": "WARNING", "HOME": str(self.folder), "TMPDIR": str(self.folder),
            "PERSIST_STATE": str(int(self.persist)), "STATE_DIR": state,
            "S3_PERSIST": str(int(self.persist)), "S3_DATA_DIR": str(self.folder / "objects"),
            # Never a container daemon: it looks for one of its own at start and stop.
            "DOCKER_HOST": "unix:///nonexistent",
        }  # fmt: skip


def healthy(port: int) -> bool:
    """Whether a ministack with our services answers on 127.0.0.1:port."""
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    with contextlib.closing(connection):
        try:
            connection.request("GET", "/_ministack/health")
            answer = json.loads(connection.getresponse().read())
        except (OSError, http.client.HTTPException, ValueError):
            return False
    return isinstance(answer, dict) and set(SERVICES.split(",")) <= set(answer.get("services", ()))
