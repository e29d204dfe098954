"""Every kind of difference between staged and target items is found, with key and attribute; equal ones are left."""

from __future__ import annotations

import time
from collections.abc import Callable
from copy import deepcopy
from itertools import product
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from staged_items import Item, spooled, staged

from billio_pipeline.errors import TargetError, TerminalError
from billio_pipeline.model.keys import item_key_text, key_text
from billio_pipeline.model.refusal import Refusal
from billio_pipeline.model.tables import DynamoTable
from billio_pipeline.verify.items import reconcile_items, spool_items
from billio_pipeline.verify.reconcile import SHOWN, Verdict, entity_counts

MAIN = DynamoTable("main", ("PK", "S"), ("SK", "S"), ttl="TTL")
USERS = DynamoTable("users", ("PK", "S"), ("SK", "S"))
NOW = 1_700_000_000


def problem(n: int, **more: Any) -> Item:
    return {"PK": {"S": f"PROBLEM#{n}"}, "SK": {"S": "METADATA"}, "tp": {"S": "Problem"}} | more


def usage(n: int, ttl: int, **more: Any) -> Item:
    return {"PK": {"S": f"USER#{n}"}, "SK": {"S": "USAGE"}, "tp": {"S": "Usage"}, "TTL": {"N": str(ttl)}} | more


RICH = problem(
    1,
    title={"S": "Café "},
    empty={"S": ""},
    count={"N": "10"},
    price={"N": "0.1000000000000000055511151231257827"},
    binary={"B": "AP8="},
    tags={"SS": ["b", "a"]},
    numbers={"NS": ["2.50", "1"]},
    truth={"BOOL": True},
    nothing={"NULL": True},
    deep={"M": {"a/b": {"L": [{"N": "1"}, {"M": {"c": {"S": "x"}}}]}, "more": {"S": "y"}}},
)
ITEMS = {
    "Problem": [RICH, problem(2), problem(3)],
    "Usage": [usage(1, NOW - 1), usage(2, NOW), usage(3, NOW + 1), usage(4, NOW - 9)],
}


def entity_of(item: Item) -> str:
    return item.get("tp", {}).get("S", "_unknown")


@pytest.fixture
def compared(tmp_path):
    """Compare the items with themselves, after something was done to the target's, by number of their place."""

    def compare(change: Callable[[list[Item]], Any], items: dict[str, list[Item]] = ITEMS, **options: Any) -> Verdict:
        dropped = options.pop("dropped", ())
        stage = staged(tmp_path, items, lambda entity: MAIN, dropped)
        held = deepcopy([item for each in items.values() for item in each])
        change(held)
        target = {"main": spooled(tmp_path, MAIN, list(reversed(held)), entity_of)}
        out = tmp_path / "differences.parquet"
        options = {"now": NOW, **options}
        return reconcile_items([MAIN], list(items), stage.rows, stage.dropped, target, out, **options)

    return compare


def keyed(verdict: Verdict) -> list[tuple[str, str | None]]:
    return [(each["key"], each["column"]) for each in verdict.differences]


ONE = "PROBLEM#1 / METADATA"

CHANGES: dict[str, tuple[str, Callable[[Item], Any], str | None, str | None]] = {
    "a trailing space lost": ("title", lambda i: i["title"].update(S="Café"), "Café ", "Café"),
    "another normal form": ("title", lambda i: i["title"].update(S="Cafe\u0301 "), "Café ", "Cafe\u0301 "),
    "an attribute removed": ("count", lambda i: i.pop("count"), '{"N":"10"}', None),
    "an empty string removed": ("empty", lambda i: i.pop("empty"), "", None),
    "an attribute added": ("new", lambda i: i.update(new={"S": "n"}), None, "n"),
    "a null added": ("new", lambda i: i.update(new={"NULL": True}), None, '{"NULL":true}'),
    "a null removed": ("nothing", lambda i: i.pop("nothing"), '{"NULL":true}', None),
    "null became empty": ("nothing", lambda i: i.update(nothing={"S": ""}), '{"NULL":true}', ""),
    "a number off by one": ("count", lambda i: i["count"].update(N="11"), '{"N":"10"}', '{"N":"11"}'),
    "a number became text": ("count", lambda i: i.update(count={"S": "10"}), '{"N":"10"}', "10"),
    "a number as its own wire": (
        "count", lambda i: i.update(count={"S": '{"N":"10"}'}), '{"N":"10"}', '{"S":"{\\"N\\":\\"10\\"}"}',
    ),
    "a number through a float": (
        "price", lambda i: i.update(price={"N": "0.1"}), '{"N":"0.1000000000000000055511151231257827"}', '{"N":"0.1"}',
    ),
    "another byte": ("binary", lambda i: i.update(binary={"B": "AP4="}), '{"B":"AP8="}', '{"B":"AP4="}'),
    "a set's member lost": ("tags", lambda i: i["tags"].update(SS=["a"]), '{"SS":["a","b"]}', '{"SS":["a"]}'),
    "a set became a list": (
        "tags", lambda i: i.update(tags={"L": [{"S": "a"}, {"S": "b"}]}),
        '{"SS":["a","b"]}', '{"L":[{"S":"a"},{"S":"b"}]}',
    ),
    "true became false": ("truth", lambda i: i["truth"].update(BOOL=False), '{"BOOL":true}', '{"BOOL":false}'),
    "another case of a name": ("Title", lambda i: i.update(Title=i["title"]), None, "Café "),
    "a nested value": (
        "deep", lambda i: i["deep"]["M"]["a/b"]["L"][1]["M"]["c"].update(S="z"),
        '{"M":{"a/b":{"L":[{"N":"1"},{"M":{"c":{"S":"x"}}}]},"more":{"S":"y"}}}',
        '{"M":{"a/b":{"L":[{"N":"1"},{"M":{"c":{"S":"z"}}}]},"more":{"S":"y"}}}',
    ),
    "a list reversed": (
        "deep", lambda i: i["deep"]["M"]["a/b"]["L"].reverse(),
        '{"M":{"a/b":{"L":[{"N":"1"},{"M":{"c":{"S":"x"}}}]},"more":{"S":"y"}}}',
        '{"M":{"a/b":{"L":[{"M":{"c":{"S":"x"}}},{"N":"1"}]},"more":{"S":"y"}}}',
    ),
}  # fmt: skip


@pytest.mark.parametrize(("column", "change", "source", "target"), CHANGES.values(), ids=CHANGES.keys())
def test_a_changed_attribute_is_found_with_its_key_and_both_texts(compared, column, change, source, target):
    verdict = compared(lambda held: change(held[0]))
    (difference,) = verdict.differences
    assert difference == {"entity": "Problem", "key": ONE, "column": column, "source": source, "target": target}
    assert verdict.columns == {column: 1}
    assert verdict.counts["Problem"] == {
        "loaded": 3, "missing": 0, "extra": 0, "different": 1, "expired": 0, "added": 0, "target": 3,
    }  # fmt: skip
    assert pq.read_table(verdict.path).to_pylist() == verdict.differences
    assert not verdict.equal


def test_every_attribute_that_differs_has_a_line_of_its_own(compared):
    verdict = compared(lambda held: held[0].update(title={"S": "t"}, count={"N": "0"}, new={"S": ""}))
    assert keyed(verdict) == [(ONE, "count"), (ONE, "new"), (ONE, "title")]
    assert verdict.columns == {"count": 1, "new": 1, "title": 1}
    assert verdict.total("different") == 1, "but it is one item"


def respell(held: list[Item]) -> None:
    held[0].update(count={"N": "1.0e1"}, tags={"SS": ["a", "b"]}, numbers={"NS": ["1.0", "25e-1"]})
    held[0] = dict(reversed(held[0].items()))


@pytest.mark.parametrize("part_rows", [1_000, 2])
def test_equal_items_raise_no_alarm_however_numbers_sets_and_order_are_spelt(compared, part_rows):
    verdict = compared(respell, part_rows=part_rows)
    assert verdict.equal
    assert (verdict.differences, verdict.columns, verdict.compared) == ([], {}, 7)
    assert {entity: counts["loaded"] for entity, counts in verdict.counts.items()} == {"Problem": 3, "Usage": 4}
    assert pq.read_metadata(verdict.path).num_rows == 0


def test_a_missing_item_is_one_difference_without_a_column(compared):
    verdict = compared(lambda held: held.pop(1))
    assert verdict.differences == [
        {"entity": "Problem", "key": "PROBLEM#2 / METADATA", "column": None, "source": "present", "target": None}
    ]
    assert (verdict.total("missing"), verdict.total("loaded"), verdict.total("target")) == (1, 6, 6)


@pytest.mark.parametrize(("type", "entity"), [("Usage", "Usage"), ("Else", "Else"), (None, "_unknown")])
def test_an_extra_item_is_counted_under_its_own_entity(compared, type, entity):
    extra = {"PK": {"S": "x"}, "SK": {"S": "y"}} | ({"tp": {"S": type}} if type else {})
    verdict = compared(lambda held: held.append(extra))
    assert verdict.differences == [
        {"entity": entity, "key": "x / y", "column": None, "source": None, "target": "present"}
    ]
    assert verdict.counts[entity]["extra"] == verdict.total("extra") == 1
    assert verdict.total("loaded") == 7


def test_an_item_its_time_removed_is_expired_and_one_before_its_time_is_missing(compared):
    verdict = compared(lambda held: [held.pop(place) for place in (5, 4, 3)])
    assert keyed(verdict) == [("USER#3 / USAGE", None)]
    assert verdict.counts["Usage"] == {
        "loaded": 1, "missing": 1, "extra": 0, "different": 0, "expired": 2, "added": 0, "target": 1,
    }  # fmt: skip
    known = {"source": 4, "quarantined": 0, "excluded": 0, "accepted": 4}
    counts = entity_counts({"Usage": known}, verdict.counts)["Usage"]
    assert (counts["excluded"], counts["missing"]) == (2, 1)
    assert counts["source"] == counts["loaded"] + counts["missing"] + counts["quarantined"] + counts["excluded"]


def test_an_item_past_its_time_that_is_still_there_is_compared(compared):
    verdict = compared(lambda held: held[6].update(TTL={"N": "0"}))
    assert keyed(verdict) == [("USER#4 / USAGE", "TTL")]


def test_an_item_without_an_expiry_is_never_expired(compared):
    assert compared(lambda held: held.pop(0), now=2**62).total("missing") == 1


COUNTER = {"PK": {"S": "COUNTER#x"}, "SK": {"S": "VALUE"}, "tp": {"S": "Counter"}}


def test_an_item_added_on_purpose_is_neither_extra_nor_loaded(compared):
    verdict = compared(lambda held: held.append(COUNTER), ignore_entities=["Counter"])
    assert verdict.equal
    assert verdict.differences == []
    assert verdict.counts["Counter"] == {
        "loaded": 0, "missing": 0, "extra": 0, "different": 0, "expired": 0, "added": 1, "target": 1,
    }  # fmt: skip
    assert compared(lambda held: held.append(COUNTER)).total("extra") == 1, "unless it was not said"


def test_a_staged_item_that_became_an_added_one_is_different(compared):
    verdict = compared(lambda held: held[1].update(tp={"S": "Counter"}), ignore_entities={"Counter"})
    assert keyed(verdict) == [("PROBLEM#2 / METADATA", "tp")]


def test_a_dropped_items_place_is_nobodys(compared):
    verdict = compared(lambda held: held.pop(1), dropped=[(0, 1)])
    assert verdict.equal
    assert keyed(compared(lambda held: None, dropped=[(0, 1)])) == [("PROBLEM#2 / METADATA", None)]


def test_two_items_that_swapped_their_contents_are_both_different(compared):
    def swap(held: list[Item]) -> None:
        held[1]["PK"], held[2]["PK"] = held[2]["PK"], held[1]["PK"]

    items = {"Problem": [problem(n, count={"N": str(n)}) for n in range(3)]}
    verdict = compared(swap, items)
    assert keyed(verdict) == [("PROBLEM#1 / METADATA", "count"), ("PROBLEM#2 / METADATA", "count")]


def test_an_empty_target_lacks_everything_and_an_empty_stage_nothing(compared):
    verdict = compared(lambda held: held.clear(), now=0)
    assert verdict.total("missing") == len(verdict.differences) == 7
    assert compared(lambda held: None, {"Problem": []}).equal


def test_what_differs_inside_a_large_value_is_pointed_at(compared):
    text = "x" * 600
    items = {"Problem": [problem(1, code={"S": text}, deep={"M": {"a/b": {"L": [{"N": "1"}, {"S": text}]}}})]}

    def change(held: list[Item]) -> None:
        held[0]["code"] = {"S": text[:70] + "y" + text[71:]}
        held[0]["deep"]["M"]["a/b"]["L"][0] = {"N": "2"}

    code, deep = compared(change, items).differences
    assert code["source"] == f"differs at /S character 70: {text}"
    assert deep["target"].startswith('differs at /M/a~1b/L/0/N character 0: {"M":{"a/b":{"L":[{"N":"2"}')


def test_a_very_large_text_is_whole_in_the_file_and_cut_in_the_verdict(compared):
    text = "x" * 300_000
    items = {"Problem": [problem(1, code={"S": text})]}
    verdict = compared(lambda held: held[0]["code"].update(S=text + "y"), items)
    (shown,), (row,) = verdict.differences, pq.read_table(verdict.path).to_pylist()
    assert row["target"] == f"differs at /S character 300000: {text}y"
    assert row["target"].startswith(shown["target"].partition("…")[0])
    assert len(shown["target"]) < 2_100


def test_no_two_keys_have_one_text_whatever_slashes_and_spaces_are_in_them():
    parts = ["".join(each) for length in range(1, 5) for each in product(" /a", repeat=length)]
    assert len({key_text((one, other)) for one in parts for other in parts}) == len(parts) ** 2
    assert key_text(("USER#a/b", "HISTORY#1")) == "USER#a/b / HISTORY#1", "an ordinary key is shown as it is"
    assert key_text(("a / b",)) == "a / b"


@pytest.mark.parametrize(
    ("tag", "spelt", "text"),
    [("N", ["10", "1.0E1"], "10"), ("B", ["AP8=", b"\x00\xff"], "AP8="), ("S", ["a /b"], "a /b")],
)
def test_a_key_has_one_text_however_it_is_spelt(tag, spelt, text):
    assert {item_key_text(DynamoTable("t", ("k", tag)), {"k": {tag: each}}) for each in spelt} == {text}


@pytest.mark.parametrize("item", [{}, {"k": {"S": "10"}}, {"k": {"N": "ten"}}])
def test_an_item_without_its_key_has_no_text(item):
    assert isinstance(item_key_text(DynamoTable("t", ("k", "N")), item), Refusal)


def test_keys_that_look_alike_are_told_apart(compared):
    odd = [
        {"PK": {"S": pk}, "SK": {"S": sk}} for pk, sk in (("a /", "b"), ("a", "/ b"), ("a / b", "c"), ("a", "b / c"))
    ]
    verdict = compared(lambda held: held[2].update(new={"S": ""}), {"Problem": odd})
    assert keyed(verdict) == [("a // b / c", "new")]
    assert verdict.total("loaded") == 4


def test_each_table_is_compared_with_its_own_items_and_others_are_left_out(tmp_path):
    stage = staged(
        tmp_path, {"Problem": [problem(1), problem(2)], "User": [problem(1)]}, {"Problem": MAIN, "User": USERS}.get
    )
    target = {
        "main": spooled(tmp_path, MAIN, [problem(1)], entity_of),
        "users": spooled(tmp_path, USERS, [problem(1), problem(2)], lambda item: "User"),
    }
    out = tmp_path / "out.parquet"

    def compare(*tables: DynamoTable) -> dict[str, dict[str, int]]:
        return reconcile_items(tables, [], stage.rows, stage.dropped, target, out, now=0).counts

    both = compare(MAIN, USERS)
    assert (both["Problem"]["missing"], both["User"]["extra"]) == (1, 1)
    assert list(compare(USERS)) == ["User"]


def test_all_differences_are_in_the_file_by_key_and_the_first_are_named(compared):
    items = {"Problem": [problem(10_000 + n) for n in range(3 * SHOWN)]}
    verdict = compared(lambda held: [item.update(new={"S": "n"}) for item in held], items)
    rows = pq.read_table(verdict.path).to_pylist()
    assert len(rows) == verdict.total("different") == verdict.columns["new"] == 3 * SHOWN
    assert verdict.differences == rows[:SHOWN]
    assert [row["key"] for row in rows] == sorted(row["key"] for row in rows)


def test_a_hundred_thousand_items_are_compared_within_seconds(tmp_path):
    items = [problem(n, title={"S": f"title {n}"}, count={"N": str(n)}) for n in range(100_000)]
    stage = staged(tmp_path, {"Problem": items}, lambda entity: MAIN)
    items[500] = items[500] | {"count": {"N": "-1"}}
    target = {"main": spooled(tmp_path, MAIN, items, entity_of)}
    started = time.perf_counter()
    verdict = reconcile_items([MAIN], ["Problem"], stage.rows, stage.dropped, target, tmp_path / "out.parquet", now=NOW)
    assert time.perf_counter() - started < 5
    assert keyed(verdict) == [("PROBLEM#500 / METADATA", "count")]


def test_a_hash_that_is_not_its_items_stops_the_comparison(tmp_path):
    stage = staged(tmp_path, {"Problem": [RICH]}, lambda entity: MAIN)
    (path,) = stage.rows["Problem"]
    rows = pq.read_table(path)
    pq.write_table(rows.set_column(2, rows.schema.field(2), pa.array([bytes(16)], pa.binary(16))), path)
    target = {"main": spooled(tmp_path, MAIN, [RICH], entity_of)}
    with pytest.raises(TerminalError, match="PROBLEM#1 / METADATA: the hash"):
        reconcile_items([MAIN], [], stage.rows, stage.dropped, target, tmp_path / "out.parquet", now=NOW)


@pytest.mark.parametrize("line", [b"{}", b'{"Item":{"PK":{"S":"only half"}}}', b'{"Item":{"PK":{"S":"\\ud800"}}}'])
def test_a_line_that_is_no_item_of_the_table_stops_the_reading_back(tmp_path, line):
    with pytest.raises(TargetError, match="table main"):
        spool_items([[orjson.dumps({"Item": RICH}), line]], MAIN, entity_of, tmp_path / "t.parquet")


def test_progress_is_told_of_every_page(tmp_path):
    told: list[int] = []
    pages = [[orjson.dumps({"Item": problem(n)}) for n in range(size)] for size in (2, 0, 5)]
    assert spool_items(pages, MAIN, entity_of, tmp_path / "t.parquet", told.append) == sum(told) == 7
