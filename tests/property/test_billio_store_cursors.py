"""Cursors: what was written is read; anything else — damaged, foreign, invented — is refused, never misread."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.billio.pages import Position, read_cursor, write_cursor
from billio_pipeline.errors import InputError
from billio_pipeline.model.types import MAX_TIME, MIN_TIME

positions = st.builds(Position, st.integers(MIN_TIME, MAX_TIME), st.uuids().map(str))
questions = st.lists(st.none() | st.text() | st.integers(0, 10), max_size=4)


@given(positions, questions)
def test_cursor_returns_its_position(position: Position, question: list) -> None:
    cursor = write_cursor(position, question)
    assert read_cursor(cursor, question) == position
    assert cursor.isascii()
    assert not set(cursor) & set("+/=&? ")


@given(positions, questions, questions)
def test_cursor_of_another_question_is_refused(position: Position, question: list, other: list) -> None:
    if question != other:
        with pytest.raises(InputError):
            read_cursor(write_cursor(position, question), other)


@given(positions, st.data())
def test_damaged_cursor_is_refused(position: Position, data: st.DataObject) -> None:
    cursor = write_cursor(position, [])
    at = data.draw(st.integers(0, len(cursor) - 1))
    other = data.draw(st.sampled_from("ABZaz09-_").filter(lambda each: each != cursor[at]))
    for damaged in (cursor[:at], cursor[:at] + cursor[at + 1 :], cursor[:at] + other + cursor[at + 1 :]):
        with pytest.raises(InputError):
            read_cursor(damaged, [])


@given(st.text() | st.binary().map(lambda raw: raw.decode("latin-1")))
def test_invented_cursor_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        read_cursor(text, [])
