"""Items in the application's form: DynamoDB's attribute names, plain values, times as ISO text with milliseconds.

Attributes that follow from others (`type:id`, `type:shelf`, `category`) and the reserved key are not part of it.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from assets.billio.model import SYSTEM
from billio_pipeline.codec.wire import parse
from billio_pipeline.errors import InputError
from billio_pipeline.model.canonical import parse_jsonb
from billio_pipeline.model.natural import to_natural
from billio_pipeline.model.refusal import Refusal
from billio_pipeline.model.types import EpochMs, Iso8601
from billio_pipeline.model.words import RESERVED

Plain = dict[str, Any]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FIELD_OF = {f.column: f for entity in SYSTEM.entities for f in entity.fields if f.column is not None}
COLUMN_OF = {f.attribute: column for column, f in FIELD_OF.items()}
DERIVED = {d.attribute for entity in SYSTEM.entities for d in entity.derived}
REST = SYSTEM.columns[-1].name
_TIMES = {f.attribute for f in FIELD_OF.values() if isinstance(f.type, EpochMs)}


def moment(micros: int) -> datetime:
    """Microseconds since 1970 as a UTC datetime."""
    return EPOCH + timedelta(microseconds=micros)


def micros(time: datetime) -> int:
    """An aware datetime as microseconds since 1970. Raises InputError when it has no offset."""
    if time.tzinfo is None:
        raise InputError(f"the time {time} has no offset", remedy="Give a time zone, for example UTC.")
    return (time - EPOCH) // timedelta(microseconds=1)


def from_row(row: Mapping[str, Any]) -> Plain:
    """The item of a row; `row` holds the codec's row values (times in µs, the document as JSON text)."""
    item: Plain = parse_jsonb(row[REST] or "{}")
    notes = item.pop(RESERVED, {})
    if isinstance(notes, dict) and (own := notes.get("was", {}).get(RESERVED)):
        item[RESERVED] = to_natural(own, "", {})  # an attribute of the item's own that has the reserved name
    for column, each in FIELD_OF.items():
        value = row[column]
        if value is None:
            continue
        holder = item
        for step in each.path[:-1]:
            if not isinstance(holder.get(step), dict):
                holder[step] = {}
            holder = holder[step]
        holder[each.path[-1]] = Iso8601().write(value)["S"] if isinstance(each.type, EpochMs) else value
    return item


def to_wire(item: Mapping[str, Any]) -> dict[str, Any]:
    """The wire item of a plain one, checked against DynamoDB's limits. None means absent at the top, NULL below.

    Raises InputError naming the attribute that has no exact wire form.
    """
    wire = {name: _wire(value, name) for name, value in item.items() if value is not None}
    found = parse(json.dumps({"Item": wire}).encode())
    if isinstance(found, Refusal):
        raise InputError(f"the item can't be stored: {found.message}", reason=found.reason.value)
    return found


def _wire(value: object, at: str) -> dict[str, Any]:
    if at in _TIMES:
        value = _epoch_ms(value, at)
    match value:
        case None:
            return {"NULL": True}
        case bool():
            return {"BOOL": value}
        case str():
            return {"S": value}
        case int() | Decimal():
            return {"N": str(value)}
        case bytes():
            return {"B": base64.b64encode(value).decode()}
        case list() | tuple():
            return {"L": [_wire(each, f"{at}[{index}]") for index, each in enumerate(value)]}
        case dict():
            return {"M": {str(name): _wire(each, f"{at}.{name}") for name, each in value.items()}}
        case set() | frozenset() if value and all(isinstance(each, str) for each in value):
            return {"SS": sorted(value)}
    raise InputError(
        f"{at}: {type(value).__name__} has no exact form in an item",
        remedy="Use text, int or Decimal (never float), bool, bytes, None, lists, dicts or sets of text.",
    )


def _epoch_ms(value: object, at: str) -> object:
    """A time given as ISO text, a datetime or epoch ms, in epoch ms; what is no time stays for the codec to refuse."""
    if isinstance(value, datetime):
        at_micros = micros(value)
    elif isinstance(value, str):
        read = Iso8601().read({"S": value})
        if isinstance(read, Refusal):
            raise InputError(f"{at}: {read.message}", reason=read.reason.value)
        at_micros = read
    else:
        return value
    return at_micros // 1000  # what the application keeps: milliseconds
