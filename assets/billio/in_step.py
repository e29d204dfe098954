"""Source items as their declaration reads them: rewrites applied, derived attributes following from the others.

The old indexes know a legacy `Movie` under its old type, and an item whose `type:shelf` fell out of step on another
shelf; the new store knows neither. Written apart from the codec, as part of what it is compared with.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from assets.billio.model import SYSTEM
from billio_pipeline.stores.dynamodb.client_form import Item

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TIMES = ("addedAt", "movedAt")
_RENAMED = {
    (rewrite.attribute, old): new
    for entity in SYSTEM.entities
    for rewrite in entity.rewrites.values()
    if isinstance(rewrite.using, Mapping)
    for old, new in rewrite.using.items()
}
_DERIVED = {derived.attribute for entity in SYSTEM.entities for derived in entity.derived}


def in_step(item: Item) -> Item:
    """The item as it would stand in the table had every declared rule been kept. The item given is left as it is."""
    kept = {name: wire for name, wire in item.items() if name not in _DERIVED}
    for name, wire in kept.items():
        if new := _RENAMED.get((name, wire.get("S", ""))):
            kept[name] = {"S": new}
    for name in _TIMES:
        if "S" in kept[name]:
            kept[name] = {"N": f"{Decimal(_iso_micros(kept[name]['S'])) / 1000:f}"}
    for derived in SYSTEM.by_name[kept["type"]["S"]].derived:
        text = re.sub(r"\{(.+?)\}", lambda m: str(kept[m[1]]["S"]), derived.template)
        kept[derived.attribute] = {"S": text}
    return kept


def old_names(attribute: str, value: str) -> list[str]:
    """The value, and those a rule rewrites to it: where the old table keeps what the new one has under `value`."""
    return [value, *(old for (name, old), new in _RENAMED.items() if name == attribute and new == value)]


def application_form(item: Item) -> dict[str, Any]:
    """A source item as the application sees it: in step, plain values, no derived attributes, times as ISO text."""
    stepped = {name: wire for name, wire in in_step(item).items() if name not in _DERIVED}
    plain = {name: _plain(wire) for name, wire in stepped.items()}
    for name in _TIMES:
        plain[name] = iso_text(int(Decimal(stepped[name]["N"]) * 1000))
    return plain


def iso_text(micros: int) -> str:
    """µs since 1970 as ISO text: with milliseconds, or microseconds where there are some."""
    moment = _EPOCH + timedelta(microseconds=micros)
    return moment.isoformat(timespec="microseconds" if micros % 1000 else "milliseconds").replace("+00:00", "Z")


def _iso_micros(text: str) -> int:
    return (datetime.fromisoformat(text) - _EPOCH) // timedelta(microseconds=1)


def _plain(wire: dict[str, Any]) -> Any:
    ((tag, held),) = wire.items()
    match tag:
        case "N":
            return Decimal(held)
        case "NULL":
            return None
        case "L":
            return [_plain(each) for each in held]
        case "M":
            return {name: _plain(each) for name, each in held.items()}
        case "SS":
            return sorted(held)
        case "NS":
            return sorted(Decimal(each) for each in held)
        case "BS":
            return sorted(base64.b64encode(base64.b64decode(each)).decode() for each in held)
        case "B":
            return base64.b64encode(base64.b64decode(held)).decode()
    return held
