"""Profiling takes the same memory however many items there are."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable

from assets.billio.generator import generate
from billio_pipeline.plan.discover import Kind
from billio_pipeline.plan.places import Profile


def grown(look: Callable[[dict, int], None], few: int, many: int) -> float:
    """What is held after `many` items in terms of that after the first `few`; the items themselves are streamed."""
    tracemalloc.start()
    try:
        for number, item in enumerate(generate(many), 1):
            look(item, number)
            if number == few:
                base = tracemalloc.get_traced_memory()[0]
        return tracemalloc.get_traced_memory()[0] / base
    finally:
        tracemalloc.stop()


def test_a_profile_of_many_items_is_no_larger_than_one_of_few() -> None:
    profile = Profile()
    assert grown(lambda item, n: profile.look(item, 500, (0, n)), 1_000, 6_000) < 1.2
    assert profile.items == 6_000


def test_discovering_a_kind_is_no_larger_either() -> None:
    kind = Kind()
    assert grown(lambda item, n: kind.look(item, 500, (0, n)), 1_000, 6_000) < 1.2
