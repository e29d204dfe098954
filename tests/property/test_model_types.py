"""Every logical type, two ways: whatever `fast` accepts is what `read` reads; what is read, `write` writes."""

from __future__ import annotations

import pyarrow as pa
import pytest
import wire as grammar
from hypothesis import given, settings
from hypothesis import strategies as st

from billio_pipeline.model import types
from billio_pipeline.model.refusal import Refusal
from billio_pipeline.model.scalars import SCALARS
from billio_pipeline.model.types import REGISTRY, LogicalType

DIGITS = st.text("0123456789-+.eE \n_", max_size=20)
PLACES = st.sampled_from(["{}", "-{}", "0{}", "{}.0", "{} ", "{}\n", "{}0", "{}a", "é{}"])
TEXTS = (
    grammar.texts
    | st.text(max_size=10)
    | DIGITS
    | st.integers().map(str)
    | grammar.uuids
    | st.builds(lambda form, text: form.format(text), PLACES, grammar.uuids | st.integers(0, 2**70).map(str))
    | grammar.iso_times.map(lambda wire: wire["S"])
)
encodable = st.lists(st.none() | TEXTS.filter(lambda text: text == text.encode("utf-8", "ignore").decode()))


def values(array: pa.Array) -> list[object]:
    return (array.cast(pa.int64()) if pa.types.is_timestamp(array.type) else array).to_pylist()


def agree(kind: LogicalType, texts: list[str | None]) -> int:
    """How many of the texts `fast` accepted; every one of those is what `read` answers."""
    array, mask = kind.fast(pa.array(texts, pa.string()))
    assert array.type == kind.arrow
    assert len(array) == len(mask) == len(texts)
    taken = 0
    for text, value, accepted in zip(texts, values(array), mask.to_pylist(), strict=True):
        if text is None:
            assert accepted, "an absent attribute is nothing to defer"
            assert value is None
        elif accepted:
            taken += 1
            assert value == kind.read({kind.tag: text})
    return taken


@pytest.mark.parametrize("kind", REGISTRY + SCALARS, ids=repr)
def test_fast_accepts_only_what_read_reads_for_its_own_examples(kind):
    texts = [
        held for wire in kind.examples() for tag, held in wire.items() if tag == kind.tag and isinstance(held, str)
    ]
    taken = agree(kind, [*texts, None])
    assert taken or kind in (types.Iso8601(), *SCALARS), "a type that takes nothing fast is not fast"


@pytest.mark.parametrize("kind", REGISTRY + SCALARS, ids=repr)
@given(texts=encodable)
def test_fast_accepts_only_what_read_reads_for_any_text(kind, texts):
    agree(kind, texts)


@pytest.mark.parametrize("kind", REGISTRY + SCALARS, ids=repr)
def test_read_answers_whatever_a_wire_value_holds(kind):
    for wire in [*kind.examples(), *(value for value in grammar.BAD_VALUES if isinstance(value, dict))]:
        assert isinstance(kind.read(wire), str | int | Refusal)


@pytest.mark.parametrize("kind", REGISTRY + SCALARS, ids=repr)
@settings(max_examples=50)
@given(texts=st.lists(TEXTS, max_size=10))
def test_what_read_reads_write_writes_back(kind, texts):
    for text in texts:
        value = kind.read({kind.tag: text})
        if not isinstance(value, Refusal):
            assert kind.read(kind.write(value)) == value


def test_every_type_an_item_can_hold_is_in_the_registry():
    assert {type(kind) for kind in REGISTRY + SCALARS} == set(LogicalType.__subclasses__())
