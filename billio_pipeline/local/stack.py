"""The embedded stack: PostgreSQL in DSQL mode and a DynamoDB/S3 API, as background processes of this user.

They outlive the command that started them; `down` stops every one. What runs is found by looking, not by believing
the state file, so a killed stack, a lost file or a reused pid is recovered from on the next `up`.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Protocol
from urllib.parse import urlsplit

import psycopg
from filelock import FileLock, Timeout
from psycopg.conninfo import conninfo_to_dict

from billio_pipeline.errors import ConfigurationError, TransientError
from billio_pipeline.local.dynamodb import DynamoDbServer
from billio_pipeline.local.ports import HOST, choose_port, is_free
from billio_pipeline.local.postgres import PostgresServer
from billio_pipeline.local.processes import ProcessId
from billio_pipeline.local.state import StackState, load, save
from billio_pipeline.settings import Settings

DATABASE = "billio"
LOCK_SECONDS = 180.0  # a first start in another process takes seconds; this only ends a wait on a stuck one
START_TRIES = 3  # a free port may be taken between choosing it and listening on it


class Server(Protocol):
    """What the stack needs of a component."""

    def running(self) -> tuple[ProcessId, int] | None: ...
    def start(self, port: int) -> ProcessId: ...
    def stop(self) -> None: ...


@dataclass(frozen=True)
class Component:
    """One line of `stack status`. `where` holds no password."""

    name: str
    running: bool
    healthy: bool
    where: str
    pid: int | None


@dataclass(frozen=True)
class Wanted:
    """Where a component shall listen: the port configured by `variable`, else the last one, else any."""

    name: str
    variable: str
    port: int | None
    last: int | None


@dataclass(frozen=True)
class Started:
    pid: int
    port: int
    now: bool


class Stack:
    """The stack whose state is in `settings.home / "stack"`. Every method is safe to repeat and to run concurrently."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.folder = settings.home / "stack"
        self.state_file = self.folder / "state.json"

    def up(self, say: Callable[[str], None] = lambda _: None) -> StackState:
        """Start what isn't running; healthy on return. `say` gets one line per thing done.

        Raises ConfigurationError: home not writable, a configured port in use, no PostgreSQL to be found.
        """
        with self._locked():
            before = self.state()
            pids: dict[str, int] = {}
            ports = dict(before.ports) if before else {}
            target, admin, endpoint = self.settings.target or "", None, ""
            if not self._external_target():
                wanted = Wanted(
                    "PostgreSQL", "BILLIO_POSTGRES_PORT", self.settings.postgres_port, ports.get("postgres")
                )
                postgres = self._postgres()
                started = self._ensure(postgres, wanted, say)
                pids["postgres"], ports["postgres"] = started.pid, started.port
                target, admin = self._database(postgres, started)
            if not self._external_api():
                wanted = Wanted(
                    "DynamoDB API", "BILLIO_DYNAMODB_PORT", self.settings.dynamodb_port, ports.get("dynamodb")
                )
                started = self._ensure(self._dynamodb(), wanted, say)
                pids["dynamodb"], ports["dynamodb"] = started.pid, started.port
                endpoint = _url(started.port)
            state = StackState(
                target,
                admin,
                endpoint
                if self._own_endpoint(self.settings.dynamodb_endpoint)
                else self.settings.dynamodb_endpoint or "",
                endpoint if self._own_endpoint(self.settings.s3_endpoint) else self.settings.s3_endpoint or "",
                pids,
                ports,
            )
            save(self.state_file, state)
            return state

    def database(self, name: str) -> str:
        """The DSN of a plain database of this name on the embedded server, made if need be. The stack must be up."""
        with self._locked():
            state = self.state()
            if state is None or "postgres" not in state.ports:
                raise ConfigurationError("no embedded PostgreSQL runs", remedy="Start it: billio stack up.")
            postgres = self._postgres()
            postgres.ensure_database(state.ports["postgres"], name)
            return postgres.role_dsn(state.ports["postgres"], name)

    def down(self) -> bool:
        """Stop everything, data kept. False when nothing ran."""
        if not self.folder.exists():
            return False
        with self._locked():
            ran = False
            for server in self._servers():
                ran = ran or server.running() is not None
                server.stop()
            if state := self.state():
                save(self.state_file, replace(state, pids={}))
            return ran

    def status(self) -> list[Component]:
        """What runs and whether it answers, asked of the processes themselves. Starts and changes nothing."""
        return [self._postgres_status(), self._dynamodb_status()]

    def state(self) -> StackState | None:
        """As last saved: addresses and ports of a stack that may be down."""
        return load(self.state_file)

    # -- parts ----------------------------------------------------------------------------------------------------

    def _postgres(self) -> PostgresServer:
        return PostgresServer(self.folder / "postgres")

    def _dynamodb(self) -> DynamoDbServer:
        return DynamoDbServer(self.folder / "dynamodb")

    def _servers(self) -> Iterator[Server]:
        yield self._dynamodb()
        state = self.state()
        if not self._external_target() or (state is not None and "postgres" in state.ports):
            yield self._postgres()

    def _external_target(self) -> bool:
        """A configured target that isn't this stack's own (as it is after `eval "$(billio stack env)"`)."""
        return self.settings.target is not None and not owns_target(self.state(), self.settings.target)

    def _external_api(self) -> bool:
        """Both DynamoDB and S3 are configured elsewhere."""
        settings = self.settings
        return not self._own_endpoint(settings.dynamodb_endpoint) and not self._own_endpoint(settings.s3_endpoint)

    def _own_endpoint(self, configured: str | None) -> bool:
        state = self.state()
        return configured is None or (state is not None and configured == _url(state.ports.get("dynamodb", 0)))

    def _ensure(self, server: Server, wanted: Wanted, say: Callable[[str], None]) -> Started:
        """The component running on a port that suits, started if need be."""
        found = server.running()
        if found and wanted.port in (None, found[1]):
            return Started(found[0].pid, found[1], now=False)
        if found or wanted.port is not None:
            server.stop()  # it runs on another port than configured, or a remnant of ours holds the configured one
        for attempt in range(START_TRIES):
            port = choose_port(wanted.variable, wanted.port, wanted.last if attempt == 0 else None)
            say(f"starting {wanted.name} on {HOST}:{port}")
            try:
                return Started(server.start(port).pid, port, now=True)
            except TransientError:
                if attempt + 1 == START_TRIES or is_free(port):
                    raise  # not for the port's sake
        raise AssertionError("the last try returns or raises")

    def _database(self, postgres: PostgresServer, started: Started) -> tuple[str, str]:
        """DSNs of our database in DSQL mode, for the ordinary role and for the admin."""
        from billio_pipeline.local.guard import guard_database, is_guarded

        admin = postgres.admin_dsn(started.port, DATABASE)
        postgres.ensure_database(started.port, DATABASE)
        with psycopg.connect(admin, autocommit=True) as connection:
            guarded = is_guarded(connection)
        # Again after each start, for a newer guard; never under a running load, whose tables it would lock.
        if started.now or not guarded:
            guard_database(admin)
        return postgres.role_dsn(started.port, DATABASE), admin

    def _postgres_status(self) -> Component:
        if self._external_target():
            dsn = self.settings.target or ""
            return Component("postgres", True, _connects(dsn), "configured target", None)
        if not self.folder.exists():
            return Component("postgres", False, False, "", None)
        server = self._postgres()
        found = server.running()
        if found is None:
            return Component("postgres", False, False, "", None)
        process, port = found
        return Component("postgres", True, _connects(server.role_dsn(port, DATABASE)), f"{HOST}:{port}", process.pid)

    def _dynamodb_status(self) -> Component:
        if self._external_api():
            return Component(
                "dynamodb", True, _listens(self.settings.dynamodb_endpoint or ""), "configured endpoint", None
            )
        found = self._dynamodb().running()
        if found is None:
            return Component("dynamodb", False, False, "", None)
        return Component("dynamodb", True, True, f"http://{HOST}:{found[1]}", found[0].pid)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One command at a time. The lock belongs to a process: a killed one leaves none behind."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.folder.chmod(0o711)  # others pass through to PostgreSQL's folder, nobody lists this one
            lock = FileLock(self.folder / "lock", timeout=LOCK_SECONDS)
            lock.acquire()
        except Timeout as error:
            raise TransientError(
                f"another billio command has been starting or stopping the stack for {LOCK_SECONDS:.0f} s",
                remedy="Wait for it or end it, then try again.",
            ) from error
        except OSError as error:
            raise ConfigurationError(
                f"{self.folder} can't be written: {error}", remedy="Set BILLIO_HOME to a folder of your own."
            ) from error
        try:
            yield
        finally:
            lock.release()


def owns_target(state: StackState | None, target: str) -> bool:
    """Whether a DSN is that of this stack's own random role, at whatever port."""
    if state is None or state.admin_dsn is None or target.startswith("dsql://"):
        return False
    try:
        asked = conninfo_to_dict(target)
    except psycopg.ProgrammingError:
        return False
    own = conninfo_to_dict(state.postgres_dsn)
    return all(asked.get(part) == own.get(part) for part in ("user", "host", "dbname"))


def _url(port: int) -> str:
    return f"http://{HOST}:{port}"


def _listens(endpoint: str) -> bool:
    """Whether something accepts connections at an endpoint URL."""
    parts = urlsplit(endpoint)
    try:
        with socket.create_connection(
            (parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)), 5
        ):
            return True
    except OSError:
        return False


def _connects(dsn: str) -> bool:
    try:
        with psycopg.connect(dsn, connect_timeout=5) as connection:
            return connection.execute("SELECT 1").fetchone() == (1,)
    except psycopg.Error:
        return False
