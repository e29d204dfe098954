"""DynamoDB numbers, exactly: 38 significant digits, compared by value, never through a float."""

from __future__ import annotations

import re
from decimal import Context, Decimal
from functools import lru_cache

from billio_pipeline.model.refusal import Reason, Refusal

# What DynamoDB accepts as a number's text, and the limits it states: 38 digits, 1E-130 to 9.9…E+125.
_GRAMMAR = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,9})?", re.ASCII)
MAX_DIGITS = 38
MIN_EXPONENT, MAX_EXPONENT = -130, 125
# Exponents of nine digits, beside as many digits as are read at all, stay far inside the context's own bounds.
_REMEMBERED = 2 * MAX_DIGITS  # characters of a number that is worth it
_EXACT = Context(prec=60_000, Emax=10**12, Emin=-(10**12))


def read_number(text: object) -> Decimal | Refusal:
    """The number a wire `N` holds, or why it is none. Total: any input is answered."""
    if not isinstance(text, str):
        return Refusal(Reason.NOT_DYNAMODB_JSON, "a number is written as a string in DynamoDB JSON")
    return _remembered(text) if len(text) <= _REMEMBERED else _read(text)


def _read(text: str) -> Decimal | Refusal:
    if not _GRAMMAR.fullmatch(text):
        return Refusal(Reason.NOT_A_NUMBER, f"{text[:60]!r} is not a number")
    if len(text) > _EXACT.prec:
        return Refusal(Reason.OVER_DYNAMODB_LIMIT, f"a number of {len(text)} characters; DynamoDB holds 38 digits")
    value = _EXACT.create_decimal(text)
    if not value:
        return Decimal(0)
    value = value.normalize(_EXACT)
    if len(value.as_tuple().digits) > MAX_DIGITS:
        return Refusal(Reason.OVER_DYNAMODB_LIMIT, f"{text[:60]} has more than {MAX_DIGITS} significant digits")
    if not MIN_EXPONENT <= value.adjusted() <= MAX_EXPONENT:
        return Refusal(Reason.OVER_DYNAMODB_LIMIT, f"{text[:60]} is outside 1E{MIN_EXPONENT} to 9.9E+{MAX_EXPONENT}")
    return value


_remembered = lru_cache(maxsize=20_000)(_read)  # a number is read where its line is checked, then by its field


def plain(value: Decimal) -> str:
    """The one spelling of a number: no exponent, no trailing zero, no minus zero; jsonb returns it unchanged."""
    if not value:
        return "0"
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
