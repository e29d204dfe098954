"""Wire items as boto3's client takes and gives them: binary as bytes, where DynamoDB JSON holds base64 text."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import Any

Item = dict[str, dict[str, Any]]

_WITH_BINARY = frozenset(("B", "BS", "L", "M"))


def for_client(item: Mapping[str, dict[str, Any]]) -> Item:
    """An item of DynamoDB JSON for `put_item` and its like. What is bytes already stays."""
    return {name: _mapped(wire, _decoded) for name, wire in item.items()}


def from_client(item: Mapping[str, dict[str, Any]]) -> Item:
    """An item of a client's answer as DynamoDB JSON."""
    return {name: _mapped(wire, _encoded) for name, wire in item.items()}


def _decoded(held: str | bytes) -> bytes:
    return base64.b64decode(held) if isinstance(held, str) else held


def _encoded(held: bytes) -> str:
    return base64.b64encode(held).decode()


def _mapped(wire: dict[str, Any], binary: Callable[[Any], Any]) -> dict[str, Any]:
    if _WITH_BINARY.isdisjoint(wire):
        return wire
    ((tag, held),) = wire.items()
    match tag:
        case "B":
            return {tag: binary(held)}
        case "BS":
            return {tag: [binary(each) for each in held]}
        case "L":
            return {tag: [_mapped(each, binary) for each in held]}
    return {tag: {name: _mapped(each, binary) for name, each in held.items()}}
