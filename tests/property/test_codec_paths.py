"""The fast and the exact path answer alike, line by line: tables, refusals, hashes; where not, the audit tells."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.compute as pc
import pytest
import wire as grammar
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.billio.model import SYSTEM
from billio_pipeline.codec import decode
from billio_pipeline.codec.compile import compile
from billio_pipeline.codec.decode import Block, CodecError, Decoder
from billio_pipeline.model.refusal import Reason
from billio_pipeline.model.types import Integer

CODEC = compile(SYSTEM)
FAST, EXACT = Decoder(CODEC), Decoder(CODEC, fast=False)
item = grammar.plain


def both(lines: list[bytes], first: int = 1) -> Block:
    """The block by the fast path, which the exact path alone has to give as well."""
    fast, exact = FAST.block(lines, first), EXACT.block(lines, first)
    assert fast.refused == exact.refused
    assert fast.lines == exact.lines
    tables = {name: table for name, table in fast.tables.items() if table.num_rows}
    assert tables.keys() == exact.tables.keys()
    for name, table in exact.tables.items():
        assert tables[name].schema == table.schema
        assert tables[name].to_pylist() == table.to_pylist()
    return fast


@given(st.lists(grammar.lines() | grammar.mutated() | st.sampled_from([b"", b"  ", b"{}", b"null"]), max_size=5))
def test_a_block_is_the_same_by_either_path_whatever_its_lines(lines):
    block = both(lines, first=1001)
    accepted = sum(table.num_rows for table in block.tables.values())
    assert accepted + len(block.refused) == block.lines == sum(1 for line in lines if line.strip())


@settings(max_examples=50)
@given(st.lists(grammar.items(odd=False), min_size=1, max_size=6))
def test_plain_items_take_the_fast_path(items):
    block = both([grammar.written(each) for each in items])
    assert not block.refused
    assert block.fast == sum(not _left_to_the_exact_path(each) for each in items)


def _left_to_the_exact_path(each: dict) -> bool:
    """The rewritten type, the reserved name, names JSON has to escape, and strings that look like the end of a name."""
    return (
        each["type"] == {"S": "Movie"}
        or "$dynamodb" in each
        or any(name != json.dumps(name, ensure_ascii=False)[1:-1] for name in each)
        or '":' in json.dumps(each, separators=(",", "=")).replace('\\"', "")
    )


# Each of these was once taken by the fast path, or could be: the exact path refuses it, or reads something else.
TEMPTING = {
    "a number beyond its column, in a document": item("TvSeason", seasonNumber={"N": "99999999999"}),
    "a truth where a number is wanted": item("TvSeason", seasonNumber={"BOOL": True}),
    "a null where text is wanted": item(author={"NULL": True}),
    **{f"{n!r} as a number": item(more={"N": n}) for n in ("007", "+7", "-0", "7.0", "1_0", " 7", "7\n", "٣", "")},
    **{f"{n!r} as a member": item(more={"L": [{"N": n}]}) for n in ("00", "1E2", "9" * 18)},
    "33 lists": item(more=grammar.nested(33)),
    "33 maps": item(more=grammar.nested(33, "M")),
    "33 levels, the first a list beside others": item(more={"L": [{"S": ""}, grammar.nested(32, "M")]}),
    "300 lists": item(more=grammar.nested(300)),
    "an image 33 levels deep": item(image={"M": {"url": {"S": ""}, "more": grammar.nested(32)}}),
    "a time beyond the year 9999": item(addedAt={"N": "253402300800000"}),
    "two types in one value": item(notes={"S": "a", "N": "1"}),
    "a seriesId on a book": item(seriesId={"S": grammar.PLAIN_ID}),
    "a number for a shelf": item(shelf={"S": 5}, **{"type:shelf": {"S": "Book:5"}}),
    "a NUL in a name": item(**{"a\0": {"S": ""}}),
    "a title of 501 characters": item(title={"S": "x" * 501}),
    "an image that is empty": item(image={"M": {}}),
    "a name like a format": item(**{"%s": {"S": "%s"}}, shelf={"S": "%s"}),
}


@pytest.mark.parametrize("held", TEMPTING.values(), ids=TEMPTING.keys())
def test_the_fast_path_is_not_tempted(held):
    both([grammar.written(held)])


@pytest.mark.parametrize("levels", [600, 3000])
def test_nesting_beyond_any_limit_is_refused_by_both_paths(levels):
    deep = b'{"L":[' * levels + b'{"S":""}' + b"]}" * levels
    line = grammar.written(item(more={"S": ""})).replace(b'"more":{"S":""}', b'"more":' + deep)
    block = both([line, grammar.written(item())])
    assert [refused.refusal.reason for _, refused, _ in block.refused] == [Reason.OVER_DYNAMODB_LIMIT]
    assert block.tables["Book"].num_rows == 1


def test_lines_keep_their_numbers_and_order_when_paths_alternate():
    odd = item(tags={"SS": ["b", "a"]})
    lines = [grammar.written(odd if n % 3 else item()) for n in range(30)]
    block = both(lines, first=500)
    assert block.fast == 10
    assert block.tables["Book"]["_line"].to_pylist() == list(range(500, 530))
    assert block.tables["Book"]["_source"].to_pylist() == lines


def test_a_disagreement_of_the_paths_fails_the_file(monkeypatch):
    def careless(self: Integer, column: pa.Array) -> tuple[pa.Array, pa.Array]:
        return pc.add(column.cast(pa.int32()), 1), pa.array([True] * len(column))

    monkeypatch.setattr(Integer, "fast", careless)
    lines = [grammar.written(item(rating={"N": "5"}, n={"N": str(n)})) for n in range(4 * decode.AUDIT_ONE_IN)]
    with pytest.raises(CodecError) as caught:
        Decoder(compile(SYSTEM)).block(lines, 1)
    assert "Book" in caught.value.message
    assert "BILLIO_FAST_PATH=0" in caught.value.remedy


def test_the_audit_rereads_about_one_line_in_a_thousand(monkeypatch):
    reread: list[int] = []
    exact = Decoder._exact

    def counted(self: Decoder, numbers: list[int], *rest: object) -> object:
        reread.extend(numbers)
        return exact(self, numbers, *rest)

    monkeypatch.setattr(Decoder, "_exact", counted)
    lines = [grammar.written(item(n={"N": str(n)})) for n in range(10_000)]
    Decoder(CODEC).block(lines, 1)
    assert 2 <= len(reread) <= 30
