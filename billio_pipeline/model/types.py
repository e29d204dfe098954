"""Logical types: what a value may be on the item side and on the row side, and how one becomes the other.

Each type has `read(wire) → value | Refusal` (total: the definition, the sole refuser), `write(value) → wire`,
`fast(column) → (array, mask)` (vectorised over the wire's text; it accepts or defers, never refuses), the Arrow and
SQL types of the row side, and `examples()`, over which a test holds fast ≡ read. Row values are plain Python:
`str` for text and uuids, `int` for integers, `int` microseconds since 1970 UTC for times. More types: scalars.py.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import ClassVar

import pyarrow as pa
import pyarrow.compute as pc

from billio_pipeline.model.numbers import read_number
from billio_pipeline.model.refusal import Reason, Refusal

Wire = Mapping[str, object]  # one DynamoDB attribute value: {"S": "text"}, {"N": "1"}, …
Value = str | int
Fast = tuple[pa.Array, pa.Array]

# Years 0001–9999, what a four-digit ISO-8601 year can write and every reader of the target can hold.
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MIN_TIME = (datetime(1, 1, 1, tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1)
MAX_TIME = (datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1)
# Integers the fast path takes: plain spelling, no minus zero, surely inside 64 bits.
_PLAIN_INTEGER = r"^(0|-?[1-9][0-9]{0,16})$"


def payload(wire: Wire, tag: str) -> object | Refusal:
    """What `wire` holds under `tag`, or a refusal saying which type it has instead."""
    if tag in wire:
        return wire[tag]
    return Refusal(Reason.WRONG_TYPE, f"expected {tag}, found {'/'.join(wire) or 'nothing'}")


@dataclass(frozen=True)
class LogicalType:
    """The registry's base: subclasses are the types. `tag` is the DynamoDB type of the item side."""

    tag: ClassVar[str]
    arrow: ClassVar[pa.DataType]
    holds_null: ClassVar[bool] = False  # NULL is one of its values, not the lack of one

    @property
    def sql(self) -> str:
        raise NotImplementedError

    def read(self, wire: Wire) -> Value | Refusal:
        raise NotImplementedError

    def write(self, value: Value) -> dict[str, object]:
        return {self.tag: value}

    def refuses(self, value: Value) -> Refusal | None:
        """Why no item holds this row value, which a source may have though its own type allows it; None: it is fine."""
        return None

    def fast(self, column: pa.Array) -> Fast:
        """By default every value is left to `read`: worth overriding where many are."""
        return _masked(pa.nulls(len(column), self.arrow), pc.is_null(column))

    def examples(self) -> tuple[Wire, ...]:
        raise NotImplementedError


def _masked(array: pa.Array, accepted: pa.Array) -> Fast:
    """`array` with the deferred slots emptied; nulls (absent attributes) are accepted as they are."""
    accepted = pc.fill_null(accepted, True)
    return pc.if_else(accepted, array, pa.scalar(None, array.type)), accepted


@dataclass(frozen=True)
class Text(LogicalType):
    """A string of at most `length` characters (code points), without NUL, which no SQL text can hold."""

    length: int | None = None
    tag = "S"
    arrow = pa.string()

    @property
    def sql(self) -> str:
        return f"varchar({self.length})" if self.length else "text"

    def read(self, wire: Wire) -> str | Refusal:
        value = payload(wire, "S")
        if isinstance(value, Refusal):
            return value
        if not isinstance(value, str):
            return Refusal(Reason.NOT_DYNAMODB_JSON, "S must hold a string")
        if "\0" in value:
            return Refusal(Reason.NUL_CHARACTER, "holds a NUL character")
        if self.length is not None and len(value) > self.length:
            return Refusal(Reason.TOO_LONG, f"{len(value)} characters, at most {self.length} fit")
        return value

    def fast(self, column: pa.Array) -> Fast:
        accepted = pc.invert(pc.match_substring(column, "\0"))
        if self.length is not None:
            accepted = pc.and_(accepted, pc.less_equal(pc.utf8_length(column), self.length))
        return _masked(column, accepted)

    def examples(self) -> tuple[Wire, ...]:
        n = self.length or 8
        texts = ("", "a", "naïve 📚", "x" * n, "📚" * n, "x" * (n + 1), "a\0b", "e\u0301", " trailing ")
        return (*({"S": text} for text in texts), {"N": "1"}, {"NULL": True}, {"S": 5}, {})


@dataclass(frozen=True)
class Uuid(LogicalType):
    """A uuid in its lower-case canonical spelling; upper case is refused, for the spelling is the reference."""

    tag = "S"
    arrow = pa.string()
    _PATTERN: ClassVar[str] = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"

    @property
    def sql(self) -> str:
        return "uuid"

    def read(self, wire: Wire) -> str | Refusal:
        value = payload(wire, "S")
        if isinstance(value, Refusal):
            return value
        if not isinstance(value, str):
            return Refusal(Reason.NOT_DYNAMODB_JSON, "S must hold a string")
        if not re.fullmatch(self._PATTERN, value):
            return Refusal(Reason.BAD_UUID, f"{value[:80]!r} is not a lower-case uuid")
        return value

    def fast(self, column: pa.Array) -> Fast:
        # The length keeps out a trailing newline, which RE2's $ alone would let through.
        accepted = pc.and_(
            pc.equal(pc.binary_length(column), 36), pc.match_substring_regex(column, f"^{self._PATTERN}$")
        )
        return _masked(column, accepted)

    def examples(self) -> tuple[Wire, ...]:
        good = "1b4e28ba-2fa1-41d2-883f-0016d3cca427"
        bad = (good.upper(), good[:-1], good + "0", good + "\n", f"{{{good}}}", good.replace("-", ""), "", "é" * 18)
        return (*({"S": text} for text in (good, "0" * 8 + good[8:], *bad)), {"N": "1"}, {"NULL": True}, {"S": None})


@dataclass(frozen=True)
class Integer(LogicalType):
    """A whole number from `low` to `high`; without bounds, what a 4-byte integer holds."""

    low: int = -(2**31)
    high: int = 2**31 - 1
    tag = "N"
    arrow = pa.int32()

    @property
    def sql(self) -> str:
        return "integer"

    def read(self, wire: Wire) -> int | Refusal:
        text = payload(wire, "N")
        if isinstance(text, Refusal):
            return text
        number = read_number(text)
        if isinstance(number, Refusal):
            return number
        if number != number.to_integral_value():
            return Refusal(Reason.FRACTIONAL, f"{text} is not a whole number")
        if not self.low <= number <= self.high:
            return Refusal(Reason.OUT_OF_RANGE, f"{text} is outside {self.low} to {self.high}")
        return int(number)

    def refuses(self, value: Value) -> Refusal | None:
        if self.low <= int(value) <= self.high:
            return None
        return Refusal(Reason.OUT_OF_RANGE, f"{value} is outside {self.low} to {self.high}")

    def write(self, value: Value) -> dict[str, object]:
        return {"N": str(value)}

    def fast(self, column: pa.Array) -> Fast:
        numbers, accepted = _plain_integers(column)
        inside = pc.and_(pc.greater_equal(numbers, self.low), pc.less_equal(numbers, self.high))
        numbers, accepted = _masked(numbers, pc.and_(accepted, pc.fill_null(inside, True)))
        return numbers.cast(pa.int32()), accepted

    def examples(self) -> tuple[Wire, ...]:
        edges = (self.low, self.high, self.low - 1, self.high + 1, (self.low + self.high) // 2)
        odd = ("1.0", "1E1", "8.5", "NaN", "Infinity", "0x10", "-0", "+7", "007", " 7", "7\n", "", "1_0", "٣", "1" * 39)
        return (*({"N": text} for text in (*map(str, edges), *odd, "9" * 38)), {"S": "7"}, {"NULL": True}, {"N": 7})


@dataclass(frozen=True)
class EpochMs(LogicalType):
    """A time as epoch milliseconds on the item side (Dynamoose's Date), microseconds UTC on the row side."""

    tag = "N"
    arrow = pa.timestamp("us", tz="UTC")

    @property
    def sql(self) -> str:
        return "timestamptz"

    def read(self, wire: Wire) -> int | Refusal:
        text = payload(wire, "N")
        if isinstance(text, Refusal):
            return text
        number = read_number(text)
        if isinstance(number, Refusal):
            return number
        if number != number.to_integral_value():
            return Refusal(Reason.BAD_TIME, f"{text} is not a whole number of milliseconds")
        if not MIN_TIME <= number * 1000 <= MAX_TIME:
            return Refusal(Reason.TIME_OUT_OF_RANGE, f"{text} ms is outside the years 0001 to 9999")
        return int(number) * 1000

    def write(self, value: Value) -> dict[str, object]:
        assert isinstance(value, int)
        return {"N": str(value // 1000)}

    def fast(self, column: pa.Array) -> Fast:
        numbers, accepted = _plain_integers(column)
        inside = pc.and_(pc.greater_equal(numbers, -(-MIN_TIME // 1000)), pc.less_equal(numbers, MAX_TIME // 1000))
        numbers, accepted = _masked(numbers, pc.and_(accepted, pc.fill_null(inside, True)))
        return pc.multiply(numbers, 1000).cast(self.arrow), accepted

    def examples(self) -> tuple[Wire, ...]:
        edges = (MIN_TIME // 1000, MIN_TIME // 1000 - 1, MAX_TIME // 1000, MAX_TIME // 1000 + 1)
        texts = ("1614849300123", "0", "-1", "1.5", "1E12", "NaN", "9" * 38, "1" * 39, "now", *map(str, edges))
        return (*({"N": text} for text in texts), {"S": "2021-03-04T09:15:00.123Z"}, {"NULL": True})


@dataclass(frozen=True)
class Iso8601(LogicalType):
    """A time as ISO-8601 text with a date, seconds and an offset. One grammar, ours: databases disagree on the rest."""

    tag = "S"
    arrow = pa.timestamp("us", tz="UTC")
    _PATTERN: ClassVar[str] = (
        r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,6})0*)?(?:Z|([+-])([01]\d|2[0-3]):([0-5]\d))"
    )

    @property
    def sql(self) -> str:
        return "timestamptz"

    def read(self, wire: Wire) -> int | Refusal:
        text = payload(wire, "S")
        if isinstance(text, Refusal):
            return text
        if not isinstance(text, str):
            return Refusal(Reason.NOT_DYNAMODB_JSON, "S must hold a string")
        match = re.fullmatch(self._PATTERN, text, re.ASCII)
        if not match:
            return Refusal(Reason.BAD_TIME, f"{text[:60]!r} is not a time like 2021-03-04T09:15:00.123Z")
        *parts, fraction, sign, hours, minutes = match.groups()
        try:
            year, month, day, hour, minute, second = map(int, parts)
            moment = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
        except ValueError as error:
            return Refusal(Reason.BAD_TIME, f"{text[:60]!r}: {error}")
        micros = (moment - _EPOCH) // timedelta(microseconds=1) + int((fraction or "0").ljust(6, "0"))
        if sign:
            offset = (int(hours) * 60 + int(minutes)) * 60_000_000
            micros += offset if sign == "-" else -offset
        if not MIN_TIME <= micros <= MAX_TIME:
            return Refusal(Reason.TIME_OUT_OF_RANGE, f"{text[:60]!r} is outside the years 0001 to 9999 in UTC")
        return micros

    def write(self, value: Value) -> dict[str, object]:
        assert isinstance(value, int)
        moment = _EPOCH + timedelta(microseconds=value)
        return {"S": moment.isoformat(timespec="microseconds" if value % 1000 else "milliseconds")[:-6] + "Z"}

    def examples(self) -> tuple[Wire, ...]:
        texts = ("2021-03-04T09:15:00.123Z", "2021-03-04T09:15:00Z", "2021-03-04T09:15:00.123456+02:00",
                 "2021-03-04T09:15:60Z", "2021-02-29T00:00:00Z", "2021-03-04T24:00:00Z", "2021-03-04", "12/31/2020",
                 "0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59.999Z", "2021-03-04T09:15:00.1234567Z",
                 "2021-03-04T09:15:00.1230000Z", "2021-03-04 09:15:00Z", "")  # fmt: skip
        return (*({"S": text} for text in texts), {"N": "1"}, {"NULL": True})

    def __rshift__(self, other: LogicalType) -> Conversion:
        return Conversion(self, other)


@dataclass(frozen=True)
class Conversion:
    """`A() >> B()`: an item may hold A's wire where B is declared; both mean the same row value."""

    found: LogicalType
    declared: LogicalType


def _plain_integers(column: pa.Array) -> Fast:
    """int64 where the text is a plainly written integer of at most 17 digits; null and not accepted elsewhere."""
    accepted = pc.and_(pc.match_substring_regex(column, _PLAIN_INTEGER), pc.invert(pc.match_substring(column, "\n")))
    texts, accepted = _masked(column, accepted)
    return texts.cast(pa.int64()), accepted


REGISTRY: tuple[LogicalType, ...] = (Text(), Text(5), Uuid(), Integer(), Integer(1, 10), EpochMs(), Iso8601())
