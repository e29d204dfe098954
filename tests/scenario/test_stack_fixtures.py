"""The test run's own servers do what every other test relies on."""

from __future__ import annotations

import time

import psycopg

from billio_pipeline.local.dynamodb import healthy


def test_a_test_gets_an_empty_database_of_its_own(dsql_database: str, postgres_database: str) -> None:
    assert dsql_database != postgres_database
    for dsn in (dsql_database, postgres_database):
        with psycopg.connect(dsn) as connection:
            tables = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone()
            superuser = connection.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user").fetchone()
        assert tables == (0,)
        assert superuser == (False,)


def test_a_fresh_database_takes_a_moment(postgres_server, request) -> None:
    began = time.perf_counter()
    name = postgres_server.create("template_dsql")
    taken = time.perf_counter() - began
    postgres_server.drop(name)
    print(f"{taken * 1000:.0f} ms")
    assert taken < 5


def test_ministack_answers(ministack: str) -> None:
    assert healthy(int(ministack.rsplit(":", 1)[1]))
