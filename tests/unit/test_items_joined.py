"""Rows of a copied table come in the file's order, each with what its lookups read, whatever they are and weigh."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from assets.algoitny.model import PROBLEM, TEST_CASE, USAGE
from billio_pipeline.migrate import joined
from billio_pipeline.migrate.copied import SourceFile, SourceRow
from billio_pipeline.migrate.joined import joined_rows
from billio_pipeline.model.canonical import parse_jsonb
from billio_pipeline.model.entity import Entity
from billio_pipeline.model.refusal import Reason, Refusal

Row = dict[str, Any]


def copy(folder: Path, entity: Entity, rows: Sequence[Mapping[str, Any]], groups: int = 100) -> SourceFile:
    """One file of the copied table, as the snapshot writes it: more columns may be there, in another order."""
    path = folder / entity.table.name / "000000.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    schema = pa.schema([pa.field(c.name, c.type.arrow) for c in reversed(entity.columns)])
    pq.write_table(pa.Table.from_pylist(list(rows), schema), path, row_group_size=groups)
    return SourceFile(f"{entity.table.name}/000000.parquet", entity.name, len(rows), path.stat().st_size)


def problem(n: int, **more: Any) -> Row:
    made = {"id": n, "platform": f"p{n}", "problem_id": f"#{n}", "title": "t", "tags": "[]", "metadata": "{}"}
    return made | {"is_completed": False, "is_deleted": False, "created_at": 0} | more


def case(n: int, of: int, text: str = "") -> Row:
    return {"id": n, "problem_id": of, "input": text, "output": "", "created_at": n}


def rows(folder: Path, file: SourceFile, entity: Entity) -> list[Row]:
    found = list(joined_rows(folder, file, entity))
    assert [each.line for each in found] == list(range(1, file.rows + 1))
    assert not [each for each in found if isinstance(each.row, Refusal)]
    return [each.row for each in found if isinstance(each.row, dict)]


def test_each_row_has_its_own_lookup_in_the_files_order(tmp_path: Path) -> None:
    copy(tmp_path, PROBLEM, [problem(n) for n in range(300)])
    made = [case(n, (n * 7_919) % 400) for n in range(5_000)]
    found = rows(tmp_path, copy(tmp_path, TEST_CASE, made), TEST_CASE)
    assert [row["id"] for row in found] == list(range(5_000))
    for row in found:
        of = row["problem_id"]
        looked = (f"p{of}", f"#{of}") if of < 300 else (None, None)
        assert (row["problem.platform"], row["problem.problem_id"]) == looked
    assert [row["created_at"] for row in found] == list(range(5_000)), "µs since 1970"


def test_a_null_reference_finds_nothing_not_even_in_an_empty_table(tmp_path: Path) -> None:
    copy(tmp_path, PROBLEM, [])
    made = [{"id": 1, "user_id": None, "action": "hint", "problem_id": None, "metadata": None, "created_at": 0}]
    (row,) = rows(tmp_path, copy(tmp_path, USAGE, made), USAGE)
    assert (row["problem.platform"], row["problem_id"], row["metadata"]) == (None, None, None)


def test_documents_come_in_their_one_spelling_and_the_original_as_it_was(tmp_path: Path) -> None:
    spelt = '{"b": 1.50, "a": 1E2, "big": 123456789012345678901234567890}'
    file = copy(tmp_path, PROBLEM, [problem(1, metadata=spelt)])
    (found,) = joined_rows(tmp_path, file, PROBLEM)
    assert isinstance(found.row, dict)
    assert found.row["metadata"] == '{"a": 100, "b": 1.5, "big": 123456789012345678901234567890}'
    assert parse_jsonb(found.original)["metadata"] == spelt
    assert parse_jsonb(found.original).keys() == {column.name for column in PROBLEM.columns}


def test_a_document_too_deep_to_read_is_one_refused_row_among_others(tmp_path: Path) -> None:
    deep = "[" * 5_000 + "]" * 5_000
    usage = {"user_id": None, "action": "hint", "created_at": 0}
    copy(tmp_path, PROBLEM, [problem(n) for n in range(9)])
    made = [usage | {"id": n, "problem_id": n, "metadata": deep if n == 4 else "{}"} for n in range(9)]
    found: list[SourceRow] = list(joined_rows(tmp_path, copy(tmp_path, USAGE, made), USAGE))
    refused = found.pop(4)
    assert isinstance(refused.row, Refusal)
    assert (refused.row.reason, refused.line) == (Reason.OVER_DYNAMODB_LIMIT, 5)
    assert parse_jsonb(refused.original)["metadata"] == deep
    assert [each.row["problem.platform"] for each in found if isinstance(each.row, dict)] == [
        f"p{n}" for n in range(9) if n != 4
    ], "those behind it have lookups of their own"


def test_rows_that_don_t_fit_in_memory_together_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joined, "connect", partial(joined.connect, memory="24MB"))
    copy(tmp_path, PROBLEM, [problem(1)])
    made = [case(n, 1, f"{n:06d}" * 2_000) for n in range(4_000)]  # 48 MB
    file = copy(tmp_path, TEST_CASE, made)
    assert sum(1 for each in joined_rows(tmp_path, file, TEST_CASE) if isinstance(each.row, dict)) == 4_000
