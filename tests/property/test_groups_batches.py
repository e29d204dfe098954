"""Row groups are batches: small enough for one transaction, in order, nothing lost, and memory stays flat."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import example, given, settings
from hypothesis import strategies as st

from billio_pipeline.migrate.groups import MAX_BYTES, MAX_ROWS, RowGroups, cuts, row_bytes

MIB = 1 << 20
SCHEMA = pa.schema([("id", pa.string()), ("data", pa.string()), ("rating", pa.int32()), ("_line", pa.int64())])


def rows(first: int, lengths: list[int]) -> pa.Table:
    """Rows with texts of these lengths, numbered from `first`."""
    return pa.table(
        {
            "id": [f"{first + n:036d}" for n in range(len(lengths))],
            "data": ["x" * length for length in lengths],
            "rating": [n % 10 for n in range(len(lengths))],
            "_line": range(first, first + len(lengths)),
        },
        SCHEMA,
    )


def groups_of(path: Path) -> list[pa.Table]:
    if not path.exists():
        return []
    with pq.ParquetFile(path) as file:
        return [file.read_row_group(n) for n in range(file.num_row_groups)]


def written(tables: list[pa.Table]) -> list[pa.Table]:
    with TemporaryDirectory() as folder:
        groups = RowGroups(Path(folder) / "new" / "rows.parquet")
        for table in tables:
            groups.add(table)
        groups.close()
        return groups_of(Path(folder) / "new" / "rows.parquet")


lengths = st.lists(st.sampled_from([0, 10, 1000, 300_000, 3 * MIB]), max_size=12) | st.integers(0, 6000).map(
    lambda n: [5] * n
)


@settings(max_examples=40)
@given(st.lists(lengths, max_size=4))
@example([[0] * MAX_ROWS])
@example([[0] * (MAX_ROWS + 1)])
@example([[0] * (MAX_ROWS - 1), [0], [0]])
@example([[MAX_BYTES], [0]])
def test_groups_fit_a_transaction_and_hold_every_row_in_order(blocks):
    tables, first = [], 1
    for each in blocks:
        tables.append(rows(first, each))
        first += len(each)
    groups = written(tables)
    for group in groups:
        assert 1 <= group.num_rows <= MAX_ROWS
        assert group.num_rows == 1 or row_bytes(group).sum() <= MAX_BYTES
    if groups:
        assert pa.concat_tables(groups).equals(pa.concat_tables(tables))
    assert sum(group.num_rows for group in groups) == sum(map(len, blocks))


@given(st.lists(st.integers(1, 2 * MAX_BYTES), max_size=60))
def test_cuts_are_greedy_so_no_batch_could_take_the_next_row(sizes):
    ends = cuts(np.array(sizes, dtype=np.int64))
    starts = [0, *ends[:-1]]
    assert ends[-1:] == [len(sizes)][: len(sizes)]
    for start, end in zip(starts, ends, strict=False):
        assert start < end
        if end < len(sizes):
            assert sum(sizes[start : end + 1]) > MAX_BYTES


def test_small_rows_fill_their_batches_whatever_blocks_they_come_in():
    groups = written([rows(1 + 700 * n, [20] * 700) for n in range(10)])
    assert [group.num_rows for group in groups] == [2500, 2500, 2000]


def test_nothing_is_written_for_an_entity_without_rows():
    assert written([]) == written([rows(1, [])]) == []


def test_estimates_count_text_twice_in_utf8_bytes_and_not_our_own_columns():
    table = pa.table({"a": ["", None, "é"], "_source": ["x" * 99] * 3})
    empty, null, accented = row_bytes(table).tolist()
    assert empty == null == accented - 2 * len("é".encode())


def test_huge_rows_are_written_as_they_come_and_memory_stays_flat(tmp_path):
    before = pa.total_allocated_bytes()
    most = 0
    groups = RowGroups(tmp_path / "rows.parquet")
    for n in range(40):  # 120 MiB in all
        groups.add(rows(1 + n, [3 * MIB]))
        most = max(most, pa.total_allocated_bytes() - before)
    groups.close()
    assert most < 40 * MIB
    with pq.ParquetFile(tmp_path / "rows.parquet") as file:
        assert [file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)] == [1] * 40
