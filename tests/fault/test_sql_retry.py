"""Transactions under faults: everything committed once, retries counted, terminal errors told at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from psycopg import errors, sql
from psycopg_pool import PoolTimeout

from billio_pipeline.errors import TransientError
from billio_pipeline.settings import Settings
from billio_pipeline.stores.retry import BACKOFF, Backoff, Retries
from billio_pipeline.stores.sql.retry import fault, repeat, run_transaction, sqlstate
from billio_pipeline.stores.sql.target import Target

Connection = psycopg.Connection[Any]
QUICK = Backoff(tries=20, first=0.0001, most=0.001)


@pytest.fixture
def plain(dsql_database: str) -> Iterator[Connection]:
    with psycopg.connect(dsql_database, autocommit=True) as connection:
        connection.execute("CREATE TABLE t (id int PRIMARY KEY, tries int)")
        yield connection


def setting(connection: Connection, name: str, value: object) -> None:
    statement = sql.SQL("ALTER DATABASE {} SET {} = {}")
    connection.execute(
        statement.format(sql.Identifier(connection.info.dbname), sql.Identifier(name), sql.Literal(value))
    )


def insert(number: int) -> Callable[[Connection], int]:
    def work(connection: Connection) -> int:
        connection.execute("INSERT INTO t VALUES (%s)", [number])
        return number

    return work


def committed(number: int) -> Callable[[Connection], int | None]:
    def ask(connection: Connection) -> int | None:
        row = connection.execute("SELECT id FROM t WHERE id = %s", [number]).fetchone()
        return row[0] if row else None

    return ask


def ids(connection: Connection) -> list[int]:
    return [row[0] for row in connection.execute("SELECT id FROM t ORDER BY id")]


def test_every_third_commit_conflicts_and_each_row_arrives_once(
    plain: Connection, dsql_database: str, settings: Settings
) -> None:
    setting(plain, "dsql.occ_every", 3)
    retries = Retries()
    with Target.open(dsql_database, settings, connections=4) as target, ThreadPoolExecutor(4) as threads:
        done = list(
            threads.map(lambda n: run_transaction(target, insert(n), retries=retries, backoff=QUICK), range(60))
        )
    assert done == list(range(60))
    assert ids(plain) == list(range(60))
    assert set(retries.as_dict()) == {"40001"}
    assert retries.total >= 29  # 60 of 89 commits succeed; a lock awaited too long may add one


def test_half_the_commits_are_not_heard_of_and_each_row_arrives_once(
    plain: Connection, dsql_database: str, settings: Settings
) -> None:
    setting(plain, "dsql.drop_rate", 0.5)
    retries = Retries()
    with Target.open(dsql_database, settings) as target:
        for number in range(20):
            told = run_transaction(target, insert(number), retries=retries, outcome=committed(number), backoff=QUICK)
            assert told == number
    assert ids(plain) == list(range(20))
    assert set(retries.as_dict()) == {"08006"}


def test_a_commit_that_did_not_happen_is_repeated_after_asking(
    plain: Connection, postgres_server, dsql_database: str, settings: Settings
) -> None:
    """The backend dies while COMMIT runs, in a deferred trigger, the first time only."""
    asked: list[int | None] = []
    admin_dsn = postgres_server.admin_dsn(dsql_database)
    with psycopg.connect(admin_dsn, autocommit=True) as admin:
        admin.execute("SET session_replication_role = replica")
        admin.execute("DROP EVENT TRIGGER dsql_guard_before")
        admin.execute(
            "CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            " PERFORM pg_terminate_backend(pg_backend_pid()) WHERE nextval('once') = 1; RETURN NULL; END $$;"
            " CREATE SEQUENCE once; GRANT USAGE ON once TO PUBLIC;"
            " CREATE CONSTRAINT TRIGGER die AFTER INSERT ON t DEFERRABLE INITIALLY DEFERRED"
            " FOR EACH ROW EXECUTE FUNCTION die()"
        )

    def outcome(connection: Connection) -> int | None:
        asked.append(committed(7)(connection))
        return asked[-1]

    retries = Retries()
    with Target.open(dsql_database, settings) as target:
        assert run_transaction(target, insert(7), retries=retries, outcome=outcome, backoff=QUICK) == 7
    assert asked == [None]
    assert retries.as_dict() == {"57P01": 1}
    assert ids(plain) == [7]


def test_a_killed_backend_is_retried_on_another_connection(
    plain: Connection, postgres_server, dsql_database: str, settings: Settings
) -> None:
    pids: list[int] = []

    def work(connection: Connection) -> None:
        pids.append(connection.info.backend_pid)
        if len(pids) == 1:
            with psycopg.connect(postgres_server.admin_dsn()) as admin:
                admin.execute("SELECT pg_terminate_backend(%s, 5000)", pids)
        insert(1)(connection)

    retries = Retries()
    with Target.open(dsql_database, settings) as target:
        run_transaction(target, work, retries=retries, backoff=QUICK)
    assert retries.total == 1
    assert set(retries.as_dict()) <= {"57P01", "08006"}
    assert len(set(pids)) == 2
    assert ids(plain) == [1]


def test_lifetimes_that_end_all_the_time_cost_retries_only(
    plain: Connection, dsql_database: str, settings: Settings
) -> None:
    lifetime = 0.5  # long enough to connect in on a busy machine
    setting(plain, "dsql.lifetime", lifetime)
    retries, number, until = Retries(), 0, time.monotonic() + 5 * lifetime
    sessions: set[int] = set()
    with Target.open(dsql_database, settings, connections=2) as target:
        while time.monotonic() < until:
            run_transaction(target, insert(number), retries=retries, outcome=committed(number), backoff=QUICK)
            with target.connection() as connection:
                sessions.add(connection.info.backend_pid)
            number += 1
    assert ids(plain) == list(range(number))
    assert len(sessions) > 2, "no session's life ended"
    assert set(retries.as_dict()) <= {"57P01", "08001"}  # ended, or not had in time


def test_tries_are_used_up_with_an_error_that_says_so(
    plain: Connection, dsql_database: str, settings: Settings
) -> None:
    setting(plain, "dsql.occ_rate", 1)
    retries = Retries()
    with (
        Target.open(dsql_database, settings) as target,
        pytest.raises(TransientError, match=r"40001.*20 times") as caught,
    ):
        run_transaction(target, insert(1), retries=retries, backoff=QUICK)
    assert retries.as_dict() == {"40001": 19}
    assert caught.value.details["tries"] == 20
    assert ids(plain) == []


@pytest.mark.parametrize(
    ("statement", "error"),
    [
        ("INSERT INTO t VALUES (1), (1)", errors.UniqueViolation),
        ("SELECT * FROM nowhere", errors.UndefinedTable),
        ("INSERT INTO t SELECT generate_series(1, 3001)", errors.ProgramLimitExceeded),
        ("SELECT 1 / 0", errors.DivisionByZero),
    ],
)
def test_a_terminal_error_is_not_retried(
    plain: Connection, dsql_database: str, settings: Settings, statement: str, error: type[Exception]
) -> None:
    tries: list[int] = []

    def work(connection: Connection) -> None:
        tries.append(1)
        connection.execute(statement.encode())

    retries = Retries()
    with Target.open(dsql_database, settings) as target, pytest.raises(error):
        run_transaction(target, work, retries=retries)
    assert (len(tries), retries.total) == (1, 0)


def test_an_error_passed_over_inside_a_transaction_is_not_a_commit(
    plain: Connection, dsql_database: str, settings: Settings
) -> None:
    def work(connection: Connection) -> None:
        insert(1)(connection)
        with pytest.raises(errors.UniqueViolation):
            insert(1)(connection)

    with Target.open(dsql_database, settings) as target, pytest.raises(errors.InFailedSqlTransaction):
        run_transaction(target, work, retries=Retries())
    assert ids(plain) == []


def test_a_failed_transaction_logs_no_rows(
    plain: Connection, dsql_database: str, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    setting(plain, "dsql.occ_rate", 1)
    caplog.set_level("DEBUG", "billio_pipeline")
    with Target.open(dsql_database, settings) as target, pytest.raises(TransientError):
        run_transaction(target, insert(424242), retries=Retries(), backoff=QUICK)
    assert "40001 OC000" in caplog.text
    assert "424242" not in caplog.text
    assert psycopg.conninfo.conninfo_to_dict(dsql_database)["password"] not in caplog.text


@pytest.mark.parametrize(
    ("error", "state", "undecided"),
    [
        (errors.SerializationFailure("(OC001)"), "40001", False),
        (errors.DeadlockDetected(), "40P01", False),
        (errors.LockNotAvailable(), "55P03", False),
        (errors.TooManyConnections(), "53300", False),
        (errors.ConfigurationLimitExceeded(), "53400", False),
        (errors.AdminShutdown(), "57P01", True),
        (errors.CannotConnectNow(), "57P03", True),
        (errors.ConnectionFailure(), "08006", True),
        (errors.InternalError_("service Unavailable, retry"), "XX000", True),
        (psycopg.OperationalError("server closed the connection unexpectedly"), "08006", True),
        (psycopg.InterfaceError("the connection is closed"), "08006", True),
        (PoolTimeout("none"), "08001", True),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_transient_errors_are_told_apart(error: Exception, state: str, undecided: bool) -> None:
    found = fault(error)
    assert found is not None
    assert (sqlstate(error), found.undecided) == (state, undecided)


@pytest.mark.parametrize(
    "error",
    [errors.InternalError_("cache lookup failed"), errors.UniqueViolation(), errors.QueryCanceled(), ValueError("x"),
     errors.DiskFull(), psycopg.InterfaceError("the cursor is closed"), errors.FeatureNotSupported()],
    ids=lambda error: type(error).__name__,
)  # fmt: skip
def test_other_errors_are_terminal(error: Exception) -> None:
    assert fault(error) is None
    retries = Retries()

    def once() -> None:
        raise error

    with pytest.raises(type(error)):
        repeat(once, retries=retries, what="test")
    assert retries.total == 0


def test_pauses_are_jittered_and_bounded() -> None:
    pauses = {failures: [BACKOFF.pause(failures) for _ in range(200)] for failures in (1, 3, 8, 20)}
    assert BACKOFF.tries == 20
    for failures, most in ((1, 0.05), (3, 0.2), (8, 5), (20, 5)):
        assert 0 <= min(pauses[failures]) < most / 4
        assert most * 3 / 4 < max(pauses[failures]) <= most


def test_retries_are_counted_by_many_threads() -> None:
    retries = Retries()
    threads = [threading.Thread(target=lambda: [retries.count("40001") for _ in range(1000)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    retries.merge({"40001": 1, "08006": 2})
    assert retries.as_dict() == {"08006": 2, "40001": 8001}
    assert retries.total == 8003
