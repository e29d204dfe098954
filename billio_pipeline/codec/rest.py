"""Attributes no column carries, from raw JSON to jsonb's text, fast: by templates that recur, and by memory."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

import orjson

from billio_pipeline.model.canonical import jsonb_text
from billio_pipeline.model.size import MAX_DEPTH

# Typed scalars whose JSON text is already what jsonb prints: nothing escaped, numbers plainly written. The quote before
# the tag follows a brace, so it opens a name: a string can't hold one that no backslash precedes.
_SCALARS = re.compile(
    rb'\{"(?:S": ?(?=")|N": ?"(?=[-0-9])|BOOL": ?(?=[tf]))'
    rb'("[^"\\\x00-\x1f]*"|(?:0|-?[1-9][0-9]{0,37}|-?(?:0|[1-9][0-9]{0,17})\.[0-9]{0,18}[1-9])(?=")|true|false)'
    rb'(?:(?<=[0-9])")?\}'
)
_INTEGER_CHARACTERS = 17  # of a nested number that is surely an exact 64-bit integer, its sign included
# Remembered: short values as they are (platforms, flags, years repeat), and the templates of all others.
_SHORT, _SHORTS = 64, 50_000
_LONGEST_TEMPLATE, _TEMPLATES = 2_000, 5_000
# Stands for a scalar while its template is made; of Unicode's private use area, so hardly ever in a value.
_HOLE = re.compile(rb'"\xee\x80\x80([0-9]+)\xee\x80\x80"')

Piece = tuple[bytes, int]  # the text, and how many names stand in the raw value


class Deferred(Exception):
    """This value is for the exact path."""


@dataclass(frozen=True, slots=True)
class _Template:
    """What becomes of values that differ in their plain scalars only: a format, and which scalars go into it."""

    text: bytes
    order: tuple[int, ...]
    names: int  # the scalars have none


class RestTexts:
    """Raw typed values, `depth` levels down in their items, to text. Remembers what it saw, within bounds."""

    def __init__(self, depth: int) -> None:
        self._depth = depth
        self._short: dict[bytes, Piece | None] = {}
        self._templates: dict[tuple[bytes, ...], _Template | None] = {}

    def piece(self, raw: bytes) -> Piece | None:
        """The value's text as jsonb prints it, or None when only the exact path may decide."""
        if len(raw) > _SHORT:
            return self._made(raw)
        try:
            return self._short[raw]
        except KeyError:
            if len(self._short) >= _SHORTS:
                self._short.clear()
            found = self._short[raw] = self._made(raw)
            return found

    def _made(self, raw: bytes) -> Piece | None:
        parts = _SCALARS.split(raw)
        scalars, around = parts[1::2], tuple(parts[::2])
        try:
            template = self._templates[around]
        except KeyError:
            template = _template(around, self._depth)
            if sum(map(len, around)) <= _LONGEST_TEMPLATE:
                if len(self._templates) >= _TEMPLATES:
                    self._templates.clear()
                self._templates[around] = template
        if template is None:
            return None
        return template.text % tuple([scalars[index] for index in template.order]), template.names


def names(text: bytes) -> int:
    """How many names stand in `text`, JSON without white space before a colon; more only where a string looks like one.

    Inside a string a quote is escaped, so the pattern is never there but at a string's start, or behind a backslash.
    """
    return text.count(b'":')


def _template(around: tuple[bytes, ...], depth: int) -> _Template | None:
    """The template of values made of `around` with a scalar in each gap, by composing one with holes for scalars."""
    holes = [b'{"S":"\xee\x80\x80%d\xee\x80\x80"}' % index for index in range(len(around) - 1)]
    raw = b"".join([text for pair in zip(around, [*holes, b""], strict=True) for text in pair])
    try:
        value = orjson.loads(raw)
        if len(orjson.dumps(value)) != len(raw):
            value = json.loads(raw, object_pairs_hook=_unique)
        text = jsonb_text(_natural(value, depth)).encode()
    except (Deferred, ValueError, TypeError, AttributeError, RecursionError):
        return None
    parts = _HOLE.split(text)
    order = tuple(map(int, parts[1::2]))
    if sorted(order) != list(range(len(holes))):  # something in the value looks like a hole
        return None
    return _Template(b"%b".join([part.replace(b"%", b"%%") for part in parts[::2]]), order, names(raw))


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise Deferred
    return value


def _natural(wire: dict[str, Any], depth: int) -> Any:
    """Natural JSON of a plainly written value; sets, binary, NUL, long numbers and great depth are deferred."""
    ((tag, held),) = wire.items()
    if tag == "S" and type(held) is str and "\0" not in held:
        return held
    if tag == "BOOL" and type(held) is bool:
        return held
    if tag == "N" and type(held) is str and len(held) <= _INTEGER_CHARACTERS and str(int(held)) == held:
        return int(held)
    if tag == "NULL" and held is True:
        return None
    if depth < MAX_DEPTH:
        if tag == "L" and type(held) is list:
            return [_natural(each, depth + 1) for each in held]
        if tag == "M" and type(held) is dict and not any("\0" in name for name in held):
            return {name: _natural(each, depth + 1) for name, each in held.items()}
    raise Deferred
