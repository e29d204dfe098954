"""A block's items, column by column: the checks every row has to pass for the fast path, and its document's text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain
from operator import attrgetter
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from billio_pipeline.codec.layout import Layout, Mask, Part, Place, Whole
from billio_pipeline.codec.rest import RestTexts
from billio_pipeline.codec.shape import ABSENT
from billio_pipeline.model.canonical import jsonb_text
from billio_pipeline.model.size import MAX_ITEM_BYTES
from billio_pipeline.model.types import LogicalType

_QUOTE, _COLON, _SPACE = b'": '

_quoted = msgspec.json.Encoder().encode


class Rows:
    """A block's items, column by column: which of them everything accepts, and what becomes of those."""

    def __init__(self, layout: Layout, items: list[Any], lines: list[bytes], discriminator: str) -> None:
        self.lines = lines
        self.source = pa.array(lines, pa.binary())
        self.texts: dict[str, pa.Array] = {}
        self.arrays: dict[tuple[str, LogicalType | None], pa.Array] = {}
        self._layout = layout
        self._items = items
        # All attribute chains of an item in one call; then sliced into columns, which costs less than zip(*rows).
        values, width = list(chain.from_iterable(map(layout.get, items))), len(layout.chains)
        self._columns = {name: values[index::width] for index, name in enumerate(layout.chains)}
        kinds = map(layout.kinds.get, self._columns[layout.places[discriminator].text])
        self.kinds = np.fromiter((-1 if kind is None else kind for kind in kinds), np.int64, len(items))
        lengths, self._names, spaced, self._with_null = _scanned(self.source)
        self.accepted = (self.kinds >= 0) & (lengths <= MAX_ITEM_BYTES) & ~spaced
        # How many names each line must have if none stands twice. Never more than it has: then equal means none does.
        self._expected = np.ones(len(items), np.int64)  # "Item"
        self._expected_raw = [0] * len(items)  # of raw attributes, added up one by one
        self._given: dict[str, np.ndarray] = {}
        self._null: dict[str, list[int]] = {}  # the rows where it is NULL

    def check_fields(self) -> None:
        """Every declared attribute through its types; `texts` and `arrays` are filled."""
        for path, place in self._layout.places.items():
            text = self.texts[path] = pa.array(self._columns[place.text], pa.string())
            valid = _true(pc.is_valid(text))
            given = self._given[path] = valid
            if null := self._nulls(place.null, valid):
                given = self._given[path] = valid.copy()
                given[null] = True
            self._null[path] = null
            self._expected += 2 * given
            self.accepted &= ~((self._of(place.required) & ~valid) | (self._of(place.forbidden) & given))
            for kind, users in place.types.items():
                self.arrays[path, kind], mask = kind.fast(text)
                self.accepted &= _true(mask) | ~self._of(users)

    def check_derived(self) -> None:
        """Every derived attribute is what its parts say."""
        for name, template, users in self._layout.derived:
            same = pc.fill_null(pc.equal(self.texts[name], _filled(template, self.texts)), False)
            self.accepted &= _true(same) | ~self._of(users)

    def documents(self, texts: tuple[RestTexts, RestTexts]) -> pa.Array:
        """Each item's document as jsonb prints it. Where a part defers, the row is not accepted."""
        documents = [b"{%b}" % each[2:] for each in self._joined(self._layout.document, texts)]
        self.accepted &= self._expected + np.array(self._expected_raw) == self._names
        try:
            return pa.array(documents, pa.binary()).cast(pa.string())
        except pa.ArrowInvalid:  # some raw text is not UTF-8
            good = [_is_utf8(document) for document in documents]
            self.accepted &= np.array(good)
            good_ones = [document if fine else b"{}" for document, fine in zip(documents, good, strict=True)]
            return pa.array(good_ones, pa.binary()).cast(pa.string())

    def _joined(self, parts: list[Part], texts: tuple[RestTexts, ...]) -> list[bytes]:
        """Per row its parts, each after a separator. Bytes that grow: lists would keep the garbage collector busy."""
        rows = [b""] * len(self.lines)
        for part in parts:
            prefix = b", " + part.prefix
            for row, text in self._pieces(part, texts):
                rows[row] += prefix + text
        return rows

    def _pieces(self, part: Part, texts: tuple[RestTexts, ...]) -> Iterator[tuple[int, bytes]]:
        """(row, text) wherever the document has this part."""
        if isinstance(part.at, str):
            return self._raw(self._columns[part.at], texts[0])
        if isinstance(part.at, Whole):
            return self._map(part.at, texts[1:])
        return self._place(part.at)

    def _raw(self, column: list[Any], texts: RestTexts) -> Iterator[tuple[int, bytes]]:
        if column.count(ABSENT) == len(column):
            return
        names = self._expected_raw
        for row, raw in enumerate(column):
            if raw is not ABSENT:
                piece = texts.piece(bytes(raw))
                if piece is None:
                    self.accepted[row] = False
                else:
                    names[row] += 1 + piece[1]
                    yield row, piece[0]

    def _place(self, place: Place) -> Iterator[tuple[int, bytes]]:
        if place.inside.any():
            inside = self._of(place.inside)
            for row, text in enumerate(self._columns[place.text]):
                if text is not None and inside[row]:
                    yield row, _string(text) if place.quoted else text.encode()
        yield from ((row, b"null") for row in self._null[place.path])

    def _map(self, whole: Whole, texts: tuple[RestTexts, ...]) -> Iterator[tuple[int, bytes]]:
        """What is left of each map once its own columns are taken out; an empty one is left as it is."""
        held = np.array([each is not whole.none for each in self._columns[whole.held]])
        null = self._nulls(whole.null, held)
        given = held.copy()
        given[null] = True
        self._expected += 2 * given
        self.accepted &= ~(self._of(whole.forbidden) & given)
        parts = [self._given[part.at.path] for part in whole.members if isinstance(part.at, Place)]
        bare = held & ~np.logical_or.reduce(parts)
        for row, left in enumerate(self._joined(whole.members, texts)):
            if left:
                yield row, b"{%b}" % left[2:]
            elif bare[row]:
                yield row, b"{}"
        yield from ((row, b"null") for row in null)

    def _nulls(self, at: str, valid: np.ndarray) -> list[int]:
        """The rows where it is NULL; one that has a value beside is not accepted."""
        get = attrgetter(at)
        null = [row for row in self._with_null if get(self._items[row])]
        self.accepted[[row for row in null if valid[row]]] = False
        return null

    def _of(self, mask: Mask) -> np.ndarray:
        """Per row what `mask` says of its entity."""
        return mask[self.kinds]


def _scanned(source: pa.Array) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[int]]:
    """Per line: its length, its names (a quote, a colon), white space in between them; and the lines with a "NULL".

    Nobody writes that white space, and it would hide a name. Inside a string a quote is escaped, so a name is counted
    that is none only behind a backslash.
    """
    ends = np.frombuffer(source.buffers()[1], np.int32, len(source) + 1)
    held = source.buffers()[2]
    text = np.frombuffer(held, np.uint8)
    colons = np.flatnonzero(text == _COLON)
    before = text[colons - 1]
    names = np.diff(np.searchsorted(colons[before == _QUOTE], ends))
    blank = colons[before <= _SPACE]
    blank = blank[(text[blank - 2] <= _SPACE) | (text[blank - 2] == _QUOTE)]
    spaced = np.diff(np.searchsorted(blank, ends)) > 0
    nulls = [found.start() for found in re.finditer(b'"NULL"', held)]
    with_null = np.unique(np.searchsorted(ends, nulls, side="right") - 1).tolist()
    return np.diff(ends), names, spaced, with_null


def _filled(template: str, texts: dict[str, pa.Array]) -> pa.Array:
    """A derived attribute's expected text for every row."""
    parts = [texts[part] if index % 2 else part for index, part in enumerate(re.split(r"\{([^{}]+)\}", template))]
    if len(parts) == 1:
        return pa.scalar(template)
    return pc.binary_join_element_wise(*parts, "")


def _true(mask: pa.Array) -> np.ndarray:
    return mask.to_numpy(zero_copy_only=False)


def _string(text: str) -> bytes:
    return _quoted(text) if text.isprintable() else jsonb_text(text).encode()


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True
