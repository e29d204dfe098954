"""What keeps a PostgreSQL source from being copied whole is named, and leaves nothing; a lost connection does not."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from psycopg import sql
from snapshots import numbers, read

from billio_pipeline.errors import ConfigurationError, InputError, TransientError
from billio_pipeline.settings import Settings
from billio_pipeline.stores.retry import Backoff, Retries
from billio_pipeline.stores.sql.snapshot import read_snapshot, snapshot
from billio_pipeline.stores.sql.target import Target

QUICK = Backoff(tries=3, first=0.0001, most=0.001)


@pytest.fixture
def source(postgres_database: str) -> Iterator[psycopg.Connection[Any]]:
    """The test's own hand on the source, beside the snapshot's."""
    with psycopg.connect(postgres_database, autocommit=True) as connection:
        yield connection


@pytest.fixture
def target(postgres_database: str, settings: Settings) -> Iterator[Target]:
    with Target.open(postgres_database, settings) as opened:
        yield opened


@pytest.mark.parametrize(
    ("prepare", "says"),
    [
        ("SELECT", r"no table t\b"),
        ("CREATE VIEW t AS SELECT 1 AS id", "t is not a table"),
        ("CREATE SEQUENCE t", r"table t can't be read|t is not a table"),
        ("CREATE TABLE t (id int)", "t has no primary key"),
        ("CREATE TABLE t (id int PRIMARY KEY, at timestamp)", r"t\.at is timestamp without time zone"),
        ("CREATE TABLE t (id int PRIMARY KEY, tags text[])", r"t\.tags is text\[\]"),
        ("CREATE TABLE t (id int PRIMARY KEY, raw bytea)", r"t\.raw is bytea"),
        ("CREATE DOMAIN sum AS int; CREATE TABLE t (id int PRIMARY KEY, n sum)", r"t\.n is sum"),
        ("CREATE TABLE t (id int, at timestamptz, PRIMARY KEY (id, at))", r"t\.at is timestamp.*paged"),
        ("CREATE TABLE t (id double precision PRIMARY KEY)", r"t\.id is double precision.*paged"),
    ],
)  # fmt: skip
def test_a_table_that_cannot_be_read_is_named(
    source: psycopg.Connection[Any], target: Target, tmp_path: Path, prepare: str, says: str
) -> None:
    numbers(source, 1, "other")
    source.execute(prepare)
    with pytest.raises(ConfigurationError, match=says) as caught:
        snapshot(target, ["other", "t"], tmp_path)
    assert caught.value.remedy != ConfigurationError.remedy
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("tables", [["../t"], ["public.t"], ["t", "t"], [], ['t"'], [""]])
def test_names_that_are_none_are_refused(target: Target, tmp_path: Path, tables: list[str]) -> None:
    with pytest.raises(ConfigurationError):
        snapshot(target, tables, tmp_path)


def test_rows_the_role_may_not_see_are_an_error_not_a_gap(
    source: psycopg.Connection[Any], target: Target, postgres_server: Any, postgres_database: str, tmp_path: Path
) -> None:
    numbers(source, 3)
    with psycopg.connect(postgres_server.admin_dsn(postgres_database), autocommit=True) as admin:
        admin.execute("ALTER TABLE t ENABLE ROW LEVEL SECURITY; ALTER TABLE t FORCE ROW LEVEL SECURITY")
        admin.execute("CREATE POLICY few ON t USING (id = 1)")
        with pytest.raises(ConfigurationError, match=r"table t can't be read.*row-level security"):
            snapshot(target, ["t"], tmp_path)
        admin.execute("ALTER TABLE t OWNER TO CURRENT_USER")
    with pytest.raises(ConfigurationError, match="table t can't be read: permission denied") as caught:
        snapshot(target, ["t"], tmp_path)
    assert "GRANT SELECT" in caught.value.remedy


def test_files_and_row_groups_are_small_and_in_key_order(
    source: psycopg.Connection[Any], target: Target, tmp_path: Path
) -> None:
    numbers(source, 6_001)
    numbers(source, 0, "empty")
    told: list[tuple[str, int, int]] = []
    taken = snapshot(target, ["t", "empty"], tmp_path, chunk=3_000, page=700, progress=lambda *each: told.append(each))
    assert taken["t"].files == ("t/000000.parquet", "t/000001.parquet", "t/000002.parquet")
    files = [pq.ParquetFile(tmp_path / name) for name in taken["t"].files]
    assert [file.metadata.num_rows for file in files] == [3_000, 3_000, 1]
    assert max(f.metadata.row_group(n).num_rows for f in files for n in range(f.num_row_groups)) <= 2_500
    assert files[0].metadata.row_group(0).column(0).compression == "ZSTD"
    assert read(tmp_path, taken, "t")["id"].to_pylist() == list(range(1, 6_002))
    assert sum(rows for _, rows, _ in told) == taken["t"].rows == 6_001
    assert {(table, total) for table, _, total in told} == {("t", 6_001)}
    assert taken["t"].bytes == sum((tmp_path / name).stat().st_size for name in taken["t"].files)
    assert read(tmp_path, taken, "empty").schema == read(tmp_path, taken, "t").schema
    assert (taken["empty"].rows, len(taken["empty"].files)) == (0, 1)


@pytest.mark.parametrize("page", [1, 2, 3, 5, 100])
def test_keys_of_several_columns_and_texts_are_paged_by(
    source: psycopg.Connection[Any], target: Target, tmp_path: Path, page: int
) -> None:
    source.execute("CREATE TABLE t (n numeric, who varchar(9), u uuid, PRIMARY KEY (who, n, u))")
    keys = [(Decimal(n), who) for who in ("", "'; --", "Ä", "\\", "a", "b") for n in ("-1.5", "0", "NaN")]
    source.cursor().executemany("INSERT INTO t VALUES (%s, %s, gen_random_uuid())", [*keys, *keys[:3]])
    found = read(tmp_path, snapshot(target, ["t"], tmp_path, page=page), "t")
    rows = source.execute("SELECT n::text, who, u::text FROM t ORDER BY who, n, u").fetchall()
    assert [tuple(row.values()) for row in found.to_pylist()] == rows


def test_memory_does_not_grow_with_the_table(source: psycopg.Connection[Any], target: Target, tmp_path: Path) -> None:
    source.execute("CREATE TABLE t (id int PRIMARY KEY, said text)")
    source.execute("INSERT INTO t SELECT n, repeat(md5(n::text), 64) FROM generate_series(1, 20000) n")  # 40 MiB
    start, held = pa.total_allocated_bytes(), []
    snapshot(target, ["t"], tmp_path, chunk=8_000, progress=lambda *_: held.append(pa.total_allocated_bytes() - start))
    assert len(held) >= 5
    assert max(held) < 24 << 20


def killing(postgres_server: Any, database: str, at: Callable[[int], bool]) -> Callable[[str, int, int], None]:
    """Progress that ends the snapshot's session at the calls that `at` picks."""
    calls: list[str] = []

    def progress(table: str, rows: int, total: int) -> None:
        calls.append(table)
        if at(len(calls)):
            with psycopg.connect(postgres_server.admin_dsn(), autocommit=True) as admin:
                admin.execute(
                    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                    " WHERE application_name = 'billio' AND datname = %s",
                    [database],
                )

    return progress


def test_a_lost_connection_starts_the_whole_snapshot_again(
    source: psycopg.Connection[Any], target: Target, postgres_server: Any, tmp_path: Path
) -> None:
    for table in ("a", "b"):
        numbers(source, 40, table)
    first = snapshot(target, ["a", "b"], tmp_path / "first")
    die = killing(postgres_server, source.info.dbname, lambda call: call == 6)
    moments: list[int] = []

    def progress(table: str, rows: int, total: int) -> None:
        moments.append(rows)
        die(table, rows, total)
        if len(moments) == 6:  # in the second table: the first must be read again, too
            source.execute("UPDATE a SET said = 'since' WHERE id = 1")

    retries = Retries()
    again = snapshot(
        target, ["a", "b"], tmp_path / "again", page=10, chunk=15, progress=progress, retries=retries, backoff=QUICK
    )
    assert retries.total == 1
    assert sum(moments) == 60 + 80
    assert again["a"].fingerprint != first["a"].fingerprint
    assert again["b"].fingerprint == first["b"].fingerprint
    assert read(tmp_path / "again", again, "a")["said"][0].as_py() == "since"
    on_disk = {path.relative_to(tmp_path / "again").as_posix() for path in (tmp_path / "again").rglob("*.*")}
    assert on_disk == {*again["a"].files, *again["b"].files, "snapshot.json"}


def test_a_connection_lost_every_time_is_an_error_and_leaves_nothing(
    source: psycopg.Connection[Any], target: Target, postgres_server: Any, tmp_path: Path
) -> None:
    numbers(source, 40)
    die = killing(postgres_server, source.info.dbname, lambda call: call % 2 == 0)
    with pytest.raises(TransientError, match="3 times"):
        snapshot(target, ["t"], tmp_path, page=10, progress=die, backoff=QUICK)
    assert list(tmp_path.iterdir()) == []


def test_a_snapshot_replaces_the_last_one_and_a_failed_one_leaves_it(
    source: psycopg.Connection[Any], target: Target, tmp_path: Path
) -> None:
    numbers(source, 40)
    (tmp_path / "notes.txt").write_text("mine")
    snapshot(target, ["t"], tmp_path, chunk=10)
    taken = snapshot(target, ["t"], tmp_path)
    assert [path.name for path in (tmp_path / "t").iterdir()] == ["000000.parquet"]
    assert read_snapshot(tmp_path) == taken
    assert json.loads((tmp_path / "snapshot.json").read_text()) == json.loads(json.dumps(taken.as_dict()))

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        snapshot(target, ["t"], tmp_path, page=10, progress=stop)
    assert read_snapshot(tmp_path) == taken
    assert read(tmp_path, taken, "t").num_rows == 40
    assert {path.name for path in tmp_path.iterdir()} == {"notes.txt", "t", "snapshot.json"}
    with pytest.raises(InputError, match="no complete snapshot"):
        read_snapshot(tmp_path / "t")


def test_times_no_calendar_holds_are_kept_and_counted(
    source: psycopg.Connection[Any], target: Target, tmp_path: Path
) -> None:
    source.execute("CREATE TABLE t (id int PRIMARY KEY, at timestamptz, day date)")
    source.execute(
        "INSERT INTO t VALUES (1, 'infinity', '-infinity'), (2, '-infinity', 'infinity'),"
        " (3, '10000-01-01 00:00:00+00', '10000-01-01'), (4, '0001-01-01 00:00:00+00 BC', '0001-12-31 BC'),"
        " (5, '9999-12-31 23:59:59.999999+00', '9999-12-31'), (6, '0001-01-01 00:00:00+00', '0001-01-01'),"
        " (7, NULL, NULL)"
    )
    taken = snapshot(target, ["t"], tmp_path)
    found = read(tmp_path, taken, "t")
    assert taken["t"].odd_times == {"at": 4, "day": 4}
    assert found["at"].cast(pa.int64()).to_pylist() == [
        2**63 - 1, -(2**63) + 1, 253402300800000000, -62167219200000000, 253402300799999999, -62135596800000000, None
    ]  # fmt: skip
    assert found["day"].cast(pa.int32()).to_pylist() == [-(2**31), 2**31 - 1, 2932897, -719163, 2932896, -719162, None]
    source.execute("UPDATE t SET at = '294250-01-01 00:00:00+00' WHERE id = 3")
    with pytest.raises(InputError, match=r"t\.at of 3 is beyond the year 294246"):
        snapshot(target, ["t"], tmp_path)


def test_rows_an_index_misses_are_noticed_by_their_count(
    source: psycopg.Connection[Any], target: Target, postgres_server: Any, postgres_database: str, tmp_path: Path
) -> None:
    numbers(source, 1_000)
    with psycopg.connect(postgres_server.admin_dsn(postgres_database), autocommit=True) as admin:
        ready = "UPDATE pg_index SET indisready = %s WHERE indexrelid = 't_pkey'::regclass"
        admin.execute(ready, [False])
        admin.execute("INSERT INTO t VALUES (1001, 'in the table, not in its index')")
        admin.execute(ready, [True])
        admin.execute(sql.SQL("ALTER DATABASE {} SET enable_seqscan = off").format(sql.Identifier(admin.info.dbname)))
    with pytest.raises(InputError, match=r"table t: 1000 rows .* 1001"):
        snapshot(target, ["t"], tmp_path)


def test_a_source_that_is_not_utf8_is_named(
    source: psycopg.Connection[Any], postgres_server: Any, settings: Settings, tmp_path: Path
) -> None:
    name = f"{source.info.dbname}_ascii"
    with psycopg.connect(postgres_server.admin_dsn(), autocommit=True) as admin:
        create = "CREATE DATABASE {} TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C' LOCALE_PROVIDER libc"
        admin.execute(sql.SQL(create).format(sql.Identifier(name)))
    with psycopg.connect(postgres_server.admin_dsn(name), autocommit=True) as admin:
        admin.execute("CREATE TABLE t (id int PRIMARY KEY, said text); INSERT INTO t VALUES (1, E'caf\\xe9')")
    with Target.open(postgres_server.admin_dsn(name), settings) as target, pytest.raises(InputError, match="table t"):
        snapshot(target, ["t"], tmp_path)
    postgres_server.drop(name)
