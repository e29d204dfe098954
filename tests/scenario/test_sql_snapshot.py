"""A PostgreSQL source copied to Parquet: one moment, every value exact, the same id for the same rows."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pytest
from psycopg import errors, sql
from snapshots import EPOCH, numbers, plain, read, returned

from assets.algoitny.generator import generate
from assets.algoitny.source import TABLES, fixture_rows, load_source
from billio_pipeline.errors import ConfigurationError
from billio_pipeline.settings import Settings
from billio_pipeline.stores.sql.snapshot import Snapshot, snapshot
from billio_pipeline.stores.sql.source_table import TIME
from billio_pipeline.stores.sql.target import Target

FIXTURE = Path(__file__).parents[1] / "fixtures/algoitny_relational.json"


@pytest.fixture
def source(postgres_database: str) -> Iterator[psycopg.Connection[Any]]:
    """The test's own hand on the source, beside the snapshot's."""
    with psycopg.connect(postgres_database, autocommit=True) as connection:
        yield connection


@pytest.fixture
def target(postgres_database: str, settings: Settings) -> Iterator[Target]:
    with Target.open(postgres_database, settings) as opened:
        yield opened


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
