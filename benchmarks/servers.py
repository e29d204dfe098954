"""The bench's own PostgreSQL: fsync on, the settings `billio stack` gives; a fresh database for each run."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from billio_pipeline.local.guard import guard_database
from billio_pipeline.local.ports import free_port
from billio_pipeline.local.postgres import PostgresServer


@dataclass(frozen=True)
class Server:
    """A running server."""

    postgres: PostgresServer
    port: int
    pid: int

    @property
    def psql(self) -> Path:
        return self.postgres.binaries.bin / "psql"

    @contextmanager
    def database(self, *, guarded: bool = False) -> Iterator[str]:
        """DSN of a fresh database, in DSQL mode if `guarded`; dropped afterwards. What came before is on disk."""
        name = f"bench_{secrets.token_hex(6)}"
        self.postgres.ensure_database(self.port, name)
        if guarded:
            guard_database(self.postgres.admin_dsn(self.port, name))
        self._as_admin(sql.SQL("CHECKPOINT"))
        try:
            yield self.postgres.role_dsn(self.port, name)
        finally:
            self._as_admin(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def settings(self) -> dict[str, str]:
        """The settings a load depends on, as the server has them."""
        names = ("server_version", "fsync", "synchronous_commit", "full_page_writes", "shared_buffers", "max_wal_size")
        with psycopg.connect(self.postgres.admin_dsn(self.port, "postgres")) as connection:
            rows = connection.execute("SELECT name, current_setting(name) FROM unnest(%s::text[]) name", [list(names)])
            return dict(rows.fetchall())

    def _as_admin(self, statement: sql.SQL | sql.Composed) -> None:
        with psycopg.connect(self.postgres.admin_dsn(self.port, "postgres"), autocommit=True) as connection:
            connection.execute(statement)


@contextmanager
def started(folder: Path) -> Iterator[Server]:
    """A server on a data folder below `folder`, stopped whatever happens. One left by a killed bench is stopped too."""
    postgres = PostgresServer(folder)
    postgres.stop()
    port = free_port()
    try:
        yield Server(postgres, port, postgres.start(port).pid)
    finally:
        postgres.stop()


def libpq_environment(dsn: str) -> dict[str, str]:
    """A DSN as libpq's variables: a password has no place on a command line, where everybody can read it."""
    names = {"host": "PGHOST", "port": "PGPORT", "user": "PGUSER", "password": "PGPASSWORD", "dbname": "PGDATABASE"}
    return {names[key]: str(value) for key, value in conninfo_to_dict(dsn).items() if key in names}
