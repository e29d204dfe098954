"""The embedded PostgreSQL server: made, started, found again and stopped. One server, a database per system.

Listens on 127.0.0.1 only, scram passwords, no unix socket; UTF-8 with C collation and UTC, as Aurora DSQL has them.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from billio_pipeline.errors import ConfigurationError, TransientError
from billio_pipeline.local.account import give, server_account, server_folder
from billio_pipeline.local.binaries import find_binaries, reachable
from billio_pipeline.local.ports import HOST
from billio_pipeline.local.processes import ProcessId, stop, working_in

START_SECONDS = 60.0  # recovery after a kill included; a fresh start takes 0.2 s
POLL_SECONDS = 0.02


@dataclass(frozen=True)
class Credentials:
    """Random per data folder: the superuser who makes databases, and the ordinary role everything else uses."""

    admin: str
    admin_password: str
    role: str
    role_password: str

    @classmethod
    def random(cls) -> Credentials:
        name = secrets.token_hex(4)
        return cls(f"admin_{name}", secrets.token_urlsafe(24), f"billio_{name}", secrets.token_urlsafe(24))


class PostgresServer:
    """A server on a data folder below `folder`. `options` are server settings, on top of ours."""

    def __init__(self, folder: Path, options: Mapping[str, str] | None = None) -> None:
        self.account = server_account()
        self.folder = server_folder(folder, self.account)
        self.binaries = reachable(find_binaries(), self.account, self.folder)
        self.data = self.folder / f"data-{self.binaries.major}"
        self.log = self.folder / "postgres.log"
        self.options = dict(options or {})

    # -- the data folder ------------------------------------------------------------------------------------------

    @property
    def credentials(self) -> Credentials:
        """Kept inside the data folder, so that neither can be lost without the other."""
        return Credentials(**json.loads((self.data / "billio-credentials.json").read_text()))

    def create(self) -> None:
        """Initialise the data folder unless it is there. Half-initialised ones never get its name."""
        if (self.data / "billio-credentials.json").exists():
            return
        if self.data.exists():
            self.data.rename(self.folder / f"{self.data.name}.unusable.{int(time.time())}")
        for unfinished in self.folder.glob("new-*"):
            shutil.rmtree(unfinished)
        new, credentials = self.folder / f"new-{secrets.token_hex(4)}", Credentials.random()
        password = self._private_file(self.folder / f"{new.name}.password", credentials.admin_password)
        locale = ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        try:
            self._run(
                "initdb", f"--pgdata={new}", f"--username={credentials.admin}", f"--pwfile={password}",
                "--auth=scram-sha-256", "--encoding=UTF8", *(locale if self.binaries.major >= 17 else locale[:1]),
                *(["--no-sync"] if self.options.get("fsync") == "off" else []),
            )  # fmt: skip
        finally:
            password.unlink()
        self._private_file(new / "billio-credentials.json", json.dumps(asdict(credentials)))
        new.rename(self.data)

    def _private_file(self, path: Path, text: str) -> Path:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
        give(path, self.account)
        return path

    # -- the process ----------------------------------------------------------------------------------------------

    def running(self) -> tuple[ProcessId, int] | None:
        """The postmaster of our data folder and its port, whoever started it; None when it isn't ready."""
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return None
        if len(lines) < 8 or lines[7].strip() != "ready":
            return None
        found = next((process for process in self._processes() if process.pid == int(lines[0])), None)
        return (found, int(lines[3])) if found else None

    def start(self, port: int) -> ProcessId:
        """Start and wait until it answers. Raises TransientError with the log's end when it doesn't."""
        self.create()
        self._clear_remnants()
        settings = {
            "listen_addresses": HOST, "port": str(port), "unix_socket_directories": "", "timezone": "UTC",
            "log_timezone": "UTC", "max_connections": "200", "logging_collector": "off", **self.options,
        }  # fmt: skip
        arguments = [item for name, value in settings.items() for item in ("-c", f"{name}={value}")]
        with self.log.open("ab") as log:
            child = subprocess.Popen(
                [self.binaries.bin / "postgres", "-D", self.data, *arguments],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.data, env=_environment(),
                start_new_session=True, **(self.account.popen() if self.account else {}),
            )  # type: ignore[call-overload]  # fmt: skip
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and child.poll() is None:
            found = self.running()
            if found and found[0].pid == child.pid and self._answers(port):
                return found[0]
            time.sleep(POLL_SECONDS)
        if child.poll() is None:
            child.kill()
            child.wait()
        raise TransientError(f"PostgreSQL did not start on port {port}: {self._last_words()}", log=str(self.log))

    def stop(self) -> None:
        """Fast stop of the postmaster and of anything that outlived one. Fine when nothing runs."""
        found = self.running()
        if found:
            stop(found[0], signal.SIGINT)
        self._clear_remnants()

    def _processes(self) -> list[ProcessId]:
        # PostgreSQL's processes, the postmaster and its backends, work inside the data folder.
        return working_in(self.data, lambda process: process.name() == "postgres")

    def _clear_remnants(self) -> None:
        """After a kill: let the backends see that their postmaster died, end what doesn't, drop a stale pid file.

        Only with no process left in the data folder is the pid file stale for certain, whoever has its pid by now.
        """
        for process in self._processes():
            stop(process, signal.SIGQUIT, seconds=10)
        if not self._processes():
            (self.data / "postmaster.pid").unlink(missing_ok=True)

    def _answers(self, port: int) -> bool:
        try:
            with psycopg.connect(self.admin_dsn(port, "postgres"), connect_timeout=5):
                return True
        except psycopg.OperationalError:
            return False

    def _last_words(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines()
        return next((line for line in reversed(lines) if "FATAL" in line or "ERROR" in line), "see its log")

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [self.binaries.bin / program, *arguments],
            capture_output=True, text=True, env=_environment(), cwd=self.folder,
            **(self.account.popen() if self.account else {}),
        )  # type: ignore[call-overload]  # fmt: skip
        if done.returncode:
            raise ConfigurationError(
                f"{program} failed: {done.stderr.strip() or done.stdout.strip()}",
                remedy=f"Look at {self.folder}: is there room, and may its owner write there?",
            )

    # -- databases ------------------------------------------------------------------------------------------------

    def admin_dsn(self, port: int, database: str) -> str:
        known = self.credentials
        return dsn(port, database, known.admin, known.admin_password)

    def role_dsn(self, port: int, database: str) -> str:
        known = self.credentials
        return dsn(port, database, known.role, known.role_password)

    def ensure_database(self, port: int, name: str, template: str | None = None) -> bool:
        """Create the ordinary role and its database unless there. True when the database is new."""
        known = self.credentials
        role, database = sql.Identifier(known.role), sql.Identifier(name)
        with psycopg.connect(self.admin_dsn(port, "postgres"), autocommit=True) as connection:
            if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [known.role]).fetchone():
                password = sql.Literal(known.role_password)
                connection.execute(sql.SQL("CREATE ROLE {} LOGIN CREATEDB PASSWORD {}").format(role, password))
            if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
                return False
            made = sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE {}")
            connection.execute(made.format(database, role, sql.Identifier(template or "template0")))
            return True


def dsn(port: int, database: str, user: str, password: str) -> str:
    """A URL that psycopg and plain psql both read. User and password are made of URL-safe characters."""
    url = f"postgresql://{user}:{password}@{HOST}:{port}/{database}"
    make_conninfo(url)  # refuses what libpq could not read
    return url


def _environment() -> dict[str, str]:
    """What a server inherits: no PG* variable, no secret, a fixed locale."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}
