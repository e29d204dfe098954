"""The test run's own servers: one PostgreSQL and one ministack for all workers, in a folder of their own.

Never touches a user's stack: other folder, other ports, other passwords.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import tempfile
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import psycopg
from filelock import FileLock
from psycopg import sql

from billio_pipeline.local.dynamodb import DynamoDbServer
from billio_pipeline.local.guard import guard_database
from billio_pipeline.local.ports import HOST, free_port
from billio_pipeline.local.postgres import PostgresServer

RUN = "BILLIO_TEST_RUN"
PREFIX = "billio-test-"
# fsync off: the data lives for one run, and what tests do is kill processes, not cut the power; a kill loses nothing
# the kernel already has. It halves the time of DDL-heavy tests.
OPTIONS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "autovacuum": "off"}


def begin_run() -> Path:
    """The run's folder, named in the environment for the workers. Clears what killed runs left."""
    parent = _parent()
    for old in parent.glob(f"{PREFIX}*"):
        owner = old.name.removeprefix(PREFIX).split("-")[0]
        if owner.isdigit() and not psutil.pid_exists(int(owner)) and old.stat().st_uid == os.geteuid():
            end_run(old)
    folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=parent)).resolve()
    folder.chmod(0o711)  # root's PostgreSQL runs as another account, which must get through
    os.environ[RUN] = str(folder)
    return folder


def _parent() -> Path:
    """Where runs have their folders: in memory where that is roomy, for many small servers sync many small files."""
    memory = Path("/dev/shm")
    if "TMPDIR" not in os.environ and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > 4 << 30:
        return memory
    return Path(tempfile.gettempdir())


def end_run(folder: Path) -> None:
    """Stop everything that works below the folder, then remove it."""
    stop_below(folder)
    shutil.rmtree(folder, ignore_errors=True)


def working_below(folder: Path) -> list[psutil.Process]:
    """Every process, ours or not, that works in the folder or below it."""
    found: list[psutil.Process] = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            if process.pid != os.getpid() and Path(process.cwd()).is_relative_to(folder):
                found.append(process)
    return found


def stop_below(folder: Path) -> None:
    found = working_below(folder)
    for process in found:
        with contextlib.suppress(psutil.NoSuchProcess):
            # SIGQUIT: PostgreSQL's immediate stop, backends included
            process.send_signal(signal.SIGQUIT if process.name() == "postgres" else signal.SIGTERM)
    for left in psutil.wait_procs(found, timeout=20)[1]:
        left.kill()


@dataclass(frozen=True)
class TestPostgres:
    """The run's PostgreSQL. The ordinary role owns each test's database; the admin may do anything."""

    __test__ = False
    server: PostgresServer
    port: int

    def dsn(self, database: str) -> str:
        """As the application connects: not a superuser."""
        return self.server.role_dsn(self.port, database)

    def admin_dsn(self, database_or_dsn: str = "postgres") -> str:
        """The same database as superuser (event triggers, DROP DATABASE, pg_terminate_backend)."""
        name = urlsplit(database_or_dsn).path.lstrip("/") if "://" in database_or_dsn else database_or_dsn
        return self.server.admin_dsn(self.port, name)

    def create(self, template: str) -> str:
        """A fresh database copied from `template`; its name."""
        name = f"test_{secrets.token_hex(6)}"
        self.server.ensure_database(self.port, name, template)
        with psycopg.connect(self.admin_dsn(), autocommit=True) as connection:
            # CREATE DATABASE … TEMPLATE copies what is in it, not the settings made by ALTER DATABASE … SET.
            found = connection.execute(
                "SELECT unnest(setconfig) FROM pg_db_role_setting JOIN pg_database d ON d.oid = setdatabase"
                " WHERE d.datname = %s AND setrole = 0",
                [template],
            ).fetchall()
            for (setting,) in found:
                key, _, value = setting.partition("=")
                change = sql.SQL("ALTER DATABASE {} SET {} TO {}")
                connection.execute(change.format(sql.Identifier(name), sql.Identifier(key), sql.Literal(value)))
        return name

    def drop(self, name: str) -> None:
        with psycopg.connect(self.admin_dsn(), autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def shared_postgres(folder: Path) -> TestPostgres:
    """The run's server, started by whichever worker asks first."""
    with FileLock(folder / "postgres.lock"):
        server = PostgresServer(folder / "postgres", OPTIONS)
        running = server.running()
        port = running[1] if running else free_port()
        if running is None:
            server.start(port)
        made = TestPostgres(server, port)
        if not (folder / "templates").exists():
            server.ensure_database(port, "template_plain")
            server.ensure_database(port, "template_dsql")
            guard_database(made.admin_dsn("template_dsql"))
            (folder / "templates").touch()
        return made


def shared_ministack(folder: Path) -> str:
    """The endpoint of the run's DynamoDB and S3 API, started by whichever worker asks first."""
    with FileLock(folder / "ministack.lock"):
        server = DynamoDbServer(folder / "ministack", persist=False)
        running = server.running()
        port = running[1] if running else free_port()
        if running is None:
            server.start(port)
        return f"http://{HOST}:{port}"
