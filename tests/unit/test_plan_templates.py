"""What follows from other attributes is found, and what only seemed to is dropped by the item that says otherwise."""

from __future__ import annotations

import pytest

from billio_pipeline.plan.templates import Guesses, guesses


def chosen(*items: dict[str, str], kept: tuple[str, ...] = ()) -> dict[str, str]:
    found = Guesses()
    for item in items:
        found.look(item)
    return found.chosen({*items[0]}, {*kept})


BOOK = {"type": "Book", "id": "b-1", "shelf": "Read", "type:id": "Book:b-1", "type:shelf": "Book:Read"}


def test_a_composite_of_attributes_is_found() -> None:
    assert chosen(BOOK) == {"type:id": "{type}:{id}", "type:shelf": "{type}:{shelf}"}


def test_literals_between_attributes_are_kept_and_separators_inside_values_are_not_taken_for_them() -> None:
    item = {"user": "u7", "at": "2025-01-15T10:30:00Z", "SK": "HISTORY#2025-01-15T10:30:00Z#u7"}
    assert chosen(item) == {"SK": "HISTORY#{at}#{user}"}


def test_a_coincidence_in_the_first_item_does_not_outlive_the_second() -> None:
    other = {"type": "Book", "id": "b-2", "shelf": "Reading", "type:id": "Book:b-2", "type:shelf": "Book:Reading"}
    first = BOOK | {"status": "Read"}
    assert set(guesses("type:shelf", first)) >= {"{type}:{shelf}", "{type}:{status}"}
    assert chosen(first, other | {"status": "Lent"})["type:shelf"] == "{type}:{shelf}"
    assert "type:shelf" not in chosen(first, other | {"type:shelf": "by hand"})


def test_a_mere_copy_is_no_template() -> None:
    assert chosen({"a": "2025", "b": "2025"}) == {}


def test_nothing_derived_is_needed_to_derive_something_else() -> None:
    item = {"a": "1", "b": "2", "ab": "1#2", "again": "1#2#1"}
    found = chosen(item)
    assert not {name for template in found.values() for name in found if f"{{{name}}}" in template}
    assert found["again"] == "{a}#{b}#{a}"


@pytest.mark.parametrize("awkward", ["{type}:1", "", "x" * 2_000])
def test_texts_that_could_not_be_a_template_are_left_alone(awkward: str) -> None:
    assert "key" not in chosen({"type": "x", "key": awkward})


def test_many_equal_values_do_not_make_it_slow() -> None:
    item = {f"a{n}": "x" for n in range(30)} | {"key": ":".join("x" * 12)}
    assert list(guesses("key", item))
