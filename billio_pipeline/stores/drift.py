"""One way a store's tables can differ from their declaration."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Drift:
    """One difference. `kind` is of the store's own list; `name` is the table's, a column's as `table.column`, or an
    index's or constraint's; texts are as the store's users would write them."""

    kind: str
    table: str
    name: str
    expected: str | None
    found: str | None

    def __str__(self) -> str:
        return f"{self.kind} {self.name}: expected {self.expected or 'nothing'}, found {self.found or 'nothing'}"
