"""A row as one text and a table as few sums: what both sides compute on their own, so that only sums need to travel.

A row's text joins its columns by `|`: NULL is `~`, a text its length in code points, `:` and itself, a time its integer
microseconds, a JSON document the text jsonb prints. Its md5 is two 64-bit numbers; a bucket is the rows whose keys
begin alike, its print their count and both sums modulo 2^64. stores/sql/fingerprint.py says the same in a target's SQL.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from billio_pipeline.duck import connect
from billio_pipeline.model.entity import Column, System
from billio_pipeline.verify.sides import name, source_view

# Rows a bucket should have: one difference makes about this many rows be read back, 16 bytes × buckets are compared.
BUCKET_ROWS = 250
MEMORY = "128MB"  # DuckDB's share: one pass, sums only
MOST_BUCKETS_DIGITS = 5  # hexadecimal digits beyond the common start: a million buckets

Print = tuple[int, int, int]  # rows, sum of the upper and of the lower halves of their md5, modulo 2^64
Prints = Mapping[str, Print]  # by the start of the key


@dataclass(frozen=True)
class Buckets:
    """Some buckets of a table: those whose keys' first `length` characters are among `starts`."""

    length: int
    starts: frozenset[str]


def bucket_length(rows: int, first: str | None, last: str | None) -> int:
    """How many characters of a key tell its bucket, given the staged rows and the first and last of their keys.

    Characters that all keys share tell nothing apart, as in keys that count or begin with a time: they come on top.
    """
    first, last = first or "", last or ""
    shared = next((n for n, (one, two) in enumerate(zip(first, last, strict=False)) if one != two), len(first))
    digits = math.ceil(math.log(max(rows, 1) / BUCKET_ROWS, 16)) if rows > BUCKET_ROWS else 1
    return shared + min(max(digits, 1), MOST_BUCKETS_DIGITS)


def staged_length(system: System, staged: Mapping[str, Sequence[Path]], dropped: Path) -> int:
    """How many characters of a key tell the bucket of a staged row."""
    with connect(memory=MEMORY) as db:
        source_view(db, system, staged, dropped)
        key = name(system.target.key)
        return bucket_length(*db.sql(f"SELECT count(*), min({key}), max({key}) FROM source").fetchall()[0])  # noqa: S608


def fingerprint(system: System, staged: Mapping[str, Sequence[Path]], dropped: Path, length: int) -> dict[str, Print]:
    """The staged rows' (less `dropped`) print per bucket."""
    with connect(memory=MEMORY) as db:
        source_view(db, system, staged, dropped)
        return prints(db, "source", system.columns, system.target.key, length)


def prints(
    db: duckdb.DuckDBPyConnection, relation: str, columns: Sequence[Column], key: str, length: int
) -> dict[str, Print]:
    """Prints of `relation`, whose columns have the staged types."""
    found = db.sql(
        f"""
        SELECT bucket, count(*), sum(upper) % {1 << 64}, sum(lower) % {1 << 64}
        FROM (SELECT bucket, ('0x' || digest[1:16])::UBIGINT::HUGEINT AS upper,
                     ('0x' || digest[17:32])::UBIGINT::HUGEINT AS lower
              FROM (SELECT {name(key)}[1:{length}] AS bucket, md5({row_text(columns)}) AS digest FROM {relation}))
        GROUP BY bucket
        """  # noqa: S608  names from the declaration
    ).fetchall()
    return {bucket: (int(rows), int(upper), int(lower)) for bucket, rows, upper, lower in found}


def row_text(columns: Sequence[Column]) -> str:
    """DuckDB's expression for a row's text."""
    texts = ", ".join([f"coalesce({_text(column)}, '~')" for column in columns])
    return f"concat_ws('|', {texts})"


def _text(column: Column) -> str:
    quoted = name(column.name)
    match column.sql.partition("(")[0]:
        case "timestamptz":
            return f"epoch_us({quoted})::VARCHAR"
        case "uuid":
            return quoted  # always 36 characters
        case "integer" | "bigint":
            return f"{quoted}::VARCHAR"
        case "boolean":
            return f"{quoted}::INTEGER::VARCHAR"
    return f"length({quoted}) || ':' || {quoted}"


def differing(source: Prints, target: Prints) -> frozenset[str]:
    """Buckets that hold different rows, or other rows, on one side than on the other."""
    return frozenset(start for start in source.keys() | target.keys() if source.get(start) != target.get(start))
