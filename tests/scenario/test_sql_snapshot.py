"""A PostgreSQL source copied to Parquet: one moment, every value exact, the same id for the same rows, or nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from psycopg import errors, sql

from assets.algoitny.generator import generate
from assets.algoitny.source import TABLES, Row, fixture_rows, json_text, load_source
from billio_pipeline.errors import ConfigurationError, InputError, TransientError
from billio_pipeline.model.canonical import parse_jsonb
from billio_pipeline.settings import Settings
from billio_pipeline.stores.retry import Backoff, Retries
from billio_pipeline.stores.sql.snapshot import Snapshot, read_snapshot, snapshot
from billio_pipeline.stores.sql.source_table import TIME
from billio_pipeline.stores.sql.target import Target

FIXTURE = Path(__file__).parents[1] / "fixtures/algoitny_relational.json"
QUICK = Backoff(tries=3, first=0.0001, most=0.001)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@pytest.fixture
def source(postgres_database: str) -> Iterator[psycopg.Connection[Any]]:
    """The test's own hand on the source, beside the snapshot's."""
    with psycopg.connect(postgres_database, autocommit=True) as connection:
        yield connection


@pytest.fixture
def target(postgres_database: str, settings: Settings) -> Iterator[Target]:
    with Target.open(postgres_database, settings) as opened:
        yield opened


def numbers(source: psycopg.Connection[Any], rows: int, table: str = "t") -> None:
    name = sql.Identifier(table)
    source.execute(sql.SQL("CREATE TABLE {} (id int PRIMARY KEY, said text)").format(name))
    source.execute(sql.SQL("INSERT INTO {} SELECT n, 'row ' || n FROM generate_series(1, %s) n").format(name), [rows])


def read(folder: Path, taken: Snapshot, table: str) -> pa.Table:
    return pa.concat_tables(pq.ParquetFile(folder / name).read() for name in taken[table].files).combine_chunks()


def plain(value: Any) -> Any:
    """A generated or fixture value as it should come back: documents parsed, times in microseconds."""
    if isinstance(value, dict | list):
        return parse_jsonb(json_text(value))
    if value in ("infinity", None):
        return None if value is None else 2**63 - 1
    if isinstance(value, datetime):
        return (value - EPOCH) // timedelta(microseconds=1)
    return value


def returned(folder: Path, taken: Snapshot, table: str) -> list[Row]:
    """Rows of a table out of the snapshot, in the form of `plain`."""
    found = read(folder, taken, table)
    documents = {column.name for column in taken[table].columns if column.sql == "jsonb"}
    times = [number for number, field in enumerate(found.schema) if field.type == TIME]
    for number in times:
        found = found.set_column(number, found.schema.names[number], found.column(number).cast(pa.int64()))
    return [
        {name: parse_jsonb(value) if name in documents and value is not None else value for name, value in row.items()}
        for row in found.to_pylist()
    ]


def test_the_fixture_comes_back_as_it_went_in(postgres_database: str, target: Target, tmp_path: Path) -> None:
    rows = fixture_rows(FIXTURE)
    assert load_source(postgres_database, rows) == {table: len(rows.get(table, ())) for table in TABLES}
    taken = snapshot(target, TABLES, tmp_path)
    for table in TABLES:
        expected = [
            {
                name: plain(datetime.fromisoformat(value) if name.endswith(("_at", "last_login")) and value else value)
                for name, value in row.items()
            }
            for row in rows.get(table, ())
        ]
        assert returned(tmp_path, taken, table) == expected, table
    assert read(tmp_path, taken, "search_history")["test_results"].to_pylist() == [
        '[{"status": "passed", "test_case_id": 11, "execution_time": 0.002}]',
        None,
    ]


def test_generated_rows_come_back_as_they_went_in(postgres_database: str, target: Target, tmp_path: Path) -> None:
    rows = generate(25, poison=True)
    load_source(postgres_database, rows)
    taken = snapshot(target, TABLES, tmp_path, page=100)
    for table in TABLES:
        expected = [{name: plain(value) for name, value in row.items()} for row in rows[table]]
        # JsonText is JSON's null, a str only to the loader
        null = [
            {
                name: None if value == "null" and name in ("test_results", "result") else value
                for name, value in row.items()
            }
            for row in expected
        ]
        assert returned(tmp_path, taken, table) == sorted(null, key=lambda row: row["id"]), table
    texts = read(tmp_path, taken, "search_history")["test_results"].to_pylist()
    assert {None, "null", "[]"} < set(texts)
    assert taken["users"].odd_times == {"last_login": 1}


def test_a_source_in_use_is_left_alone(postgres_database: str, source: psycopg.Connection[Any]) -> None:
    source.execute("CREATE TABLE task_results (id int)")
    with pytest.raises(ConfigurationError, match="task_results"):
        load_source(postgres_database, {})
    assert source.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone() == (1,)


def test_ids_made_later_follow_those_inserted(postgres_database: str, source: psycopg.Connection[Any]) -> None:
    load_source(postgres_database, fixture_rows(FIXTURE))
    added = source.execute(
        "INSERT INTO test_cases (problem_id, input, output, created_at) VALUES (1, '', '', now()) RETURNING id"
    )
    assert added.fetchone() == (13,)


TYPED = """
CREATE TABLE typed (
    big bigint PRIMARY KEY, i int, small smallint, yes boolean, said text, vary varchar(20), fixed char(4), plain json,
    doc jsonb, n numeric, money numeric(12, 2), d double precision, f real, u uuid, "Odd ""name"", é" text,
    at timestamptz, at_ms timestamptz(3), day date
);
INSERT INTO typed VALUES (-9223372036854775808);
INSERT INTO typed VALUES (
    0, NULL, NULL, NULL, '', '', '', '""', '""', 0, 0, 0, 0, NULL, '', 'epoch', 'epoch', 'epoch'
);
INSERT INTO typed (big, n, d, f, doc, plain, said) VALUES (1, 'NaN', 'infinity', '-0', 'null', 'null', '\\N');
INSERT INTO typed VALUES (
    9223372036854775807, -2147483648, 32767, true, E'a,"b"\\r\\n\\t\\\\.\\u2028 é', 'ünï', 'ab',
    '{"b" : 1.50, "a":1e2, "a":2}', '{"b" : 1.50, "a":1e2, "a":2, "null": null}',
    '123456789012345678901234567890.12345678901234567890', -1.5, 0.1::float8 + 0.2::float8, 0.1,
    '00000000-0000-4000-8000-00000000000A', 'NULL', '2025-01-15 14:30:00.123456+09', '0001-01-01 00:00:00.0004+00',
    '0044-03-15 BC'
);
"""


def test_every_type_comes_exact_and_null_is_not_empty(
    source: psycopg.Connection[Any], target: Target, tmp_path: Path
) -> None:
    source.execute(TYPED)
    # As a careless administrator might: it would cut digits off floats.
    source.execute(sql.SQL("ALTER DATABASE {} SET extra_float_digits = -3").format(sql.Identifier(source.info.dbname)))
    found = read(tmp_path, snapshot(target, ["typed"], tmp_path), "typed")
    types = [*[pa.int64()] * 3, pa.bool_(), *[pa.string()] * 11, TIME, TIME, pa.date32()]
    assert found.schema.types == types
    nothing, zero, odd, full = (tuple(row.values()) for row in found.drop_columns(["at", "at_ms", "day"]).to_pylist())
    assert nothing == (-(2**63), *[None] * 14)
    assert zero == (0, None, None, None, "", "", "    ", '""', '""', "0", "0.00", "0", "0", None, "")
    assert odd == (1, None, None, None, "\\N", None, None, "null", "null", "NaN", None, "Infinity", "-0", None, None)
    assert full == (
        2**63 - 1, -(2**31), 32767, True, 'a,"b"\r\n\t\\.\u2028 é', "ünï", "ab  ", '{"b" : 1.50, "a":1e2, "a":2}',
        '{"a": 2, "b": 1.50, "null": null}', "123456789012345678901234567890.12345678901234567890", "-1.50",
        "0.30000000000000004", "0.1", "00000000-0000-4000-8000-00000000000a", "NULL",
    )  # fmt: skip
    times = [found[name].cast(pa.int64()).to_pylist() for name in ("at", "at_ms")]
    assert times == [[None, 0, None, 1_736_919_000_123_456], [None, 0, None, -62_135_596_800_000_000]]
    days = source.execute("SELECT day - date 'epoch' FROM typed ORDER BY big").fetchall()
    assert found["day"].cast(pa.int32()).to_pylist() == [day for (day,) in days] == [None, 0, None, -735_160]


def test_one_moment_whatever_is_committed_meanwhile(
    source: psycopg.Connection[Any], target: Target, tmp_path: Path
) -> None:
    for table in ("a", "b"):
        numbers(source, 30, table)
    before = snapshot(target, ["a", "b"], tmp_path / "before")

    def meddle(table: str, rows: int, total: int) -> None:
        source.execute("UPDATE a SET said = 'changed' WHERE id > 20")
        source.execute("DELETE FROM b WHERE id < 5")
        source.execute("INSERT INTO b SELECT coalesce(max(id), 0) + 1, 'new' FROM b")
        with pytest.raises(errors.LockNotAvailable):  # it would empty the table for the snapshot, too
            source.execute("SET lock_timeout = '1ms'; TRUNCATE b")

    during = snapshot(target, ["a", "b"], tmp_path / "during", page=10, progress=meddle)
    after = snapshot(target, ["a", "b"], tmp_path / "after")
    assert during.id == before.id
    for table in ("a", "b"):
        assert read(tmp_path / "during", during, table).equals(read(tmp_path / "before", before, table))
        assert after[table].fingerprint != before[table].fingerprint
    assert source.execute("SELECT count(*) FROM b").fetchone() == (26 + 6,)


def test_as_of_is_the_moment_to_the_microsecond(
    source: psycopg.Connection[Any], target: Target, tmp_path: Path
) -> None:
    def now() -> int:
        return source.execute("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint").fetchone()[0]  # type: ignore[index]

    numbers(source, 1)
    earlier = now()
    taken = snapshot(target, ["t"], tmp_path)
    assert earlier < taken.as_of < now()
    assert taken.as_of_iso.endswith("Z")
    assert datetime.fromisoformat(taken.as_of_iso) == EPOCH + timedelta(microseconds=taken.as_of)
    assert Snapshot(EPOCH.year, "", "", ()).as_of_iso == "1970-01-01T00:00:00.001970Z"


def test_the_same_rows_have_the_same_id_and_one_changed_value_another(
    source: psycopg.Connection[Any], target: Target, tmp_path: Path
) -> None:
    numbers(source, 50)
    numbers(source, 3, "u")

    def id_of(tables: tuple[str, ...] = ("t", "u"), **options: int) -> str:
        return snapshot(target, tables, tmp_path, **options).id  # type: ignore[arg-type]

    id = id_of()
    assert id_of() == id_of(page=7, chunk=9) == id_of(("u", "t")) == id
    seen = {id}
    for change, back in (
        ("UPDATE t SET said = 'row 7 ' WHERE id = 7", "UPDATE t SET said = 'row 7' WHERE id = 7"),
        ("UPDATE t SET said = '' WHERE id = 8", "UPDATE t SET said = 'row 8' WHERE id = 8"),
        ("UPDATE t SET said = NULL WHERE id = 8", "UPDATE t SET said = 'row 8' WHERE id = 8"),
        ("UPDATE t SET id = 51 WHERE id = 50", "UPDATE t SET id = 50 WHERE id = 51"),
        ("DELETE FROM u WHERE id = 3", "INSERT INTO u VALUES (3, 'row 3')"),
        ("ALTER TABLE u RENAME said TO told", "ALTER TABLE u RENAME told TO said"),
        (
            "UPDATE t SET said = CASE id WHEN 1 THEN 'row 1r' ELSE 'ow 2' END WHERE id < 3",
            "UPDATE t SET said = 'row ' || id WHERE id < 3",
        ),
    ):
        source.execute(change)
        assert id_of() not in seen, change
        seen.add(id_of())
        source.execute(back)
        assert id_of() == id, back


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
