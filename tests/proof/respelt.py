"""Items that are equal and differently written: numbers, sets, key order, escapes, white space; and what to respell."""

from __future__ import annotations

import base64
import json
from decimal import Context, Decimal
from random import Random
from typing import Any

Wire = dict[str, Any]

_EXACT = Context(prec=60)  # the default one rounds to 28 digits
_NUMBERS = ("0", "1", "-1", "1.5", "100", "12345678901234567890123456789012345678", "0.00000000000000000001", "-0.5")


def enrich(item: dict[str, Wire], random: Random) -> dict[str, Wire]:
    """The item with attributes nobody declared, of every type, for a document worth comparing."""
    return item | {
        "deep": {"M": {"k": {"S": "v"}, "a": {"L": [{"N": "1"}, {"S": "x"}, {"M": {"b": {"N": "2"}}}]}}},
        "number": {"N": random.choice(_NUMBERS)},
        "numbers": {"NS": random.sample(_NUMBERS, 3)},
        "seven": {"N": "7"},
        "huge": {"N": "12345678901234567890123456789012345678"},
        "truth": {"BOOL": True},
        "nothing": {"NULL": True},
        "empty": {"S": ""},
        "tags": {"SS": random.sample(["blue", "Blue", "grün", "e\u0301", "\u00e9", ""], 3)},
        "bytes": {"B": base64.b64encode(random.randbytes(6)).decode()},
        "nested": {"M": {str(n): {"L": [{"N": random.choice(_NUMBERS)}, {"NULL": True}]} for n in range(3)}},
    }


def respelt(item: dict[str, Wire], random: Random) -> bytes:
    """The export line of an equal item, written as differently as DynamoDB's JSON allows."""
    text = json.dumps(
        {"Item": _shuffled({name: _value(wire, random) for name, wire in item.items()}, random)},
        ensure_ascii=random.random() < 0.5,
        separators=random.choice([(",", ":"), (", ", ": "), (" ,", " : ")]),
    )
    return text.encode()


def _value(wire: Wire, random: Random) -> Wire:
    ((tag, held),) = wire.items()
    match tag:
        case "N":
            return {"N": _number(held, random)}
        case "NS":
            return {"NS": random.sample([_number(each, random) for each in held], len(held))}
        case "SS" | "BS":
            return {tag: random.sample(held, len(held))}
        case "M":
            return {"M": _shuffled({name: _value(each, random) for name, each in held.items()}, random)}
        case "L":
            return {"L": [_value(each, random) for each in held]}
    return wire


def _number(text: str, random: Random) -> str:
    """The same number in another spelling DynamoDB accepts."""
    number = Decimal(text)
    plain = f"{number:f}"
    point = plain if "." in plain else f"{plain}."
    spellings = [plain, f"{point}0", f"{point}00", f"{number:E}"]
    spellings += [f"{_EXACT.scaleb(number, 3):f}E-3", f"{_EXACT.scaleb(number, -2):f}E+2"]
    if not plain.startswith("-"):
        spellings += [f"+{plain}", f"0{plain}"]
    return random.choice([each for each in spellings if len(each) <= 60])


def _shuffled(held: dict[str, Any], random: Random) -> dict[str, Any]:
    return {name: held[name] for name in random.sample(list(held), len(held))}
