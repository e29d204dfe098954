"""A SQL target: one pool of connections to a PostgreSQL, to one in DSQL mode, or to Aurora DSQL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg_pool import ConnectionPool

from billio_pipeline.errors import ConfigurationError
from billio_pipeline.settings import Settings
from billio_pipeline.stores.sql import aws
from billio_pipeline.stores.sql.address import Address, parse
from billio_pipeline.stores.sql.connect import PACE, probe, session
from billio_pipeline.stores.sql.dsql_mode import DsqlModeConnection
from billio_pipeline.stores.sql.profiles import DSQL, POSTGRES, Profile

CONNECTIONS = 8
MOST_CONNECTIONS = 32
# Aurora DSQL cuts a connection after 60 minutes, the pool's own default age; 45 leave the last transaction its time.
LIFETIME_SECONDS = 2_700
IDLE_SECONDS = 300
# How long a thread waits for a connection; the retry loop asks again, so an outage is borne much longer than this.
CHECKOUT_SECONDS = 15
CLOSE_SECONDS = 3


class Target:
    """An open target: `profile` says how SQL is written for it, `name` where it is (without secrets).

    Connections are autocommitting, prepare nothing, and return to the pool when their block ends.
    """

    def __init__(self, name: str, profile: Profile, pool: ConnectionPool[psycopg.Connection[Any]]) -> None:
        self.name = name
        self.profile = profile
        self._pool = pool

    @classmethod
    def open(cls, dsn: str, settings: Settings, *, connections: int | None = None) -> Target:
        """Connect once, find out what answers, and open a pool of at most `connections` (32 at most, 8 by default).

        Raises ConfigurationError in less than 5 s when the DSN is malformed or nothing usable answers.
        """
        size = CONNECTIONS if connections is None else connections
        if not 1 <= size <= MOST_CONNECTIONS:
            raise ConfigurationError(f"{size} connections asked for", remedy=f"Ask for 1 to {MOST_CONNECTIONS}.")
        address = parse(dsn)
        opened: type[psycopg.Connection[Any]] = aws.connection_class() if address.aurora else psycopg.Connection
        params = session(address, "dsql" if address.aurora else "postgres", settings)
        kind = probe(address, lambda: opened.connect(**params, **_BEHAVIOUR))
        if kind == "dsql-mode":
            opened, params = DsqlModeConnection, session(address, kind, settings)
        return cls(address.name, POSTGRES if kind == "postgres" else DSQL, _pool(address, opened, params, size))

    @contextmanager
    def connection(self) -> Iterator[psycopg.Connection[Any]]:
        """A live connection for the block. Raises psycopg_pool.PoolTimeout when none comes in CHECKOUT_SECONDS."""
        with self._pool.connection() as connection:
            yield connection

    def close(self) -> None:
        """Close idle connections now, those in use when they come back. Returns within seconds, always."""
        self._pool.close(timeout=CLOSE_SECONDS)

    def __enter__(self) -> Target:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Target {self.name} {self.profile.name}>"


# Prepared statements would make psycopg send DEALLOCATE ALL after a rollback, which Aurora DSQL refuses.
_BEHAVIOUR: dict[str, Any] = {"autocommit": True, "prepare_threshold": None}


def _pool(
    address: Address, kind: type[psycopg.Connection[Any]], params: dict[str, Any], size: int
) -> ConnectionPool[psycopg.Connection[Any]]:
    def paced() -> dict[str, Any]:
        PACE()
        return {**params, **_BEHAVIOUR}

    return ConnectionPool(
        "",
        connection_class=kind,
        kwargs=paced,
        min_size=0,
        max_size=size,
        name=address.name,
        open=True,
        timeout=CHECKOUT_SECONDS,
        max_lifetime=LIFETIME_SECONDS,
        max_idle=IDLE_SECONDS,
        reconnect_timeout=CHECKOUT_SECONDS,
        check=_alive,
    )


def _alive(connection: psycopg.Connection[Any]) -> None:
    """Raise when the server has dropped the connection since it was last used, so that the pool replaces it."""
    connection.execute("SELECT 1")
