"""Aurora DSQL: what its connector is asked for, checked against the connector itself; and, opt-in, a real cluster."""

from __future__ import annotations

import inspect
import os
import ssl
from dataclasses import replace
from typing import Any

import psycopg
import pyarrow as pa
import pytest

from billio_pipeline.errors import ConfigurationError
from billio_pipeline.settings import Settings
from billio_pipeline.stores.retry import Retries
from billio_pipeline.stores.sql import aws, target
from billio_pipeline.stores.sql.profiles import DSQL
from billio_pipeline.stores.sql.retry import run_transaction
from billio_pipeline.stores.sql.rows import copy_rows, read_rows
from billio_pipeline.stores.sql.target import Target

CLUSTER = "abcdefghijklmnopqrstuvwxyz.dsql.eu-west-1.on.aws"


@pytest.fixture
def dialled(postgres_database: str, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What reaches libpq. The call then goes to the local server, the network's boundary being all that is replaced."""
    calls: list[dict[str, Any]] = []
    connect = psycopg.Connection.connect.__func__  # type: ignore[attr-defined]

    def dial(cls: type, conninfo: str = "", **options: Any) -> Any:
        calls.append({"conninfo": conninfo, **options})
        kept = {
            name: options[name]
            for name in ("autocommit", "prepare_threshold", "context", "row_factory")
            if name in options
        }
        return connect(cls, postgres_database, **kept)

    monkeypatch.setattr(psycopg.Connection, "connect", classmethod(dial))
    return calls


def test_each_connection_gets_a_token_of_its_own_and_verified_tls(
    dialled: list[dict[str, Any]], settings: Settings
) -> None:
    with Target.open(f"dsql://{CLUSTER}", replace(settings, region="ap-south-1"), connections=2) as opened:
        assert opened.profile == DSQL
        assert opened.name == f"dsql://{CLUSTER}"
        with opened.connection() as first, opened.connection() as second:
            assert first is not second
            assert first.autocommit
    assert len(dialled) == 3  # the first attempt and two of the pool
    for call in dialled:
        assert (call["host"], call["user"], call["dbname"]) == (CLUSTER, "admin", "postgres")
        assert call["sslmode"] == "verify-full"
        assert call["keepalives"] == 1
        assert call["prepare_threshold"] is None
        assert "Action=DbConnectAdmin" in call["password"]
        assert "X-Amz-Expires=300" in call["password"]
        assert "eu-west-1" in call["password"], "the endpoint's region signs, not the settings'"
        assert not {"options", "region", "token_duration_secs"} & set(call)


def test_a_bare_cluster_id_takes_the_region_of_the_settings(dialled: list[dict[str, Any]], settings: Settings) -> None:
    Target.open("dsql://abcdefghijklmnopqrstuvwxyz", replace(settings, region="eu-west-1")).close()
    assert dialled[0]["host"] == CLUSTER


def test_a_postgresql_url_of_a_cluster_means_a_token_too(dialled: list[dict[str, Any]], settings: Settings) -> None:
    Target.open(f"postgresql://reader:old-token@{CLUSTER}/postgres?sslmode=require", settings).close()
    assert dialled[0]["user"] == "reader"
    assert dialled[0]["sslmode"] == "verify-full"
    assert "Action=DbConnect&" in dialled[0]["password"]
    assert "old-token" not in str(dialled)


def test_the_roots_hold_amazons() -> None:
    context = ssl.create_default_context(cafile=str(aws.amazon_roots()))
    names = {str(root.get("subject")) for root in context.get_ca_certs()}
    assert any("Amazon Root CA 1" in name for name in names)


def test_connections_end_before_the_cluster_cuts_them() -> None:
    assert DSQL.connection_seconds is not None
    assert DSQL.connection_seconds > target.LIFETIME_SECONDS + 300


def test_the_connector_has_the_interface_we_use() -> None:
    kind = aws.connection_class()
    assert issubclass(kind, psycopg.Connection)
    parameters = inspect.signature(kind.connect).parameters
    assert {"conninfo", "autocommit", "prepare_threshold", "kwargs"} <= set(parameters)


def test_without_credentials_the_error_says_what_to_give(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    with pytest.raises(ConfigurationError, match="AWS credentials"):
        Target.open(f"dsql://{CLUSTER}", settings)


def test_without_the_extra_the_error_says_what_to_install(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "aurora_dsql_psycopg", None)
    with pytest.raises(ConfigurationError, match=r"billio-pipeline\[aws\]"):
        Target.open(f"dsql://{CLUSTER}", settings)


@pytest.mark.aws
def test_a_real_cluster_takes_a_table_rows_and_a_job(settings: Settings) -> None:
    """Needs BILLIO_DSQL_ENDPOINT and credentials. Creates and drops a table of its own."""
    endpoint = os.environ.get("BILLIO_DSQL_ENDPOINT")
    if not endpoint:
        pytest.skip("BILLIO_DSQL_ENDPOINT is not set")
    table = f"billio_live_{os.getpid()}"
    rows = pa.table({"id": ["1b4e28ba-2fa1-41d2-883f-0016d3cca427"], "title": ["naïve 📚"]})
    with Target.open(f"dsql://{endpoint}", settings, connections=2) as opened:
        with opened.connection() as connection:
            connection.execute(f"CREATE TABLE {table} (id uuid PRIMARY KEY, title varchar(500))".encode())
        try:
            run_transaction(opened, lambda connection: copy_rows(connection, table, rows), retries=Retries())
            with opened.connection() as connection:
                found = connection.execute(f"CREATE INDEX ASYNC ON {table} (title)".encode()).fetchone()
                connection.execute("CALL sys.wait_for_job(%s)", found)
                columns = [_Column("id", "uuid"), _Column("title", "varchar(500)")]
                assert read_rows(connection, table, columns, "id", rows["id"].to_pylist()).equals(rows)
        finally:
            with opened.connection() as connection:
                connection.execute(f"DROP TABLE {table}".encode())


class _Column:
    def __init__(self, name: str, sql: str) -> None:
        self.name = name
        self.sql = sql
