"""Logical types of tables whose rows are the source: ids as text, flags, times as fixed-width text, JSON documents."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pyarrow as pa

from billio_pipeline.model.canonical import jsonb_text, parse_jsonb
from billio_pipeline.model.natural import Types, plain_wire, to_natural
from billio_pipeline.model.numbers import MAX_DIGITS
from billio_pipeline.model.refusal import Reason, Refusal
from billio_pipeline.model.size import Refused, sizer, text_size
from billio_pipeline.model.types import MAX_TIME, MIN_TIME, Iso8601, LogicalType, Value, Wire, payload

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_BIGINT = range(-(2**63), 2**63)
_well_formed = sizer(text_size)


@dataclass(frozen=True)
class IdText(LogicalType):
    """An 8-byte integer as its decimal text: ids that others refer to, and that never count anything."""

    tag = "S"
    arrow = pa.int64()

    @property
    def sql(self) -> str:
        return "bigint"

    def read(self, wire: Wire) -> int | Refusal:
        text = payload(wire, "S")
        if isinstance(text, Refusal):
            return text
        if not isinstance(text, str) or not re.fullmatch(r"0|-?[1-9][0-9]{0,18}", text, re.ASCII):
            return Refusal(Reason.NOT_A_NUMBER, f"{str(text)[:60]!r} is not an id: a whole number, plainly written")
        if int(text) not in _BIGINT:
            return Refusal(Reason.OUT_OF_RANGE, f"{text} is beyond 8 bytes")
        return int(text)

    def write(self, value: Value) -> dict[str, object]:
        return {"S": str(value)}

    def examples(self) -> tuple[Wire, ...]:
        texts = ("1", "0", "-7", str(2**63 - 1), str(2**63), "007", "+1", "1.0", "", " 1", "1\n", "٣", "-0")
        return (*({"S": text} for text in texts), {"N": "1"}, {"NULL": True}, {"S": 1})


@dataclass(frozen=True)
class Boolean(LogicalType):
    """True or false."""

    tag = "BOOL"
    arrow = pa.bool_()

    @property
    def sql(self) -> str:
        return "boolean"

    def read(self, wire: Wire) -> bool | Refusal:
        value = payload(wire, "BOOL")
        if isinstance(value, bool | Refusal):
            return value
        return Refusal(Reason.NOT_DYNAMODB_JSON, "BOOL must hold true or false")

    def examples(self) -> tuple[Wire, ...]:
        return ({"BOOL": True}, {"BOOL": False}, {"BOOL": "true"}, {"S": "true"}, {"N": "1"}, {"NULL": True})


@dataclass(frozen=True)
class IsoMicros(LogicalType):
    """A time as text of one width, to the microsecond, in UTC: it sorts as the times do. Any ISO-8601 time is read."""

    tag = "S"
    arrow = pa.timestamp("us", tz="UTC")

    @property
    def sql(self) -> str:
        return "timestamptz"

    def read(self, wire: Wire) -> int | Refusal:
        return Iso8601().read(wire)

    def refuses(self, value: Value) -> Refusal | None:
        if MIN_TIME <= int(value) <= MAX_TIME:
            return None
        return Refusal(Reason.TIME_OUT_OF_RANGE, "the time is infinite, or outside the years 0001 to 9999")

    def write(self, value: Value) -> dict[str, object]:
        moment = _EPOCH + timedelta(microseconds=int(value))
        return {"S": moment.isoformat(timespec="microseconds")[:-6] + "Z"}

    def examples(self) -> tuple[Wire, ...]:
        return Iso8601().examples()


@dataclass(frozen=True)
class IsoText(LogicalType):
    """A time kept as the text it is, for sources whose own spelling has to come back; it must be an ISO-8601 time."""

    tag = "S"
    arrow = pa.string()

    @property
    def sql(self) -> str:
        return "text"

    def read(self, wire: Wire) -> str | Refusal:
        time = Iso8601().read(wire)
        return time if isinstance(time, Refusal) else str(wire["S"])

    def examples(self) -> tuple[Wire, ...]:
        return Iso8601().examples()


@dataclass(frozen=True)
class Json(LogicalType):
    """A JSON document, on the row side as jsonb's canonical text, on the item side as the natural wire value."""

    tag = "M"
    arrow = pa.string()
    holds_null = True

    @property
    def sql(self) -> str:
        return "jsonb"

    def read(self, wire: Wire) -> str | Refusal:
        types: Types = {}
        try:
            _well_formed({"": wire})
        except Refused as refused:
            return refused.refusal
        document = to_natural(dict(wire), "", types)
        if types:
            at, tag = next(iter(types.items()))
            return Refusal(Reason.WRONG_TYPE, f"{at or 'it'} is {tag}, for which JSON has no value")
        return jsonb_text(document)

    def write(self, value: Value) -> dict[str, object]:
        return plain_wire(parse_jsonb(str(value)))

    def examples(self) -> tuple[Wire, ...]:
        return (
            {"M": {}}, {"M": {"a": {"N": "1.50"}, "ü": {"L": [{"S": ""}, {"NULL": True}, {"BOOL": False}]}}}, {"L": []},
            {"NULL": True}, {"S": "text"}, {"N": "9" * MAX_DIGITS}, {"SS": ["a"]}, {"L": [{"B": "AA=="}]},
        )  # fmt: skip


SCALARS: tuple[LogicalType, ...] = (IdText(), Boolean(), IsoMicros(), IsoText(), Json())
