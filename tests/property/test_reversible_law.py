"""The law: rebuild(load(x)) == x, for every item a table can hold; and the row in between is the right one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import oracle_codec as oracle
import psycopg
import pytest
import wire as grammar
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.billio.model import SYSTEM
from billio_pipeline.codec.compile import Refused, compile
from billio_pipeline.codec.wire import parse
from billio_pipeline.model.entity import Entity
from billio_pipeline.model.refusal import Refusal

CODEC = compile(SYSTEM)


def load(item: grammar.Item) -> tuple[Entity, dict[str, Any]]:
    """The row of an item that must load, by way of its export line."""
    read = parse(grammar.written(item))
    assert not isinstance(read, Refusal), read
    loaded = CODEC.to_row(read)
    assert not isinstance(loaded, Refused), loaded.refusal
    return loaded


@given(grammar.items())
def test_rebuild_returns_the_item_for_any_item_that_loads(item):
    entity, row = load(item)
    assert oracle.item_meaning(CODEC.to_item(entity, row)) == oracle.item_meaning(item)


@given(grammar.items())
def test_the_row_holds_what_the_item_says_for_any_item_that_loads(item):
    entity, row = load(item)
    expected = oracle.row_of(item)
    assert entity.name == expected["type"]
    assert oracle.document(row.pop("data")) == expected.pop("data")
    assert row == expected


SET, LIST, TEXT = {"SS": ["a"]}, {"L": [{"S": "a"}]}, {"S": "QQ=="}


@pytest.mark.parametrize(
    "extra",
    [
        {"/": SET, "~1": LIST, "~": LIST, "~0": LIST, "~01": LIST},
        {"~1": SET, "/": LIST, "~01": LIST},
        {"~": SET, "~0": LIST, "~00": LIST},
        {"a/b": SET, "a": {"M": {"b": LIST}}, "a~1b": LIST},
        {"a": {"M": {"b": SET, "0": {"B": "QQ=="}}}, "a/b": LIST, "a/0": TEXT},
        {"a": {"L": [{"B": "QQ=="}, TEXT, SET, LIST]}, "a/0": TEXT, "a/2": LIST},
        {"m": {"M": {"/": {"M": {"~": SET}}, "~1": {"M": {"~": LIST}}}}},
    ],
)
def test_a_noted_type_is_given_back_to_its_own_place_and_no_other(extra):
    item = grammar.plain() | extra
    entity, row = load(item)
    assert oracle.item_meaning(CODEC.to_item(entity, row)) == oracle.item_meaning(item)


@settings(max_examples=100)
@given(st.dictionaries(grammar.names.filter(lambda n: n not in grammar.DECLARED), grammar.values, min_size=1))
def test_any_value_of_the_wire_grammar_survives_in_the_document(extra):
    item = {
        "type:id": {"S": "VideoGame:1b4e28ba-2fa1-41d2-883f-0016d3cca427"},
        "type:shelf": {"S": "VideoGame:Playing"},
        "type": {"S": "VideoGame"},
        "id": {"S": "1b4e28ba-2fa1-41d2-883f-0016d3cca427"},
        "shelf": {"S": "Playing"},
        "title": {"S": ""},
        "addedAt": {"N": "0"},
        "movedAt": {"N": "-1"},
    } | extra
    entity, row = load(item)
    assert oracle.item_meaning(CODEC.to_item(entity, row)) == oracle.item_meaning(item)


@pytest.fixture(scope="module")
def postgres(postgres_server) -> Iterator[psycopg.Connection]:
    name = postgres_server.create("template_plain")
    with psycopg.connect(postgres_server.dsn(name), autocommit=True) as connection:
        yield connection
    postgres_server.drop(name)


@settings(max_examples=15)
@given(st.lists(grammar.items(), min_size=5, max_size=20))
def test_the_document_is_jsonbs_own_text_and_rebuilds_from_it(postgres, items):
    loaded = [load(item) for item in items]
    held = postgres.execute(
        "SELECT t = t::jsonb::text, t::jsonb::text FROM unnest(%s::text[]) WITH ORDINALITY AS u(t, n) ORDER BY n",
        [[row["data"] for _, row in loaded]],
    ).fetchall()
    assert [same for same, _ in held] == [True] * len(items)
    for item, (entity, row), (_, text) in zip(items, loaded, held, strict=True):
        assert oracle.item_meaning(CODEC.to_item(entity, row | {"data": text})) == oracle.item_meaning(item)


@settings(max_examples=20)
@given(st.lists(grammar.items("TvSeason"), min_size=1, max_size=10))
def test_natural_access_finds_attributes_under_their_own_names(postgres, items):
    asked = [
        (load(item)[1]["data"], name, wire.get("S"), wire.get("N"))
        for item in items
        for name, wire in item.items()
        if ("S" in wire or "N" in wire) and name != "$dynamodb" and name not in oracle.IN_COLUMNS
        if name not in ("type:id", "type:shelf")
    ]
    texts, names, strings, numbers = (list(each) for each in zip(*asked, strict=True))
    found = postgres.execute(
        "SELECT bool_and(t::jsonb ->> a IS NOT DISTINCT FROM coalesce(s, t::jsonb ->> a)"
        " AND (n IS NULL OR (t::jsonb ->> a)::numeric = n::numeric))"
        " FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[]) AS u(t, a, s, n)",
        [texts, names, strings, numbers],
    ).fetchone()
    assert found == (True,)
    seasons = postgres.execute(
        "SELECT (t::jsonb ->> 'seasonNumber')::numeric FROM unnest(%s::text[]) AS u(t)",
        [[load(item)[1]["data"] for item in items]],
    ).fetchall()
    assert [int(n) for (n,) in seasons] == [int(oracle.Decimal(item["seasonNumber"]["N"])) for item in items]
