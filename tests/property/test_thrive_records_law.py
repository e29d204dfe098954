"""The law of ThriveCalc's records: object → row → item → row → object is the same JSON, numbers by value."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from assets.thrivecalc.lake import item_row
from assets.thrivecalc.records import MEMBERS, record_bytes, record_row
from billio_pipeline.model.canonical import parse_jsonb
from billio_pipeline.model.natural import plain_wire
from billio_pipeline.model.refusal import Refusal

AWKWARD = (
    "",
    "a/b",
    "$",
    "~1",
    '"',
    "\\",
    "\0",
    "\x7f",
    "\ufeff",
    "e\u0301",
    "\u2028",
    "\U0001f4da",
    "null",
    "0",
    "toString",
)
texts = st.sampled_from(AWKWARD) | st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
ids = (
    st.sampled_from(["google-oauth2|12", "Ada@example.com", "a#b", "a/b", "x.json", "100%25", "ü", "e\u0301", " "])
    | st.text(st.characters(exclude_categories=["Cs"], min_codepoint=32), min_size=1, max_size=8)
).filter(lambda text: all(part not in ("", ".", "..") for part in text.split("/")))
times = st.datetimes().map(lambda at: at.isoformat()[:19] + "Z") | st.just("2025-01-07T12:30:00.000+02:00")


class Number(str):
    """A number as it is spelt."""


@st.composite
def numbers(draw: st.DrawFn) -> Number:
    digits = draw(st.sampled_from(["0", "1", "10", "150"]) | st.from_regex(r"[1-9][0-9]{0,37}", fullmatch=True))
    sign, e = draw(st.sampled_from(["", "", "-"])), draw(st.sampled_from("eE"))
    match draw(st.integers(0, 3)):
        case 0:
            return Number(f"{sign}{digits}{e}{draw(st.sampled_from(['', '+', '-']))}{draw(st.integers(0, 80))}")
        case 1:
            return Number(f"{sign}{digits}.{draw(st.sampled_from(['0', '000']))}")
        case 2:
            return Number(f"{sign}0.{digits}")
    return Number(sign + digits)


values = st.recursive(
    texts | numbers() | st.booleans() | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
extras = st.dictionaries(texts.filter(lambda name: name not in (*MEMBERS, "recordKey")), values, max_size=2)


def written(value: Any, ascii: bool, gap: str) -> str:
    """JSON text, spelt in one of many ways."""
    if isinstance(value, Number):
        return str.__str__(value)
    if isinstance(value, dict):
        pairs = (f"{written(k, ascii, gap)}{gap}:{gap}{written(v, ascii, gap)}" for k, v in value.items())
        return "{" + f",{gap}".join(pairs) + gap + "}"
    if isinstance(value, list):
        return "[" + f"{gap},".join(written(each, ascii, gap) for each in value) + "]"
    return json.dumps(value, ensure_ascii=ascii)


def meaning(text: bytes) -> Any:
    """What JSON says: members in no order, numbers by value, every kind of value told apart."""

    def told(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: told(each) for name, each in value.items()}
        return [told(each) for each in value] if isinstance(value, list) else (type(value).__name__, value)

    return told(json.loads(text, parse_int=Decimal, parse_float=Decimal))


@st.composite
def objects(draw: st.DrawFn) -> tuple[str, bytes]:
    user, kind, record = draw(ids), draw(ids), draw(ids)
    members = {"userId": user, "dataType": kind, "recordId": record, "data": draw(values)}
    members |= {"createdAt": draw(times), "updatedAt": draw(times)} | draw(extras)
    ordered = {name: members[name] for name in draw(st.permutations(list(members)))}
    text = written(ordered, draw(st.booleans()), draw(st.sampled_from(["", " ", "\n  "])))
    return f"users/{user}/{kind}/{record}.json", text.encode()


@given(objects())
def test_the_object_of_a_row_is_the_one_the_row_was_read_from(made: tuple[str, bytes]) -> None:
    key, body = made
    row = record_row(key, body)
    assert not isinstance(row, Refusal), row
    again, text = record_bytes(row)
    assert again == key
    assert meaning(text) == meaning(body)
    assert list(json.loads(text))[:6] == list(MEMBERS)
    assert record_row(again, text) == row


@settings(max_examples=100)
@given(objects())
def test_the_row_of_a_records_item_is_the_records_own(made: tuple[str, bytes]) -> None:
    row = record_row(*made)
    assert not isinstance(row, Refusal), row
    item = {name: plain_wire(value) for name, value in parse_jsonb(row["extra"]).items()}
    item |= {name: {"S": row[column]} for name, column in MEMBERS.items()} | {
        "data": plain_wire(parse_jsonb(row["data"]))
    }
    item["recordKey"] = {"S": f"{row['data_type']}#{row['record_id']}"}
    assert item_row(item) == row


@settings(max_examples=100)
@given(objects(), st.data())
def test_any_bytes_are_a_row_or_refused(made: tuple[str, bytes], data: st.DataObject) -> None:
    key, body = made
    at, cut = data.draw(st.integers(0, len(body))), data.draw(st.integers(0, 3))
    damaged = (
        body[:at]
        + data.draw(st.binary(max_size=4) | st.sampled_from([b"\\ud800", b"1e999", b"{", b'"']))
        + body[at + cut :]
    )
    found = record_row(key, damaged)
    assert isinstance(found, Refusal) or record_row(*record_bytes(found)) == found
