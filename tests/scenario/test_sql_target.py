"""Opening a target: what answers is told apart, what can't work is said at once and without secrets."""

from __future__ import annotations

import socket
import threading
import time
from typing import Any

import psycopg
import pytest

from billio_pipeline.errors import ConfigurationError
from billio_pipeline.settings import Settings
from billio_pipeline.stores.sql import connect
from billio_pipeline.stores.sql.address import parse
from billio_pipeline.stores.sql.connect import Pace
from billio_pipeline.stores.sql.target import Target

SECRET = "hunter2-very-secret"


def parts(dsn: str) -> dict[str, Any]:
    return psycopg.conninfo.conninfo_to_dict(dsn)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"port": 1}, "refused"),
        ({"host": "no-such-host.invalid"}, "resolve"),
        ({"password": SECRET}, "password authentication failed"),
        ({"dbname": "nowhere"}, "does not exist"),
        ({"sslmode": "require"}, "SSL"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_endpoint_that_does_not_work_is_a_configuration_error(
    postgres_database: str, settings: Settings, change: dict[str, Any], says: str
) -> None:
    dsn = psycopg.conninfo.make_conninfo("", **{**parts(postgres_database), **change})
    with pytest.raises(ConfigurationError, match=says) as caught:
        Target.open(dsn, settings)
    told = f"{caught.value}{caught.value.as_dict()}{caught.value.__cause__!r}"
    assert SECRET not in told
    assert parts(postgres_database)["password"] not in told
    assert caught.value.remedy
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    "dsn",
    [
        f"postgresql://u:{SECRET}@[bad/db",
        f"postgresql://u:{SECRET}@host:port/db",
        f"postgresql:/u:{SECRET}@host/db",
        f"password={SECRET} nonsense",
        f"host=h password={SECRET} connect_timeout=soon",
        f"dsql://admin:{SECRET}@cluster.dsql.us-east-1.on.aws",
        "dsql://",
        "",
    ],
)
def test_a_malformed_dsn_is_not_quoted(settings: Settings, dsn: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Target.open(dsn, settings)
    chain: BaseException | None = caught.value
    while chain is not None:
        assert SECRET not in str(chain)
        assert chain.__cause__ is not None or chain.__suppress_context__ or chain.__context__ is None
        chain = chain.__cause__


def test_an_endpoint_that_never_answers_is_given_up(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    assert connect.FIRST_ANSWER_SECONDS < 5
    monkeypatch.setattr(connect, "FIRST_ANSWER_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        started = time.monotonic()
        with pytest.raises(ConfigurationError, match="no answer"):
            Target.open(f"postgresql://u:{SECRET}@127.0.0.1:{port}/db", settings)
        assert time.monotonic() - started < 2


@pytest.mark.parametrize("connections", [0, 33, -1])
def test_the_number_of_connections_has_bounds(postgres_database: str, settings: Settings, connections: int) -> None:
    with pytest.raises(ConfigurationError, match="connections"):
        Target.open(postgres_database, settings, connections=connections)


def test_a_target_shows_its_place_and_no_secret(postgres_database: str, settings: Settings) -> None:
    given = parts(postgres_database)
    with Target.open(postgres_database, settings) as target:
        assert target.name == f"127.0.0.1:{given['port']}/{given['dbname']}"
        assert given["password"] not in f"{target!r}{parse(postgres_database)!r}"


def test_connections_autocommit_prepare_nothing_and_speak_utf8(postgres_database: str, settings: Settings) -> None:
    with Target.open(postgres_database, settings) as target, target.connection() as connection:
        assert connection.autocommit
        assert connection.prepare_threshold is None
        assert connection.info.encoding == "utf-8"
        assert connection.execute("SHOW timezone").fetchone() == ("UTC",)


def test_a_session_option_of_the_dsn_is_kept(postgres_database: str, settings: Settings) -> None:
    dsn = psycopg.conninfo.make_conninfo(postgres_database, options="-c statement_timeout=7s")
    with Target.open(dsn, settings) as target, target.connection() as connection:
        assert connection.execute("SHOW statement_timeout").fetchone() == ("7s",)


def test_a_killed_connection_is_replaced(postgres_database: str, postgres_server, settings: Settings) -> None:
    with Target.open(postgres_database, settings, connections=1) as target:
        with target.connection() as connection:
            first = connection.info.backend_pid
        with psycopg.connect(postgres_server.admin_dsn()) as admin:
            admin.execute("SELECT pg_terminate_backend(%s, 5000)", [first])
        with target.connection() as connection:
            assert connection.info.backend_pid != first


def test_more_threads_than_connections_take_turns(postgres_database: str, settings: Settings) -> None:
    with Target.open(postgres_database, settings, connections=2) as target:
        seen: list[int] = []

        def use() -> None:
            with target.connection() as connection:
                seen.append(connection.info.backend_pid)

        threads = [threading.Thread(target=use) for _ in range(10)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(seen) == 10
        assert len(set(seen)) <= 2


def test_closing_waits_for_nobody(postgres_database: str, settings: Settings) -> None:
    target = Target.open(postgres_database, settings)
    with target.connection() as connection:
        started = time.monotonic()
        target.close()
        assert time.monotonic() - started < 4
        assert connection.execute("SELECT 1").fetchone() == (1,)
    target.close()
    assert connection.closed


def test_connections_open_at_the_pace_of_the_slowest_rule() -> None:
    assert connect.CONNECTIONS_PER_SECOND <= 50
    pace = Pace(100)
    started = time.monotonic()
    waited = [pace() for _ in range(4)]
    assert waited[0] == 0
    assert time.monotonic() - started > 0.025
    assert max(waited) <= 0.01 + 1e-3
