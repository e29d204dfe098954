"""The profile of items is exact, the same in whatever parts they come, and bounded where keys are data."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import astuple
from decimal import Decimal
from typing import Any

import pytest
import wire
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.billio.generator import generate
from billio_pipeline.codec.wire import parse
from billio_pipeline.model.refusal import Refusal
from billio_pipeline.plan.places import ANY_KEY, MOST_KEYS, MOST_VALUES, Place, Profile, shown

Item = dict[str, dict[str, Any]]


def profiled(items: list[Item], first: int = 1) -> Profile:
    profile = Profile()
    for line, item in enumerate(items, first):
        profile.look(item, len(str(item)), (0, line))
    return profile


def spelt(profile: Profile) -> Any:
    """The profile as values that compare; what no order may change."""

    def place(each: Place) -> Any:
        seen = {tag: astuple(held) for tag, held in each.seen.items()}
        inner = {name: place(held) for name, held in each.keys.items()}
        return seen, inner, each.elements and place(each.elements), each.many, each.values

    return profile.items, profile.largest, profile.largest_at, place(profile.top)


def counted(items: list[Item]) -> Counter[tuple[str, str]]:
    """(path, type) of every value there is, found by plain recursion over the items."""
    found: Counter[tuple[str, str]] = Counter()

    def look(path: tuple[str, ...], value: dict[str, Any]) -> None:
        ((tag, held),) = value.items()
        found[shown(path), tag] += 1
        if tag == "M":
            for name, inner in held.items():
                look((*path, name), inner)
        if tag == "L":
            for inner in held:
                look((*path, "[]"), inner)

    for item in items:
        for name, value in item.items():
            look((name,), value)
    return found


def test_every_value_is_counted_at_its_path_with_its_type() -> None:
    items = list(generate(1_500))
    places = profiled(items).top.walk()
    found = {(shown(path), tag): n for path, place in places for tag, n in place.types.items()}
    assert found == counted(items)


def test_ranges_are_the_exact_least_and_largest() -> None:
    numbers = ["-0.5", "1" * 38, "1E-130", "0", "-" + "9" * 31]
    items = [{"n": {"N": text}, "s": {"S": "é" * length}} for text, length in zip(numbers, range(5), strict=True)]
    top = profiled(items).top
    exact = [Decimal(text) for text in numbers]
    seen = top.keys["n"].seen["N"]
    assert (seen.low, seen.high, seen.fractional) == (min(exact), max(exact), 2)
    text = top.keys["s"].seen["S"]
    assert (text.low, text.high, text.size, text.empty) == (0, 4, 8, 1)


def test_absent_counts_those_that_could_have_had_it() -> None:
    items: list[Item] = [{"a": {"M": {"x": {"S": "1"}}}}, {"a": {"M": {}}}, {"a": {"NULL": True}}, {}]
    profile = profiled(items)
    assert profile.holders(("a",)) - profile.top.keys["a"].present == 1
    assert profile.holders(("a", "x")) - profile.top.keys["a"].keys["x"].present == 1
    assert not profile.top.keys["a"].drifts
    assert profiled([{"a": {"S": "1"}}, {"a": {"N": "1"}}]).top.keys["a"].drifts


whole_items = (
    wire.items().map(lambda item: parse(wire.written(item))).filter(lambda item: not isinstance(item, Refusal))
)


@settings(max_examples=40)
@given(st.lists(whole_items, max_size=8), st.integers(0, 8))
def test_parts_add_up_to_the_whole_in_any_order(items: list[Item], cut: int) -> None:
    whole = profiled(items)
    first, second = profiled(items[:cut]), profiled(items[cut:], cut + 1)
    second.add(first)
    assert spelt(second) == spelt(whole)


def test_maps_whose_keys_are_data_take_no_more_room_than_one() -> None:
    items: list[Item] = [{"by_user": {"M": {f"u{n}": {"N": str(n)}}}} for n in range(3 * MOST_KEYS)]
    random.Random(3).shuffle(items)
    whole = profiled(items)
    place = whole.top.keys["by_user"]
    assert list(place.keys) == [ANY_KEY]
    assert place.keys[ANY_KEY].seen["N"].count == len(items)
    assert (place.keys[ANY_KEY].seen["N"].low, place.keys[ANY_KEY].seen["N"].high) == (0, len(items) - 1)
    few, many = profiled(items[:MOST_KEYS]), profiled(items[MOST_KEYS:], MOST_KEYS + 1)
    few.add(many)
    assert spelt(few) == spelt(whole)


def test_few_different_texts_are_kept_and_many_are_not() -> None:
    few = profiled([{"t": {"S": f"v{n % MOST_VALUES}"}} for n in range(200)]).top.keys["t"]
    many = profiled([{"t": {"S": f"v{n}"}} for n in range(200)]).top.keys["t"]
    assert len(few.values or ()) == MOST_VALUES
    assert many.values is None


def test_names_that_differ_only_in_case_are_found_at_any_depth() -> None:
    item: Item = {"Title": {"S": "a"}, "title": {"S": "b"}, "m": {"M": {"Url": {"S": ""}, "URL": {"S": ""}}}}
    assert [sorted(map(shown, group)) for group in profiled([item]).collisions()] == [
        ["Title", "title"],
        ["m.URL", "m.Url"],
    ]


@pytest.mark.parametrize(
    ("path", "text"),
    [(("image", "url"), "image.url"), (("a.b", "c"), '"a.b".c'), (("sizes", "[]", "w"), "sizes[].w"), (("[]",), "[]")],
)
def test_paths_are_told_apart_from_names_with_dots(path: tuple[str, ...], text: str) -> None:
    assert shown(path) == text
