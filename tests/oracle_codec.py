"""What an item means and what its row must be, told independently: no code of the codec or the canonical form.

Written from the documents' rules for Billio: equality as DynamoDB defines it, the row's columns, natural JSON.
"""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

COLUMNS = {"title": "title", "shelf": "shelf", "notes": "notes", "externalId": "external_id", "seriesId": "series_id"}
PARTS = {"url": "image_url", "width": "image_width", "height": "image_height"}
IN_COLUMNS = {*COLUMNS, "id", "type", "rating", "addedAt", "movedAt"}


def meaning(wire: dict[str, Any]) -> Any:
    """A value in a form that Python compares as DynamoDB does: numbers by value, sets without order, bytes."""
    ((tag, held),) = wire.items()
    if tag == "N":
        return "N", Decimal(held)
    if tag == "M":
        return "M", {name: meaning(value) for name, value in held.items()}
    if tag == "L":
        return "L", [meaning(value) for value in held]
    if tag == "NS":
        return "NS", frozenset(map(Decimal, held))
    if tag == "SS":
        return "SS", frozenset(held)
    if tag == "B":
        return "B", base64.b64decode(held)
    if tag == "BS":
        return "BS", frozenset(map(base64.b64decode, held))
    return tag, held


def item_meaning(item: dict[str, Any]) -> dict[str, Any]:
    """The whole item's; attribute order is none of it."""
    return {name: meaning(wire) for name, wire in item.items()}


def natural(wire: dict[str, Any]) -> Any:
    """A value as plain JSON holds it, numbers as Decimal. Sets and binary: see `natural_equal`."""
    ((tag, held),) = wire.items()
    if tag == "N":
        return Decimal(held)
    if tag == "NULL":
        return None
    if tag == "M":
        return {name: natural(value) for name, value in held.items()}
    if tag == "L":
        return [natural(value) for value in held]
    if tag == "NS":
        return sorted(map(Decimal, held))
    if tag == "SS":
        return sorted(held)
    if tag == "BS":
        return sorted(base64.b64encode(base64.b64decode(each)).decode() for each in held)
    if tag == "B":
        return base64.b64encode(base64.b64decode(held)).decode()
    return held


def row_of(item: dict[str, Any]) -> dict[str, Any]:
    """The columns that an item which loads must have, times in µs; `data` without what the reserved key remembers."""
    kind = item["type"]["S"]
    row: dict[str, Any] = {name: _text(item.get(attribute)) for attribute, name in COLUMNS.items()}
    row |= {"id": item["id"]["S"], "type": "Feature" if kind == "Movie" else kind, "rating": _int(item.get("rating"))}
    row |= {"added_at": _micros(item["addedAt"]), "moved_at": _micros(item["movedAt"])}
    parts = item.get("image", {}).get("M", {})
    row |= {"image_url": _text(parts.get("url"))}
    row |= {PARTS[name]: _int(parts.get(name)) for name in ("width", "height")}
    rest = {}
    derived = {"type:id", "type:shelf"} | ({"category"} if kind in ("Feature", "Movie", "TvSeries") else set())
    for name, wire in item.items():
        if name in derived or name == "$dynamodb" or (name in IN_COLUMNS and wire != {"NULL": True}):
            continue
        if name == "image" and wire.get("M"):
            left = {n: w for n, w in wire["M"].items() if n not in PARTS or w == {"NULL": True}}
            if left:
                rest[name] = natural({"M": left})
            continue
        rest[name] = natural(wire)
    return row | {"data": rest}


def document(text: str) -> dict[str, Any]:
    """A row's document as Python values, every number a Decimal, without the reserved key."""
    held = json.loads(text, parse_int=Decimal, parse_float=Decimal)
    held.pop("$dynamodb", None)
    return held


def _text(wire: dict[str, Any] | None) -> str | None:
    return wire.get("S") if wire else None


def _int(wire: dict[str, Any] | None) -> int | None:
    return int(Decimal(wire["N"])) if wire and "N" in wire else None


def _micros(wire: dict[str, Any]) -> int:
    if "N" in wire:
        return int(Decimal(wire["N"])) * 1000
    moment = datetime.fromisoformat(wire["S"]).astimezone(UTC)
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
