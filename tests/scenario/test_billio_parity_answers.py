"""Parity: equal answers over a true load, from oracle and live table; each planted defect is found by its pattern."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import duckdb
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from assets.billio.generator import generate
from assets.billio.model import SYSTEM, TABLE
from assets.billio.oracle import LiveTable
from assets.billio.parity import parity
from assets.billio.store import Store
from assets.factory.parity import ParityCase
from billio_pipeline.codec.compile import Refused, compile
from billio_pipeline.codec.wire import parse
from billio_pipeline.settings import Settings
from billio_pipeline.stores.dynamodb import put_items, tables
from billio_pipeline.stores.dynamodb.client import dynamodb_client
from billio_pipeline.stores.retry import Retries
from billio_pipeline.stores.sql.retry import run_transaction
from billio_pipeline.stores.sql.rows import copy_rows
from billio_pipeline.stores.sql.schema import up
from billio_pipeline.stores.sql.target import Target

PATTERNS = {
    "withId", "withExternalId", "withSeriesId", "ofType", "onShelf", "forWatching", "search", "ofType count",
    "onShelf count",
}  # fmt: skip


@dataclass(frozen=True)
class Loaded:
    store: Store
    target: Target
    files: list[str]

    def parity(self, dropped: str = "false", **options: Any) -> list[ParityCase]:
        """Parity less the staged rows for which `dropped`, an SQL condition, holds."""
        path = str(Path(self.files[0]).with_name("dropped.parquet"))
        rows = duckdb.read_parquet(self.files).filter(dropped)
        rows.project("_file AS file, _line AS line").write_parquet(path)
        return parity(self.store, self.files, path, **options)


@pytest.fixture
def load(dsql_database: str, settings: Settings, tmp_path: Path) -> Iterator:
    """Stages items as the migration does and loads their rows."""
    with Target.open(dsql_database, settings, connections=2) as target:
        up(target, SYSTEM)

        def loaded(items: list[dict]) -> Loaded:
            codec, rows, files = compile(SYSTEM), [], []
            for item in items:
                line = orjson.dumps({"Item": item})
                parsed = parse(line)
                assert isinstance(parsed, dict)
                found = codec.to_row(parsed)
                assert not isinstance(found, Refused), found
                rows.append((found[0].name, found[1], line))
            for name in SYSTEM.by_name:
                own = [(row, line) for entity, row, line in rows if entity == name]
                table = pa.Table.from_pylist([row for row, _ in own], schema=SYSTEM.arrow_schema())
                folder = tmp_path / "rows" / name
                folder.mkdir(parents=True)
                staged = table.append_column("_source", pa.array([line for _, line in own], pa.binary()))
                staged = staged.append_column("_file", pa.array([len(files)] * len(own), pa.int32()))
                staged = staged.append_column("_line", pa.array(range(1, len(own) + 1), pa.int64()))
                files.append(folder / "0000.parquet")
                pq.write_table(staged, files[-1])
                # In declared order: series come before the seasons that refer to them.
                run_transaction(target, lambda c, t=table: copy_rows(c, "items", t), retries=Retries())
            return Loaded(Store(target), target, [str(path) for path in files])

        yield loaded


def wrong(cases: list[ParityCase]) -> set[str]:
    return {case.pattern for case in cases if not case.equal}


def test_parity_holds_over_a_true_load(load) -> None:
    loaded = load([*generate(1200, iso_times=True)])
    cases = loaded.parity(samples=12, seed=3)
    assert [case for case in cases if not case.equal] == []
    assert {case.pattern for case in cases} == PATTERNS
    counted = [case for case in cases if case.pattern in ("ofType", "onShelf", "forWatching")]
    assert sum(len(case.expected) > 10 for case in counted) > 20, "windows too small to mean anything"
    assert any("rewritten" in case.note for case in cases), "no legacy item was met"
    assert cases == loaded.parity(samples=12, seed=3)


def test_parity_holds_against_a_live_table_with_items_out_of_step(load, ministack: str, settings: Settings) -> None:
    items = list(generate(120))
    book, feature, other = (
        next(item for item in items[30:] if item["type"]["S"] == kind) for kind in ("Book", "Feature", "TvSeries")
    )
    book["type:shelf"] = {"S": "Book:Nowhere"}
    del feature["category"]
    other["category"] = {"S": "Other"}
    client = dynamodb_client(replace(settings, dynamodb_endpoint=ministack))
    table = replace(TABLE, name=f"billio-{uuid4()}")
    tables.create(client, table)
    put_items(client, table, items)
    loaded = load(items)
    cases = loaded.parity(samples=12, live=LiveTable(client, table.name))
    client.delete_table(TableName=table.name)
    assert [case for case in cases if not case.equal] == []
    assert {case.pattern for case in cases} == {each for each in PATTERNS if "count" not in each}
    assert any("can't show" in case.note for case in cases if case.pattern == "forWatching")


def test_rows_dropped_since_are_left_out(load) -> None:
    loaded = load([*generate(200)])
    with loaded.target.connection() as connection:
        connection.execute("DELETE FROM items WHERE type = 'Book'")
    assert {"withId", "ofType", "ofType count"} <= wrong(loaded.parity(samples=16))
    assert wrong(loaded.parity("type = 'Book'", samples=10)) == set()


@pytest.mark.parametrize(
    ("damage", "patterns"),
    [
        ("UPDATE items SET data = data || '{\"author\": \"?\"}' WHERE type = 'Book'", {"withId"}),
        ("UPDATE items SET external_id = external_id || 'x'", {"withId", "withExternalId"}),
        ("UPDATE items SET series_id = NULL", {"withId", "withSeriesId"}),
        ("UPDATE items SET added_at = added_at + interval '1 ms'", {"withId", "ofType", "onShelf"}),
        ("UPDATE items SET shelf = 'Elsewhere'", {"withId", "onShelf", "onShelf count"}),
        ("UPDATE items SET title = reverse(title)", {"withId", "search"}),
        ("UPDATE items SET type = 'Book' WHERE type = 'Feature'", {"withId", "ofType", "forWatching", "ofType count"}),
        ("DELETE FROM items WHERE type = 'TvSeason'", {"withId", "withSeriesId", "ofType count", "onShelf count"}),
    ],
)
def test_each_defect_is_found_by_its_patterns(load, damage: str, patterns: set[str]) -> None:
    loaded = load([*generate(200)])
    with loaded.target.connection() as connection:
        connection.execute(damage)
    assert patterns <= wrong(loaded.parity(samples=16))
