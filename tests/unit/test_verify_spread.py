"""Membership of an index, the hottest keys and the sizes, told from staged items alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from staged_items import Item, Staged, staged

from billio_pipeline.model.size import sizer, text_size
from billio_pipeline.model.tables import DynamoTable, Gsi
from billio_pipeline.verify.members import PAUSES, SHOWN, gsi_difference
from billio_pipeline.verify.spread import Hottest, Sizes, hot_share, sizes
from billio_pipeline.verify.survey import survey

BY_TYPE = Gsi("by-type", ("type:~/id", "S"), ("at", "N"))
MAIN = DynamoTable("main", ("PK", "S"), ("SK", "N"), indexes=(BY_TYPE,))
OTHER = DynamoTable("other", ("PK", "N"))


def item(n: int, pk: str = "p", **more: Any) -> Item:
    return {"PK": {"S": pk}, "SK": {"N": str(n)}} | more


def typed(n: int, type: Any, at: Any) -> Item:
    return item(n, **{"type:~/id": type, "at": at})


def surveyed(folder: Path, stage: Staged) -> Path:
    survey([MAIN, OTHER], stage.rows, folder / "survey.parquet")
    return folder / "survey.parquet"


@pytest.mark.parametrize(
    ("odd", "belongs"),
    [
        (typed(0, {"S": "a"}, {"N": "1"}), True),
        (typed(0, {"S": 'quote " and \0'}, {"N": "0"}), True),
        (item(0, at={"N": "1"}), False),
        (typed(0, {"S": "a"}, {"S": "1"}), False),
        (typed(0, {"NULL": True}, {"N": "1"}), False),
        (typed(0, {"M": {"S": {"S": "a"}}}, {"N": "1"}), False),
    ],
)
def test_an_item_is_in_an_index_when_it_has_each_key_with_its_type(tmp_path, odd, belongs):
    stage = staged(tmp_path, {"One": [odd]}, lambda entity: MAIN)
    found = gsi_difference(
        MAIN, BY_TYPE, surveyed(tmp_path, stage), stage.dropped, lambda: [["p / 0"]], tmp_path, now=0, pauses=()
    )
    assert (found.expected, found.extra) == ((1, 0) if belongs else (0, 1))


def test_only_the_first_keys_of_many_are_named(tmp_path):
    items = [typed(n, {"S": "a"}, {"N": "1"}) for n in range(100, 300)]
    stage = staged(tmp_path, {"One": items}, lambda entity: MAIN, dropped=[(0, 0)])
    waited: list[float] = []
    pages = [[f"x{n}" for n in range(1_000)], [], ["p / 299"]]
    found = gsi_difference(
        MAIN,
        BY_TYPE,
        surveyed(tmp_path, stage),
        stage.dropped,
        lambda: pages,
        tmp_path / "work",
        now=0,
        wait=waited.append,
    )
    assert (found.expected, found.found, found.missing, found.extra) == (199, 1_001, 198, 1_000)
    assert found.missing_keys == tuple(f"p / {n}" for n in range(101, 101 + SHOWN))
    assert len(found.extra_keys) == SHOWN
    assert waited == list(PAUSES)
    assert sum(PAUSES) <= 10
    assert not list((tmp_path / "work").iterdir()), "nothing is left behind"


def test_the_hottest_key_of_table_and_index_is_named_with_its_share(tmp_path):
    items = [item(n, "cold" if n < 3 else f"{n}") for n in range(9)]
    items += [typed(n, {"S": type}, {"N": "1"}) for n, type in zip(range(20, 26), "aabaab", strict=True)]
    stage = staged(
        tmp_path,
        {"One": items, "Other": [{"PK": {"N": "1.0"}}]},
        {"One": MAIN, "Other": OTHER}.get,
        dropped=[(0, 0)],
    )
    found = hot_share([MAIN, OTHER], surveyed(tmp_path, stage), stage.dropped, tmp_path / "work")
    assert found == [
        Hottest("main", None, "p", 6, 14),
        Hottest("main", "by-type", "a", 4, 6),
        Hottest("other", None, "1", 1, 1),
    ]
    assert found[1].share == pytest.approx(2 / 3)


def test_sizes_are_dynamodbs_and_the_largest_items_key_is_named(tmp_path):
    items = [item(n, text={"S": "x" * n}) for n in range(1_000)]
    stage = staged(tmp_path, {"One": items}, lambda entity: MAIN, dropped=[(0, 999)])
    size = sizer(text_size)
    found = sizes(surveyed(tmp_path, stage), stage.dropped)
    assert found == {"main": Sizes(999, size(items[989]), size(items[998]), "p / 998")}
