"""The independent count: an export read by the standard library, its rows told by the test oracle, counted by SQL.

Shares no code with codec, loader or verify: gzip, json and psycopg only.
"""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import oracle_codec as oracle
import psycopg

Row = dict[str, Any]

_TIMES = ("added_at", "moved_at")
_COLUMNS = (
    "id", "type", "shelf", "title", "rating", "image_url", "image_width", "image_height", "external_id", "notes",
    "series_id",
)  # fmt: skip
_SELECTED = ", ".join(
    [f"{name}::text" if name in ("id", "series_id") else name for name in _COLUMNS]
    + [f"(extract(epoch FROM {name}) * 1000000)::bigint AS {name}" for name in _TIMES]
    + ["data::text"]
)


def items_of(export: Path) -> list[dict[str, Any]]:
    """Every item of every data file, in order."""
    return [
        json.loads(line)["Item"]
        for file in sorted((export / "data").iterdir())
        for line in gzip.decompress(file.read_bytes()).splitlines()
        if line.strip()
    ]


def expected(items: list[dict[str, Any]]) -> dict[str, Row]:
    """The rows that items which load must have, by id."""
    return {row["id"]: row for row in map(oracle.row_of, items)}


def count(dsn: str, wanted: dict[str, Row]) -> list[str]:
    """What the table lacks, has twice or has otherwise, a line each; an empty list: nothing lost, doubled or wrong."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        total, distinct = connection.execute("SELECT count(*), count(DISTINCT id) FROM items").fetchone() or (0, 0)
        cursor = connection.execute(f"SELECT {_SELECTED} FROM items".encode())  # noqa: S608  constants of this module
        names = [column.name for column in cursor.description or ()]
        found = [dict(zip(names, row, strict=True)) for row in cursor]
    failures = []
    if total != distinct:
        failures.append(f"{total - distinct} ids stand twice")
    if total != len(wanted):
        failures.append(f"{total} rows where {len(wanted)} are due")
    seen = set()
    for row in found:
        seen.add(row["id"])
        due = wanted.get(row["id"])
        if due is None:
            failures.append(f"{row['id']} is nobody's")
            continue
        row["data"] = oracle.document(row["data"])
        failures += [f"{row['id']}.{name} is wrong" for name, value in due.items() if row[name] != value]
    return failures + [f"{key} is lost" for key in wanted.keys() - seen]


def ledger_failures(dsn: str, rows: int) -> list[str]:
    """Whether the ledger lists as many rows as there are, and the finished schema is valid: ten indexes, no doubt."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        listed = connection.execute("SELECT coalesce(sum(rows), 0) FROM _billio_ledger").fetchone()
        indexes = connection.execute(
            "SELECT count(*) FILTER (WHERE indisvalid), count(*) FROM pg_index WHERE indrelid = 'items'::regclass"
        ).fetchone()
        open_ones = connection.execute(
            "SELECT count(*) FROM pg_constraint WHERE conrelid = 'items'::regclass AND NOT convalidated"
        ).fetchone()
    failures = []
    if listed != (rows,):
        failures.append(f"the ledger lists {listed and listed[0]} rows of {rows}")
    if indexes != (10, 10):
        failures.append(f"{indexes} valid and all indexes, not 10")
    if open_ones != (0,):
        failures.append(f"{open_ones} constraints aren't validated")
    return failures
