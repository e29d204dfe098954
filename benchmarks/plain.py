"""Items of an export as a script of a page reads them: gzip and orjson, no check, floats for long numbers.

What the peers are fed, so that none is slowed by how its rows were made. Standard library and orjson only.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import orjson

COLUMNS = (
    "id", "type", "shelf", "title", "rating", "image_url", "image_width", "image_height", "external_id", "notes",
    "added_at", "moved_at", "series_id", "data",
)  # fmt: skip
# What has a column, or follows from what has one; the rest goes to `data`.
_TAKEN = {
    "id", "type", "shelf", "title", "rating", "image", "externalId", "notes", "addedAt", "movedAt", "seriesId",
    "type:id", "type:shelf",
}  # fmt: skip


def lines(export: Path, limit: int | None = None) -> Iterator[bytes]:
    """The export's lines, file after file; the first `limit` of them."""
    return islice(_all_lines(export), limit)


def _all_lines(export: Path) -> Iterator[bytes]:
    for path in sorted((export / "data").glob("*.gz")):
        with gzip.open(path) as file:
            yield from file


def value(wire: dict[str, Any]) -> Any:
    """A wire value as JSON would have it. Sets become lists, binary stays base64, long numbers lose digits."""
    tag, held = next(iter(wire.items()))
    if tag == "N":
        return int(held) if len(held) < 16 and held.lstrip("-").isdigit() else float(held)
    if tag == "NULL":
        return None
    if tag == "M":
        return {name: value(each) for name, each in held.items()}
    if tag == "L":
        return [value(each) for each in held]
    if tag == "NS":
        return [float(each) for each in held]
    return held


def row(item: dict[str, Any]) -> tuple[Any, ...]:
    """COLUMNS of a deserialised item, as the seed's migration script picks them; times aware, `data` a dict."""
    image = item.get("image") or {}
    return (
        item["id"], item["type"], item["shelf"], item["title"], item.get("rating"), image.get("url"),
        image.get("width"), image.get("height"), item.get("externalId"), item.get("notes"),
        datetime.fromtimestamp(int(item["addedAt"]) / 1000, UTC),
        datetime.fromtimestamp(int(item["movedAt"]) / 1000, UTC),
        item.get("seriesId"), {name: each for name, each in item.items() if name not in _TAKEN},
    )  # fmt: skip


def rows(export: Path) -> Iterator[tuple[Any, ...]]:
    """COLUMNS of every item."""
    for line in lines(export):
        yield row({name: value(each) for name, each in orjson.loads(line)["Item"].items()})
