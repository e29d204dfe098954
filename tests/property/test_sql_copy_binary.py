"""What is encoded for COPY BINARY or as array parameters is what PostgreSQL holds and gives back."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from billio_pipeline.model.canonical import jsonb_text
from billio_pipeline.model.types import MAX_TIME, MIN_TIME
from billio_pipeline.settings import Settings
from billio_pipeline.stores.sql import copy_binary
from billio_pipeline.stores.sql.columns import staged_type
from billio_pipeline.stores.sql.copy_binary import encode
from billio_pipeline.stores.sql.readback import read_table
from billio_pipeline.stores.sql.rows import copy_rows, read_rows, upsert_rows
from billio_pipeline.stores.sql.target import Target


@dataclass(frozen=True)
class Column:
    name: str
    sql: str


COLUMNS = (
    Column("id", "uuid"),
    Column("a_text", "text"),
    Column("a_varchar", "varchar(20)"),
    Column("an_integer", "integer"),
    Column("a_bigint", "bigint"),
    Column("a_time", "timestamptz"),
    Column("a_document", "jsonb"),
    Column("a_truth", "boolean"),
)
SCHEMA = pa.schema([pa.field(column.name, staged_type(column)) for column in COLUMNS])

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20) | st.sampled_from(
    ["", " ", "\\N", "\\.", '"', '""', "'", "NULL", "a,b", "\n", "\r\n", "\r", "\t", "\\", "é📚", "\ufeff", "\x7f", "0"]
)
documents = st.recursive(
    st.none() | st.booleans() | st.integers() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
).map(jsonb_text)


def edged(low: int, high: int) -> st.SearchStrategy[int]:
    return st.integers(low, high) | st.sampled_from([low, high, 0, -1])


def maybe(values: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    return st.none() | values


rows = st.tuples(
    maybe(texts),
    maybe(texts),
    maybe(edged(-(2**31), 2**31 - 1)),
    maybe(edged(-(2**63), 2**63 - 1)),
    maybe(edged(MIN_TIME, MAX_TIME)),
    maybe(documents),
    maybe(st.booleans()),
)


@st.composite
def tables(draw: st.DrawFn) -> pa.Table:
    """Rows of the schema with distinct ids: whole, cut into chunks, or a slice out of the middle of an array."""
    drawn = draw(st.lists(rows, max_size=8))
    ids = draw(st.lists(st.uuids(), min_size=len(drawn), max_size=len(drawn), unique=True))
    columns = [[str(each) for each in ids], *([row[place] for row in drawn] for place in range(len(COLUMNS) - 1))]
    table = pa.table([pa.array(v, f.type) for v, f in zip(columns, SCHEMA, strict=True)], schema=SCHEMA)
    first, last = sorted((draw(st.integers(0, len(drawn))), draw(st.integers(0, len(drawn)))))
    shape = draw(st.sampled_from(["whole", "slice", "chunks"]))
    if shape == "slice":
        return table.slice(first, last - first)
    return pa.concat_tables([table.slice(0, first), table.slice(first)]) if shape == "chunks" else table


@pytest.fixture(scope="module")
def target(postgres_server) -> Iterator[Target]:
    name = postgres_server.create("template_plain")
    with Target.open(postgres_server.dsn(name), Settings.from_env({})) as opened:
        with opened.connection() as connection:
            listed = ", ".join(f"{column.name} {column.sql}" for column in COLUMNS)
            connection.execute(f"CREATE TABLE t ({listed}, PRIMARY KEY (id))".encode())
        yield opened
    postgres_server.drop(name)


def same(found: pa.Table, expected: pa.Table) -> None:
    """Equal, whatever the order and the chunks; compared as Python values for a readable difference."""
    assert found.schema == SCHEMA
    as_int = [pa.field(f.name, pa.int64()) if pa.types.is_timestamp(f.type) else f for f in SCHEMA]
    assert (
        found.sort_by("id").cast(pa.schema(as_int)).to_pylist()
        == expected.sort_by("id").cast(pa.schema(as_int)).to_pylist()
    )


def everything(target: Target, page: int = 20_000) -> pa.Table:
    return pa.concat_tables([SCHEMA.empty_table(), *read_table(target, "t", COLUMNS, "id", page=page)])


@given(table=tables(), page=st.integers(1, 5))
def test_copied_rows_read_back_equal_by_copy_and_by_key(target: Target, table: pa.Table, page: int) -> None:
    with target.connection() as connection:
        connection.execute("TRUNCATE t")
        assert copy_rows(connection, "t", table) == table.num_rows
        same(read_rows(connection, "t", COLUMNS, "id", table["id"].to_pylist()), table)
    same(everything(target, page), table)


@given(first=tables(), second=tables())
def test_upserted_rows_replace_every_column(target: Target, first: pa.Table, second: pa.Table) -> None:
    rows = min(first.num_rows, second.num_rows)
    later = second.slice(0, rows).set_column(0, SCHEMA.field(0), first["id"].slice(0, rows))
    with target.connection() as connection:
        connection.execute("TRUNCATE t")
        assert upsert_rows(connection, "t", "id", first) == first.num_rows
        assert upsert_rows(connection, "t", "id", later) == rows
    same(everything(target), pa.concat_tables([later, first.slice(rows)]))


@pytest.mark.parametrize(
    "text", ["", "x" * 36, "1B4E28BA-2fa1-41d2-883f-0016d3cca427", "1b4e28ba02fa1-41d2-883f-0016d3cca427", "é" * 18]
)
def test_a_bad_uuid_is_refused_with_its_column(text: str) -> None:
    table = pa.table({"id": [str(uuid.UUID(int=5)), text]})
    with pytest.raises(ValueError, match=r"column id.*not a lower-case uuid"):
        b"".join(encode(table, {"id": "uuid"}))


@pytest.mark.parametrize(
    ("array", "typname"),
    [
        (pa.array([2**31]), "int4"),
        (pa.array([-(2**63)], pa.timestamp("us", "UTC")), "timestamptz"),
        (pa.array([1], pa.timestamp("ns", "UTC")), "timestamptz"),
        (pa.array([1], pa.timestamp("us")), "timestamptz"),
        (pa.array([1.5]), "int4"),
    ],
)
def test_a_value_without_an_exact_form_is_refused(array: pa.Array, typname: str) -> None:
    with pytest.raises(ValueError, match="column v"):
        b"".join(encode(pa.table({"v": array}), {"v": typname}))


def test_blocks_are_cut_by_bytes_and_a_huge_row_travels_alone(target: Target) -> None:
    sizes = [10, 9_000_000, 10, 3_000_000, 3_000_000, 10]
    ids = [str(uuid.UUID(int=place)) for place in range(len(sizes))]
    table = pa.table({"id": ids, "a_text": ["x" * size for size in sizes]})
    blocks = list(encode(table, {"id": "uuid", "a_text": "text"}))
    assert len(blocks) == 2 + 4  # header, trailer; [10], [9 MB], [10, 3 MB], [3 MB, 10]
    assert sorted(map(len, blocks))[-2] < copy_binary.BLOCK_BYTES
    with target.connection() as connection:
        connection.execute("TRUNCATE t")
        copy_rows(connection, "t", table)
    assert [len(text.as_py()) for text in everything(target)["a_text"]] == sizes


def test_the_encoders_times_are_postgresqls(target: Target) -> None:
    moments = [datetime(1, 1, 1, tzinfo=UTC), datetime(1999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
               datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)]  # fmt: skip
    table = pa.table(
        {"id": [str(uuid.UUID(int=n)) for n in range(3)], "a_time": pa.array(moments, SCHEMA.field(5).type)}
    )
    with target.connection() as connection:
        connection.execute("TRUNCATE t")
        copy_rows(connection, "t", table)
        found = connection.execute("SELECT a_time FROM t ORDER BY id").fetchall()
    assert [row[0] for row in found] == moments


def test_encoding_needs_no_server() -> None:
    stream = b"".join(encode(pa.table({"a": pa.array([], pa.string())}), {"a": "text"}))
    assert stream == b"PGCOPY\n\xff\r\n\0" + bytes(8) + b"\xff\xff"
