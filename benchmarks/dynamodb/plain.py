"""Items as a script of a page has them: Python's own values, as read from a database. Standard library and orjson only.

Whole numbers are int, others Decimal; AlgoItny's items hold no binary and no sets.
"""

from __future__ import annotations

from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any

import orjson


def value(wire: dict[str, Any]) -> Any:
    """A wire value as a Python value, exactly."""
    ((tag, held),) = wire.items()
    match tag:
        case "N":
            return Decimal(held) if "." in held else int(held)
        case "NULL":
            return None
        case "M":
            return {name: value(each) for name, each in held.items()}
        case "L":
            return [value(each) for each in held]
        case "S" | "BOOL":
            return held
    raise ValueError(f"no item of AlgoItny holds a {tag}")


def item(line: bytes) -> dict[str, Any]:
    return {name: value(wire) for name, wire in orjson.loads(line).items()}


def items(lines: Path, limit: int | None = None) -> dict[str, list[dict[str, Any]]]:
    """Items by table, the first `limit` of each."""
    found = {}
    for path in sorted(lines.iterdir()):
        with path.open("rb") as file:
            found[path.stem] = [item(line) for line in islice(file, limit)]
    return found
