"""The encoder: means what boto3 means by every value, gives one form to one value, refuses what isn't exact."""

from __future__ import annotations

import base64
import json
from decimal import Decimal
from enum import IntEnum
from typing import Any

import orjson
import pytest
from boto3.dynamodb.types import TypeSerializer
from hypothesis import given
from hypothesis import strategies as st

from billio_pipeline.model.numbers import MAX_DIGITS
from billio_pipeline.model.refusal import Refusal
from billio_pipeline.stores.dynamodb.client_form import for_client
from billio_pipeline.stores.dynamodb.encode import encode, encode_item, line
from billio_pipeline.stores.dynamodb.size import item_size

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
wholes = st.integers(-(10**MAX_DIGITS) + 1, 10**MAX_DIGITS - 1)
# Spelt without trailing zeros beyond 38 digits: boto3 refuses those, though they are the same number.
decimals = st.builds(lambda n, e: Decimal(n).scaleb(e), wholes, st.integers(-80, 80))
scalars = st.none() | st.booleans() | wholes | decimals | texts | st.binary(max_size=6)
sets = (
    st.sets(wholes | decimals, min_size=1, max_size=4)
    | st.sets(texts, min_size=1, max_size=4)
    | st.frozensets(st.binary(max_size=4), min_size=1, max_size=4)
)
values = st.recursive(
    scalars | sets,
    lambda inner: (
        st.lists(inner, max_size=3) | st.lists(inner, max_size=2).map(tuple) | st.dictionaries(texts, inner, max_size=3)
    ),
    max_leaves=8,
)
anything = values | st.floats() | st.decimals() | st.sets(st.nothing()) | st.integers() | st.sets(st.booleans())


def comparable(wire: dict[str, Any]) -> Any:
    """A client's wire value with numbers by value and sets without order."""
    ((tag, held),) = wire.items()
    match tag:
        case "N":
            return tag, Decimal(held)
        case "NS":
            return tag, sorted(map(Decimal, held))
        case "SS" | "BS":
            return tag, sorted(held)
        case "L":
            return tag, list(map(comparable, held))
        case "M":
            return tag, {name: comparable(each) for name, each in held.items()}
    return tag, held


@given(values)
def test_every_value_means_what_boto3_means_by_it(value):
    ours = for_client({"a": encode(value)})["a"]
    assert comparable(ours) == comparable(TypeSerializer().serialize(value))


@given(anything)
def test_what_is_accepted_is_well_formed_and_exact_and_the_rest_is_refused_by_value_error(value):
    try:
        wire = encode(value)
    except ValueError:
        return
    assert not isinstance(item_size({"a": wire}), Refusal)
    match wire:
        case {"N": text}:
            assert Decimal(text) == value
        case {"S": held} | {"BOOL": held}:
            assert held == value
        case {"B": text}:
            assert base64.b64decode(text) == value


@given(st.dictionaries(texts, values, max_size=5))
def test_equal_items_have_equal_bytes_in_whatever_order_they_were_built(item):
    other = {name: _rebuilt(item[name]) for name in reversed(item)}
    assert line(encode_item(item)) == line(encode_item(other))
    assert json.loads(line(encode_item(item))) == {"Item": encode_item(item)}


def _rebuilt(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _rebuilt(value[name]) for name in reversed(value)}
    if isinstance(value, set | frozenset):
        return {*sorted(value, reverse=True)}
    return value


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (1.5, "float"), (Decimal("NaN"), "not a number"), (Decimal("Infinity"), "not a number"),
        (10**38 + 1, "38 significant"), (Decimal("1e126"), "outside"), (Decimal("1e-131"), "outside"), (set(), "empty"),
        ({True}, "a set"), ({1, "a"}, "a set"), ({1: "a"}, "not text"), (object(), "no DynamoDB type"),
        ([{"deep": 0.5}], "float"), (float("nan"), "float"),
    ],
)  # fmt: skip
def test_what_no_value_holds_exactly_is_refused_and_named(value, words):
    with pytest.raises(ValueError, match=words):
        encode(value)
    with pytest.raises(ValueError, match=f"^good.bad: .*{words}"):
        encode_item({"first": 1, "good.bad": value})


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (10**38 - 1, "9" * 38), (-(10**38) + 1, "-" + "9" * 38), (10**40, "1" + "0" * 40), (0, "0"), (-0, "0"),
        (Decimal("-0.00"), "0"), (Decimal("1.50"), "1.5"), (Decimal("1E+2"), "100"), (Decimal("1E-7"), "0.0000001"),
        (Decimal("12345678901234567890.123456789012345678"), "12345678901234567890.123456789012345678"),
    ],
)  # fmt: skip
def test_a_number_has_one_spelling_with_all_its_digits(value, text):
    assert encode(value) == {"N": text}
    assert encode_item({"a": value}) == {"a": {"N": text}}


def test_subclasses_are_written_as_what_they_are():
    class Name(str):
        pass

    class Count(int):
        pass

    class Colour(str):
        def __str__(self) -> str:
            return "a colour"

    class Level(IntEnum):
        HIGH = 3

    item = encode_item({"a": Name("x"), "b": Count(3), Colour("red"): Colour("red"), "l": [Level.HIGH]})
    assert line(item) == b'{"Item":{"a":{"S":"x"},"b":{"N":"3"},"l":{"L":[{"N":"3"}]},"red":{"S":"red"}}}'
    assert orjson.dumps(encode({Name("x"): {Name("y"): 1}})) == b'{"M":{"x":{"M":{"y":{"N":"1"}}}}}'
