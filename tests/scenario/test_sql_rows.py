"""Rows into and out of a target: COPY where there is one, INSERT where there isn't, and what a table must have."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
import pyarrow as pa
import pytest
from psycopg import sql

from billio_pipeline.errors import TargetError
from billio_pipeline.settings import Settings
from billio_pipeline.stores.retry import Retries
from billio_pipeline.stores.sql.readback import read_table
from billio_pipeline.stores.sql.retry import run_transaction
from billio_pipeline.stores.sql.rows import copy_rows, read_rows, upsert_rows
from billio_pipeline.stores.sql.target import Target


@dataclass(frozen=True)
class Column:
    name: str
    sql: str


COLUMNS = (Column("id", "uuid"), Column("title", "varchar(500)"), Column("rating", "integer"),
           Column("moved_at", "timestamptz"), Column("data", "jsonb"))  # fmt: skip
TABLE = "CREATE TABLE items (id uuid PRIMARY KEY, title varchar(500), rating int, moved_at timestamptz, data jsonb)"
IDS = [f"00000000-0000-0000-0000-{number:012x}" for number in range(50)]
ROWS = pa.table(
    {
        "id": IDS,
        "title": ["", None, "it's", 'say "hi"\n'] * 12 + ["é📚", "\\N"],
        "rating": pa.array([None, 1, 10, 5, 5] * 10, pa.int32()),
        "moved_at": pa.array(
            [None, 0, 1_600_000_000_000_001, -1, 253_402_300_799_999_999] * 10, pa.timestamp("us", "UTC")
        ),
        "data": ['{"a": "\\u0001", "bb": [1, 2.50]}'] * 49 + [None],
    }
)


@pytest.fixture
def target(dsql_database: str, settings: Settings) -> Iterator[Target]:
    with psycopg.connect(dsql_database, autocommit=True) as plain:
        plain.execute(TABLE)
    with Target.open(dsql_database, settings) as opened:
        yield opened


def everything(target: Target, **options: Any) -> pa.Table:
    return pa.concat_tables(read_table(target, "items", COLUMNS, "id", **options)).combine_chunks()


def change(target: Target, statement: str) -> None:
    with target.connection() as connection:
        connection.execute(statement.encode())


@pytest.mark.parametrize("page", [1, 7, 49, 50, 51, 20_000])
def test_every_row_is_read_once_whatever_the_page(target: Target, page: int) -> None:
    run_transaction(target, lambda connection: copy_rows(connection, "items", ROWS), retries=Retries())
    assert everything(target, page=page).equals(ROWS)


def test_an_empty_table_has_no_pages(target: Target) -> None:
    assert list(read_table(target, "items", COLUMNS, "id")) == []


def test_a_subset_of_columns_gets_the_others_defaults(target: Target) -> None:
    some = ROWS.select(["title", "id"])
    run_transaction(target, lambda connection: copy_rows(connection, "items", some), retries=Retries())
    assert everything(target)["rating"].null_count == 50
    change(target, "UPDATE items SET rating = 3")
    run_transaction(target, lambda connection: upsert_rows(connection, "items", "id", some), retries=Retries())
    assert set(everything(target)["rating"].to_pylist()) == {3}


def test_keys_that_are_not_there_are_left_out(target: Target) -> None:
    run_transaction(target, lambda connection: copy_rows(connection, "items", ROWS.slice(0, 10)), retries=Retries())
    with target.connection() as connection:
        found = read_rows(connection, "items", COLUMNS, "id", IDS[5:15])
        assert read_rows(connection, "items", COLUMNS, "id", []).num_rows == 0
    assert found.sort_by("id").combine_chunks().equals(ROWS.slice(5, 5).combine_chunks())


def test_rows_arrive_without_copy_and_the_downgrade_happens_once_per_connection(
    dsql_database: str, settings: Settings
) -> None:
    with psycopg.connect(dsql_database, autocommit=True) as plain:
        plain.execute(TABLE)
        plain.execute(sql.SQL("ALTER DATABASE {} SET dsql.copy = off").format(sql.Identifier(plain.info.dbname)))
    with Target.open(dsql_database, settings, connections=1) as target:
        retries = Retries()
        for first in range(0, 50, 10):
            part = ROWS.slice(first, 10)
            assert run_transaction(target, lambda c, part=part: copy_rows(c, "items", part), retries=retries) == 10
        assert retries.as_dict() == {"0A000": 1}
        assert everything(target, page=20).equals(ROWS)


def test_a_server_that_refuses_copy_for_one_table_gets_inserts(postgres_database: str, settings: Settings) -> None:
    with psycopg.connect(postgres_database, autocommit=True) as plain:
        plain.execute(TABLE)
        plain.execute("ALTER TABLE items ENABLE ROW LEVEL SECURITY")
        plain.execute("ALTER TABLE items FORCE ROW LEVEL SECURITY")
        plain.execute("CREATE POLICY all_rows ON items USING (true)")
    with Target.open(postgres_database, settings) as target:
        with target.connection() as connection:  # outside of a transaction there is nothing to repeat
            assert copy_rows(connection, "items", ROWS) == 50
        assert everything(target).equals(ROWS)


@pytest.mark.parametrize(
    ("alteration", "says"),
    [
        ("ALTER TABLE items DROP COLUMN rating", "items.rating is missing"),
        ("ALTER TABLE items ALTER COLUMN rating TYPE bigint", "items.rating is int8, expected integer"),
        ("ALTER TABLE items ALTER COLUMN moved_at TYPE timestamp", "items.moved_at is timestamp"),
        ("ALTER TABLE items RENAME COLUMN data TO datum", "items.data is missing"),
        ("DROP TABLE items", "no table items"),
    ],
)
def test_a_table_that_cannot_be_compared_names_the_column(target: Target, alteration: str, says: str) -> None:
    change(target, alteration)
    with pytest.raises(TargetError, match=says):
        everything(target)
    with target.connection() as connection, pytest.raises(TargetError, match=says):
        read_rows(connection, "items", COLUMNS, "id", IDS)


@pytest.mark.parametrize(
    "alteration",
    [
        "ALTER TABLE items ALTER COLUMN title TYPE text",
        "ALTER TABLE items ALTER COLUMN data TYPE text",
        "ALTER TABLE items ALTER COLUMN rating TYPE smallint",
        "ALTER TABLE items ADD COLUMN more text",
    ],
)
def test_a_column_whose_values_still_compare_is_read(target: Target, alteration: str) -> None:
    run_transaction(target, lambda connection: copy_rows(connection, "items", ROWS.slice(1, 1)), retries=Retries())
    change(target, alteration)
    assert everything(target).equals(ROWS.slice(1, 1).combine_chunks())


def test_rows_for_a_column_the_table_lacks_name_it(target: Target) -> None:
    with target.connection() as connection, pytest.raises(TargetError, match=r"items\.extra is missing"):
        copy_rows(connection, "items", ROWS.append_column("extra", ROWS["title"]))


def test_what_hands_wrote_is_read_without_a_crash(target: Target) -> None:
    change(
        target,
        """INSERT INTO items (id, moved_at, data) VALUES
           ('00000000-0000-0000-0000-000000000001', 'infinity', NULL),
           ('00000000-0000-0000-0000-000000000002', '-infinity', 'null'),
           ('00000000-0000-0000-0000-000000000003', '294276-12-31 23:59:59.999999+00', '[1e400, -0, "\\u2028"]'),
           ('00000000-0000-0000-0000-000000000004', '4714-11-24 00:00:00+00 BC', '"a,b\\n\\"c\\""'),
           ('00000000-0000-0000-0000-000000000005', '10000-01-01 00:00:00+00', '1.50')""",
    )
    found = everything(target)
    assert found["moved_at"].cast(pa.int64()).to_pylist() == [
        2**63 - 1, -(2**63) + 1, 2**63 - 1, -210_866_803_200_000_000, 253_402_300_800_000_000
    ]  # fmt: skip
    assert found["data"].to_pylist()[1:] == ["null", f'[1{"0" * 400}, 0, "\u2028"]', '"a,b\\n\\"c\\""', "1.50"]
    assert found["data"].null_count == 1
    with target.connection() as connection:
        again = read_rows(connection, "items", COLUMNS, "id", found["id"].to_pylist())
    assert again.sort_by("id").combine_chunks().equals(found)


def test_values_of_many_megabytes_are_read_back(target: Target) -> None:
    big = [f'{{"text": "{letter * 3_000_000}"}}' for letter in "abc"]
    for number, text in enumerate(big):
        rows = pa.table({"id": [IDS[number]], "data": [text]})
        run_transaction(target, lambda connection, rows=rows: copy_rows(connection, "items", rows), retries=Retries())
    blocks = list(read_table(target, "items", COLUMNS, "id"))
    assert [text for block in blocks for text in block["data"].to_pylist()] == big
    assert len(blocks) == 1 or max(block.nbytes for block in blocks) < 12 * 1024 * 1024


def test_a_reader_may_stop_early(target: Target) -> None:
    run_transaction(target, lambda connection: copy_rows(connection, "items", ROWS), retries=Retries())
    reader = read_table(target, "items", COLUMNS, "id", page=10)
    assert next(reader).num_rows == 10
    reader.close()
    assert everything(target).num_rows == 50
