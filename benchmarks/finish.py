"""The table before and after a competitor's load: the same DDL for all, a key where the competitor made none."""

from __future__ import annotations

import psycopg

from assets.billio.model import SYSTEM
from billio_pipeline.stores.sql.ddl import create_table, statements, tables
from billio_pipeline.stores.sql.profiles import POSTGRES


def create(dsn: str) -> None:
    """The table with its primary key alone."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(create_table(tables(SYSTEM, POSTGRES)[-1]))


def finish(dsn: str) -> None:
    """Foreign key, check and the nine indexes; first the primary key, if the table has none."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        found = "SELECT 1 FROM pg_constraint WHERE conrelid = 'public.items'::regclass AND contype = 'p'"
        if connection.execute(found).fetchone() is None:
            connection.execute("ALTER TABLE public.items ADD PRIMARY KEY (id)")
        for step in statements(SYSTEM, POSTGRES):
            if step.phase == "finish" and step.table == SYSTEM.target.name:
                connection.execute(step.sql.encode())


def count(dsn: str) -> int:
    """Rows of the table."""
    with psycopg.connect(dsn) as connection:
        row = connection.execute("SELECT count(*) FROM public.items").fetchone()
        return row[0] if row else 0
