"""Reading a line is total, repairs nothing, and means what boto3 means by it."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import oracle_codec as oracle
import pytest
import wire as grammar
from boto3.dynamodb.types import TypeDeserializer
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.billio.model import SYSTEM
from billio_pipeline.codec.compile import Refused, compile
from billio_pipeline.codec.wire import parse
from billio_pipeline.model.natural import to_natural
from billio_pipeline.model.refusal import Reason, Refusal

CODEC = compile(SYSTEM)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["Item", "S", "N", "M", "L", "SS", "NS", "B", "BS", "NULL", "type"]), inner)
    ),
    max_leaves=10,
)


def read(line: bytes) -> Any:
    """Parse, and carry on as decoding does: nothing may raise anywhere."""
    item = parse(line)
    return item if isinstance(item, Refusal) else CODEC.to_row(item)


@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_any_bytes_are_answered(line):
    assert isinstance(read(line), Refusal | Refused)


@given(json_values)
def test_any_json_is_answered(value):
    read(json.dumps(value).encode())
    read(json.dumps({"Item": value}).encode())
    read(json.dumps({"Item": {"type": value, "a": {"M": value}}}).encode())


@given(grammar.mutated())
def test_any_damage_to_a_good_line_is_answered(line):
    read(line)


@pytest.mark.parametrize("value", grammar.BAD_VALUES, ids=ascii)
def test_no_odd_value_raises_wherever_it_stands(value):
    for item in (
        {"type": value},
        {"a": {"L": [value]}},
        {"a": {"M": {"m": value}}},
        {"type": {"S": "Book"}, "id": value},
    ):
        read(grammar.written(item, ascii=True))


@pytest.mark.parametrize(
    "number", ["999E999999999", "9" * 59_000 + "E999999999", "." + "0" * 59_000 + "1E-999999999", "9" * 70_000]
)
def test_a_number_beyond_any_range_is_refused_and_does_not_raise(number):
    refusal = parse(grammar.written({"a": {"N": number}}))
    assert isinstance(refusal, Refusal)
    assert refusal.reason is Reason.OVER_DYNAMODB_LIMIT


@pytest.mark.parametrize("levels", [600, 100_000])
def test_nesting_of_any_depth_is_refused_and_does_not_raise(levels):
    line = b'{"Item":{"a":' + b'{"L":[' * levels + b'{"S":""}' + b"]}" * levels + b"}}"
    refusal = parse(line)
    assert isinstance(refusal, Refusal)
    assert refusal.reason is Reason.OVER_DYNAMODB_LIMIT


def test_a_name_that_stands_twice_among_very_many_is_found_at_once():
    pairs = b",".join([b'"n%d":{"S":""}' % n for n in range(60_000)])
    refusal = parse(b'{"Item":{' + pairs + b',"n59999":{"S":""}}}')
    assert isinstance(refusal, Refusal)
    assert "'n59999'" in refusal.message


@settings(max_examples=100)
@given(grammar.items() | st.dictionaries(grammar.names, grammar.values), st.booleans(), st.booleans())
def test_what_the_grammar_allows_is_read_as_it_stands_however_it_is_spelt(item, ascii, spaced):
    assert parse(grammar.written(item, ascii=ascii, spaced=spaced)) == item


def without_binary(wire: grammar.Wire) -> bool:
    ((tag, held),) = wire.items()
    inner = held if tag == "L" else held.values() if tag == "M" else ()
    return tag not in ("B", "BS") and all(map(without_binary, inner))


def exact(value: Any) -> Any:
    """One form for a value of ours and of boto3's: sets as sorted lists, every number a Decimal."""
    if isinstance(value, set):
        return sorted(map(exact, value))
    if isinstance(value, list):
        return [exact(each) for each in value]
    if isinstance(value, dict):
        return {name: exact(each) for name, each in value.items()}
    return Decimal(value) if isinstance(value, int) and not isinstance(value, bool) else value


@given(grammar.values.filter(without_binary))
def test_a_value_means_what_boto3_reads(wire):
    item = parse(grammar.written({"a": wire}))
    assert isinstance(item, dict)
    assert exact(to_natural(item["a"], "/a", {})) == exact(TypeDeserializer().deserialize(wire)) == oracle.natural(wire)


@given(st.text("0123456789+-.eE", max_size=12))
def test_a_number_is_one_to_us_exactly_when_it_is_one_to_boto3(text):
    try:
        theirs = TypeDeserializer().deserialize({"N": text})
    except ArithmeticError:
        theirs = None
    if theirs is not None and theirs.is_nan():  # what boto3 makes of a text that is no number
        theirs = None
    ours = parse(grammar.written({"a": {"N": text}}))
    if isinstance(ours, Refusal):
        # boto3 has no upper or lower bound of its own beyond its decimal context's.
        assert theirs is None or not Decimal("1E-130") <= abs(theirs) < Decimal("1E126")
    else:
        assert (theirs or 0) == Decimal(text)  # boto3 has no zero of a great exponent
