"""The connection of DSQL mode: ASYNC statements, jobs, and what it refuses or brings about by itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import psycopg
import pytest
from psycopg import sql

from billio_pipeline.settings import Settings
from billio_pipeline.stores.sql.dsql_mode import DsqlModeConnection, Faults
from billio_pipeline.stores.sql.profiles import DSQL, POSTGRES
from billio_pipeline.stores.sql.target import Target

Connection = psycopg.Connection[Any]


@pytest.fixture
def target(dsql_database: str, settings: Settings) -> Iterator[Target]:
    with Target.open(dsql_database, settings) as opened:
        yield opened


@pytest.fixture
def connection(target: Target) -> Iterator[Connection]:
    with target.connection() as taken:
        taken.execute("CREATE TABLE t (id int PRIMARY KEY, v int)")
        taken.execute("INSERT INTO t VALUES (1, 1), (2, 1)")
        yield taken


def status(connection: Connection, job: str) -> tuple[Any, ...]:
    row = connection.execute("SELECT status, job_type, object_name FROM sys.jobs WHERE job_id = %s", [job]).fetchone()
    assert row is not None
    return row


def test_a_session_is_like_one_of_dsql(connection: Connection, target: Target) -> None:
    assert target.profile == DSQL
    shown = [connection.execute(f"SHOW {name}".encode()).fetchone() for name in ("transaction_isolation", "timezone")]
    assert shown == [("repeatable read",), ("UTC",)]


def test_a_database_without_the_guard_is_plain_postgresql(postgres_database: str, settings: Settings) -> None:
    with Target.open(postgres_database, settings) as target, target.connection() as connection:
        assert target.profile == POSTGRES
        assert not isinstance(connection, DsqlModeConnection)


@pytest.mark.parametrize("form", [str, str.encode, sql.SQL], ids=["text", "bytes", "composed"])
def test_create_index_async_builds_it_and_returns_a_job(connection: Connection, form: Any) -> None:
    row = connection.execute(form("CREATE INDEX ASYNC IF NOT EXISTS t_v ON t (v)")).fetchone()
    assert row is not None
    assert status(connection, row[0]) == ("completed", "INDEX_BUILD", "public.t_v")
    assert connection.execute("CALL sys.wait_for_job(%s)", row).fetchone() == (True,)
    assert connection.execute("SELECT indisvalid FROM pg_index WHERE indexrelid = 't_v'::regclass").fetchone() == (
        True,
    )


def test_an_index_that_is_there_starts_no_job(connection: Connection) -> None:
    connection.execute("CREATE INDEX ASYNC t_v ON t (v)")
    assert connection.execute("CREATE INDEX ASYNC IF NOT EXISTS t_v ON t (v)").fetchone() is None


def test_rows_that_break_a_unique_index_or_a_constraint_fail_the_job(connection: Connection) -> None:
    unique = connection.execute("CREATE UNIQUE INDEX ASYNC t_v ON t (v)").fetchone()
    assert unique is not None
    assert status(connection, unique[0])[0] == "failed"
    assert connection.execute("CALL sys.wait_for_job(%s)", unique).fetchone() == (False,)
    connection.execute("ALTER TABLE t ADD CONSTRAINT low CHECK (v < 1) NOT VALID")
    check = connection.execute("ALTER TABLE ASYNC t VALIDATE CONSTRAINT low").fetchone()
    assert check is not None
    assert status(connection, check[0])[0] == "failed"
    assert connection.execute("SELECT convalidated FROM pg_constraint WHERE conname = 'low'").fetchone() == (False,)
    connection.execute("UPDATE t SET v = 0")
    check = connection.execute("ALTER TABLE ASYNC t VALIDATE CONSTRAINT low").fetchone()
    assert check is not None
    assert status(connection, check[0])[:2] == ("completed", "VALIDATE_CONSTRAINT")
    assert connection.execute("SELECT convalidated FROM pg_constraint WHERE conname = 'low'").fetchone() == (True,)


def test_a_job_nobody_started_is_not_waited_for(connection: Connection) -> None:
    with pytest.raises(psycopg.errors.NoData):
        connection.execute("CALL sys.wait_for_job('nothing')")


@pytest.mark.parametrize(
    "statement",
    ["SAVEPOINT s", " savepoint s", "/* a */ -- b\n LOCK TABLE t", "DECLARE c CURSOR FOR SELECT 1", "VACUUM t",
     "MERGE INTO t USING t AS u ON false WHEN MATCHED THEN DELETE", "SELECT pg_advisory_xact_lock(1)", "NOTIFY n",
     "ROLLBACK TO s", "TRUNCATE t", "CREATE INDEX t_v ON t (v)", "CREATE INDEX ASYNC t_v ON t (v DESC)"],
)  # fmt: skip
def test_a_statement_dsql_lacks_is_refused(connection: Connection, statement: str) -> None:
    with pytest.raises(psycopg.errors.FeatureNotSupported):
        connection.execute(statement.encode())


def test_nested_transactions_and_named_cursors_are_refused(connection: Connection) -> None:
    def nested() -> None:
        with connection.transaction():
            connection.execute("INSERT INTO t VALUES (3, 3)")
            with connection.transaction():
                pass

    with pytest.raises(psycopg.errors.FeatureNotSupported, match="Savepoint"):
        nested()
    with pytest.raises(psycopg.errors.FeatureNotSupported, match="Cursor"):
        connection.cursor("named")
    assert connection.execute("SELECT count(*) FROM t").fetchone() == (2,)


def test_the_loser_of_a_row_gets_a_conflict(connection: Connection, target: Target) -> None:
    with target.connection() as other, connection.transaction():
        connection.execute("UPDATE t SET v = 2 WHERE id = 1")
        with pytest.raises(psycopg.errors.SerializationFailure, match="OC000"):
            other.execute("UPDATE t SET v = 3 WHERE id = 1")


def test_a_connection_ends_at_its_age_and_the_pool_brings_another(connection: Connection, target: Target) -> None:
    connection.faults = Faults(lifetime=0.0)  # type: ignore[attr-defined]
    with pytest.raises(psycopg.errors.AdminShutdown):
        connection.execute("SELECT 1")
    assert connection.closed
    with target.connection() as another:
        assert another.execute("SELECT 1").fetchone() == (1,)


def test_a_dropped_commit_has_happened_and_the_client_does_not_know(dsql_database: str, settings: Settings) -> None:
    with psycopg.connect(dsql_database, autocommit=True) as plain:
        plain.execute("CREATE TABLE t (id int PRIMARY KEY)")
        name = sql.Identifier(plain.info.dbname)
        plain.execute(sql.SQL("ALTER DATABASE {} SET dsql.drop_rate = 1").format(name))
        with Target.open(dsql_database, settings) as target, target.connection() as connection:
            with pytest.raises(psycopg.OperationalError, match="lost"), connection.transaction():
                connection.execute("INSERT INTO t VALUES (1)")
            assert connection.closed
        assert plain.execute("SELECT id FROM t").fetchall() == [(1,)]


def test_the_conflict_rate_comes_from_the_settings_or_from_the_database(dsql_database: str, settings: Settings) -> None:
    def rate(chosen: Settings) -> object:
        with Target.open(dsql_database, chosen) as target, target.connection() as connection:
            return connection.execute("SELECT current_setting('dsql.occ_rate', true)").fetchone()

    assert rate(settings) in ((None,), ("",))
    with psycopg.connect(dsql_database, autocommit=True) as plain:
        name = sql.Identifier(plain.info.dbname)
        plain.execute(sql.SQL("ALTER DATABASE {} SET dsql.occ_rate = 0.25").format(name))
    assert rate(settings) == ("0.25",)
    assert rate(replace(settings, dsql_occ_rate=0.5)) == ("0.5",)
