"""What a declared Rewrite does to a value on its way into the row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from billio_pipeline.model.refusal import Refusal
from billio_pipeline.model.types import LogicalType, Value
from billio_pipeline.model.words import Rewrite


def applies(rewrite: Rewrite, wire: Mapping[str, Any]) -> bool:
    """Whether this wire value is one to rewrite."""
    if isinstance(rewrite.using, Mapping):
        return wire.get("S") in rewrite.using
    return rewrite.using.found.tag in wire


def rewritten(declared: LogicalType, wire: Mapping[str, Any], rewrite: Rewrite) -> Value | Refusal:
    """The row value: of what the wire is rewritten to where the rewrite applies, else of the wire as it is."""
    if not applies(rewrite, wire):
        return declared.read(wire)
    if isinstance(rewrite.using, Mapping):
        return declared.read({"S": rewrite.using[wire["S"]]})
    return rewrite.using.found.read(wire)


def rewritten_text(text: str, rewrite: Rewrite | None) -> str:
    """The text a condition is compared with."""
    return rewrite.using.get(text, text) if rewrite and isinstance(rewrite.using, Mapping) else text
