"""Two items under one key: which attributes differ, as texts for people."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from typing import Any

import orjson

LARGE = 500  # characters: from here on a text is told where the difference is


def differing(source: bytes, target: bytes) -> Iterator[tuple[str, str | None, str | None]]:
    """Attribute, source and target text of each that differs, by name. Takes canonical bytes of both.

    A string is its own text, all else its wire JSON; None where the attribute is absent. Large texts begin with where,
    inside the attribute, the first difference is: a JSON pointer, and in a string the character, counted from 0.
    """
    ours, theirs = orjson.loads(source), orjson.loads(target)
    for name in sorted(ours.keys() | theirs.keys()):
        left, right = ours.get(name), theirs.get(name)
        if left != right:
            texts = [_text(left), _text(right)]
            if texts[0] == texts[1]:  # a string that reads like the other's wire JSON
                texts = [orjson.dumps(each).decode() for each in (left, right)]
            if left and right and max(len(text or "") for text in texts) > LARGE:
                place = _first(left, right)
                texts = [f"differs at {place}: {text}" for text in texts]
            yield name, *texts


def _text(wire: dict[str, Any] | None) -> str | None:
    if wire is None:
        return None
    return wire["S"] if "S" in wire else orjson.dumps(wire).decode()


def _first(left: Any, right: Any) -> str:
    """Where two different values differ first."""
    if isinstance(left, dict) and isinstance(right, dict):
        for name in sorted(left.keys() | right.keys()):
            if name not in left or name not in right or left[name] != right[name]:
                return _step(name, left.get(name), right.get(name))
    if isinstance(left, list) and isinstance(right, list):
        for place, (one, other) in enumerate(zip(left, right, strict=False)):
            if one != other:
                return _step(str(place), one, other)
        return f"/{min(len(left), len(right))}"
    if isinstance(left, str) and isinstance(right, str):
        places = range(min(len(left), len(right)))
        return f" character {bisect_left(places, True, key=lambda n: left[: n + 1] != right[: n + 1])}"
    return ""


def _step(name: str, left: Any, right: Any) -> str:
    return "/" + name.replace("~", "~0").replace("/", "~1") + _first(left, right)
