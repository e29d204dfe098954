"""The check over a stage: every row rebuilds its item, and a row that doesn't is found wherever it lost something."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from staging import staged
from wire import plain

from assets.billio.model import SYSTEM
from billio_pipeline.codec.compile import compile
from billio_pipeline.codec.rebuild import rebuilds
from billio_pipeline.migrate.reverse import reversed_rows
from billio_pipeline.model.canonical import jsonb_text, parse_jsonb
from billio_pipeline.verify.reversible import SHOWN, Rebuilds, reverse

CODEC = compile(SYSTEM)
ALL_BUT_ONE = Decimal("1234567890.123456789012345678901234567")
FEATURE = SYSTEM.by_name["Feature"]
IMAGE = {"M": {"url": {"S": "a.jpg"}, "width": {"N": "780"}, "sizes": {"L": [{"M": {"width": {"N": "128"}}}]}}}
ITEM = plain(
    "Movie",
    image=IMAGE,
    rating={"N": "8.0"},
    addedAt={"S": "2021-03-04T09:15:00.123+02:00"},
    tags={"SS": ["b", "a"]},
    category=None,
    releaseYear={"NULL": True},
    exact={"N": f"{ALL_BUT_ONE}8"},
)


rebuild = rebuilds(CODEC, FEATURE)


@pytest.fixture
def stage(settings):
    other = "00000000-0000-4000-8000-000000000001"
    return staged(settings, [plain("Feature", other)], [b"no item", ITEM])


def test_every_staged_row_rebuilds_its_item(stage):
    found = reverse(stage.batches("Feature", also=("_source",)), rebuild)
    assert (found.rows, found.failed, found.examples) == (2, 0, [])


Change = Callable[[dict[str, Any], dict[str, Any]], Any]  # of a row's columns, of its document


def forgetting(change: Change) -> Rebuilds:
    """A rebuild from rows that lost something on the way."""

    def lossy(row: Mapping[str, Any], line: bytes) -> bool:
        columns, document = dict(row), parse_jsonb(row["data"])
        change(columns, document)
        return rebuild(columns | {"data": jsonb_text(document)}, line)

    return lossy


def was(document: dict[str, Any]) -> dict[str, Any]:
    return document.get("$dynamodb", {}).get("was", {})


LOSSES: dict[str, Change] = {
    "the image's sizes": lambda row, document: document.pop("image", None),
    "a set's type": lambda row, document: document.get("$dynamodb", {}).pop("types", None),
    "the legacy type": lambda row, document: was(document).pop("type", None),
    "the time as it was written": lambda row, document: was(document).pop("addedAt", None),
    "the absence of a category": lambda row, document: was(document).pop("category", None),
    "a NULL": lambda row, document: document.pop("releaseYear", None),
    "all reserved notes": lambda row, document: document.pop("$dynamodb", None),
    "the last of 38 digits": lambda row, document: document.pop("exact", 0) and document.update(exact=ALL_BUT_ONE),
    "a rating": lambda row, document: row.update(rating=None),
    "an image's width": lambda row, document: row.update(image_width=None),
    "a microsecond": lambda row, document: row.update(moved_at=row["moved_at"] - 1) if document.get("exact") else None,
}


@pytest.mark.parametrize("change", LOSSES.values(), ids=LOSSES.keys())
def test_a_mapping_that_forgets_anything_is_found(stage, change):
    found = reverse(stage.batches("Feature", also=("_source",)), forgetting(change))
    assert found.rows == 2
    assert found.examples == [(1, 2, "rebuilds another item")], "file and line say which"
    assert found.failed == 1


def test_a_row_that_cannot_be_rebuilt_says_why(stage):
    def broken(row: Mapping[str, Any], line: bytes) -> bool:
        return rebuild(dict(row) | {"data": "{"}, line)

    found = reverse(stage.batches("Feature", also=("_source",)), broken)
    assert found.failed == 2
    assert all(why.startswith("can't be rebuilt: ") for _, _, why in found.examples)


def test_few_examples_are_kept_of_many_failures(settings):
    items = [plain("Feature", f"00000000-0000-4000-8000-{n:012d}") for n in range(3 * SHOWN)]
    found = reverse(staged(settings, items).batches("Feature", also=("_source",)), lambda row, line: False)
    assert (found.rows, found.failed, len(found.examples)) == (3 * SHOWN, 3 * SHOWN, SHOWN)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_row_damaged_in_any_file_is_found_by_one_process_or_several(settings, monkeypatch, workers):
    monkeypatch.setattr("billio_pipeline.migrate.reverse._WORTH_PROCESSES", 0)
    stage = staged(
        settings, *[[plain(key=f"0000000{file}-0000-4000-8000-{n:012d}") for n in range(3)] for file in "123"]
    )
    second = stage.rows("Book")[1]
    table = pq.read_table(second)
    shelves = pa.array(["damaged" if line == 2 else "Read" for line in table["_line"].to_pylist()])
    pq.write_table(table.set_column(table.column_names.index("shelf"), "shelf", shelves), second)
    told: list[int] = []
    found = reversed_rows(stage, ["Book", "Feature"], workers=workers, progress=told.append)
    assert (found["Book"].rows, found["Book"].failed) == (9, 1)
    assert found["Book"].examples == [(1, 2, "rebuilds another item")]
    assert found["Feature"].rows == 0
    assert sum(told) == 9
