"""Parity: a question of the application's, asked of both sides."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class ParityCase:
    """One question and both answers. `equal` is the verdict; `note` says what was left out or found to differ."""

    pattern: str
    arguments: dict[str, Any]
    expected: Any
    found: Any
    equal: bool
    note: str = ""
