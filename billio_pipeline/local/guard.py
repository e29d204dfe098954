"""Put a database of the embedded server into DSQL mode, and know later that this came to its end."""

from __future__ import annotations

import psycopg
from psycopg import sql

from billio_pipeline.stores.sql.dsql_mode import install_guard

MARK = "billio: DSQL mode"


def is_guarded(connection: psycopg.Connection) -> bool:
    """Whether `guard_database` once came to its end in the connected database."""
    found = connection.execute(
        "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = current_database()"
    ).fetchone()
    return found == (MARK,)


def guard_database(admin_dsn: str) -> None:
    """Install the guard, as superuser because event triggers need one. Repeatable."""
    with psycopg.connect(admin_dsn, autocommit=True) as connection:
        install_guard(connection)
        mark = sql.SQL("COMMENT ON DATABASE {} IS {}")
        connection.execute(mark.format(sql.Identifier(connection.info.dbname), sql.Literal(MARK)))
