"""An item's size by DynamoDB's rules, against a second reading of them; and the 400 KB edge."""

from __future__ import annotations

import base64
import re
from decimal import Decimal
from typing import Any

import pytest
import wire as grammar
from hypothesis import given
from hypothesis import strategies as st

from billio_pipeline.model.refusal import Reason, Refusal
from billio_pipeline.model.size import MAX_DEPTH, MAX_ITEM_BYTES
from billio_pipeline.stores.dynamodb.size import item_size, write_units


def counted(wire: dict[str, Any]) -> int:
    """The developer guide's rules, one by one, with a number's digits counted in its text."""
    ((tag, held),) = wire.items()
    if tag == "S":
        return len(held.encode())
    if tag == "B":
        return len(base64.b64decode(held))
    if tag in ("BOOL", "NULL"):
        return 1
    if tag == "N":
        digits = re.sub(r"[^0-9]", "", format(Decimal(held), "f")).strip("0")
        return max(1, -(-len(digits) // 2)) + 1 + (Decimal(held) < 0)
    if tag in ("SS", "NS", "BS"):
        return 3 + sum(counted({tag[0]: each}) for each in held)
    if tag == "L":
        return 3 + sum(1 + counted(each) for each in held)
    return 3 + sum(1 + len(name.encode()) + counted(each) for name, each in held.items())


@given(st.dictionaries(grammar.names, grammar.values, max_size=4))
def test_an_items_size_is_what_the_rules_add_up_to(item):
    assert item_size(item) == sum(len(name.encode()) + counted(wire) for name, wire in item.items())


@given(st.dictionaries(st.text(max_size=3), st.from_type(object).map(lambda each: {"S": each}) | st.none(), max_size=2))
def test_any_malformed_item_is_answered(item):
    assert isinstance(item_size(item), int | Refusal)


def test_an_item_of_400_kb_fits_and_one_of_a_byte_more_does_not():
    fits = {"key": {"S": "x" * (MAX_ITEM_BYTES - 3)}}
    assert item_size(fits) == MAX_ITEM_BYTES
    refusal = item_size({"key": {"S": fits["key"]["S"] + "x"}})
    assert isinstance(refusal, Refusal)
    assert refusal.reason is Reason.OVER_DYNAMODB_LIMIT


def test_a_nul_character_is_dynamodbs_to_hold_though_no_sql_text_can():
    assert item_size({"a": {"S": "\0"}}) == 2


def test_an_item_nested_too_deeply_is_refused():
    wire: dict[str, Any] = {"S": ""}
    for _ in range(MAX_DEPTH):
        wire = {"L": [wire]}
    assert isinstance(item_size({"a": wire}), int)
    assert isinstance(item_size({"a": {"L": [wire]}}), Refusal)


@pytest.mark.parametrize(("size", "units"), [(0, 1), (1, 1), (1024, 1), (1025, 2), (MAX_ITEM_BYTES, 400)])
def test_a_write_unit_writes_a_kilobyte_begun(size, units):
    assert write_units(size) == units
