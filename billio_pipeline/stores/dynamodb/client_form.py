"""Wire items as boto3's client takes and gives them: binary as bytes, where DynamoDB JSON holds base64 text."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

Item = dict[str, dict[str, Any]]


def for_client(item: Item) -> Item:
    """An item of DynamoDB JSON for `put_item` and its like."""
    return {name: _mapped(wire, base64.b64decode) for name, wire in item.items()}


def from_client(item: Item) -> Item:
    """An item of a client's answer as DynamoDB JSON."""
    return {name: _mapped(wire, lambda raw: base64.b64encode(raw).decode()) for name, wire in item.items()}


def _mapped(wire: dict[str, Any], binary: Callable[[Any], Any]) -> dict[str, Any]:
    ((tag, held),) = wire.items()
    match tag:
        case "B":
            return {tag: binary(held)}
        case "BS":
            return {tag: [binary(each) for each in held]}
        case "L":
            return {tag: [_mapped(each, binary) for each in held]}
        case "M":
            return {tag: {name: _mapped(each, binary) for name, each in held.items()}}
    return wire
