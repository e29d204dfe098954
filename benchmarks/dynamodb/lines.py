"""Every line of the bench: what is run, against which endpoint, and what it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from benchmarks import venvs
from benchmarks.dynamodb.endpoints import WHILE_MS

Where = Literal["at once", "after a while", "embedded", "nowhere"]

WRANGLER = "awswrangler"
SLOW_ROWS = 500  # of a table, that are put one by one where each takes a while
SMALL = 1_000  # items on the embedded DynamoDB, which takes some hundred a second

venvs.PINS[WRANGLER] = ("awswrangler==3.17.1", "boto3==1.43.106", "orjson==3.13.0", "psutil")


@dataclass(frozen=True)
class Line:
    """A line of a table: `module` is run in a process of its own, with `options`, on `where`'s items."""

    name: str
    label: str
    where: Where
    module: str
    about: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    venv: str = ""

    @property
    def loads(self) -> bool:
        """Whether it is one of the loads that are laid side by side."""
        return self.module in ("boto3_script", "wrangler_peer", "our_load") and not self.options.get("seams")

    @property
    def staged(self) -> bool:
        """Whether it reads the stage, not the lines."""
        return self.module == "our_load"


ENDPOINTS: dict[Where, str] = {"at once": "", "after a while": "-while", "embedded": "-embedded"}


def _loads(where: Where) -> tuple[Line, ...]:
    end = ENDPOINTS[where]
    rows: dict[str, Any] = {"limit": SLOW_ROWS} if where == "after a while" else {}
    return (
        Line(
            f"put-item{end}", "the seed's script, row by row", where, "boto3_script", "Table.put_item for each item",
            {"way": "put_item", **rows},
        ),
        Line(
            f"batch-writer{end}", "the seed's script", where, "boto3_script", "Table.batch_writer, 25 a request",
            {"way": "batch_writer"},
        ),
        Line(f"wrangler{end}", "awswrangler", where, "wrangler_peer", "dynamodb.put_items as it comes", venv=WRANGLER),
        Line(f"ours{end}", "ours", where, "our_load", "stage → Writer with ledger, 16 requests in flight"),
    )  # fmt: skip


LINES: tuple[Line, ...] = (
    Line("encode", "encoding", "nowhere", "encoders"),
    *_loads("at once"),
    Line("ours-1", "ours, 1 request in flight", "at once", "our_load", "", {"requests": 1}),
    Line("ours-4", "ours, 4 in flight", "at once", "our_load", "", {"requests": 4}),
    Line(
        "ours-botocore", "ours, botocore serialises", "at once", "our_load", "without stores/dynamodb/body.py",
        {"botocore": True},
    ),
    Line("seams", "where the CPU goes", "at once", "our_load", "", {"seams": True}),
    Line(
        "seams-botocore", "the same, botocore serialises", "at once", "our_load", "", {"seams": True, "botocore": True}
    ),
    *_loads("after a while"),
    Line("ours-1-while", "ours, 1 request in flight", "after a while", "our_load", "", {"requests": 1}),
    Line("ours-64-while", "ours, 64 in flight", "after a while", "our_load", "", {"requests": 64}),
    *_loads("embedded"),
    Line("whole", "ours, from PostgreSQL's rows to the verdict", "embedded", "whole"),
)  # fmt: skip
BY_NAME = {line.name: line for line in LINES}

HEADS: dict[Where, str] = {
    "at once": "An endpoint that answers at once",
    "after a while": f"The same, answering after {WHILE_MS:.0f} ms",
    "embedded": "The embedded DynamoDB",
}
