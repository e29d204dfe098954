"""Our own rules about index statements, for what dsql-lint misses: NULLs' order, JSON keys, the size of a key.

They read the statement's text, so that hand-written SQL is judged like what the profiles emit.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from billio_pipeline.stores.sql.profiles import Profile

Level = Literal["error", "warning"]
Columns = Mapping[str, str]  # column → declared SQL type, the table's key first

BYTES_PER_CHARACTER = 4  # UTF-8 at its longest
_FIXED = {
    "uuid": 16, "integer": 4, "int": 4, "bigint": 8, "smallint": 2, "boolean": 1, "date": 4,
    "timestamptz": 8, "timestamp": 8, "double precision": 8, "real": 4,
}  # fmt: skip
_JSON = ("json", "jsonb")

_CREATE_INDEX = re.compile(
    r"\s*CREATE\s+(?:UNIQUE\s+)?INDEX\s+(?:ASYNC\s+|CONCURRENTLY\s+)?(?:IF\s+NOT\s+EXISTS\s+)?"
    r"(?P<name>(?!ON\s)[\w.\"]+)?\s*ON\s+(?:ONLY\s+)?(?P<table>[\w.\"]+)\s*(?:USING\s+\w+\s*)?\(",
    re.IGNORECASE,
)
_ORDER = re.compile(r"\s+(?P<order>ASC|DESC)?\s*(?:NULLS\s+(?P<nulls>FIRST|LAST))?\s*$", re.IGNORECASE)


@dataclass(frozen=True)
class Finding:
    """What a rule says about a statement. `by` is the program that says it."""

    statement: str
    rule: str
    level: Level
    message: str
    suggestion: str
    by: str = "billio"


@dataclass(frozen=True)
class IndexKey:
    """One key as written: a column or an expression, and its order."""

    text: str
    order: str
    nulls: str

    @property
    def column(self) -> str | None:
        """The column's name, None for an expression."""
        return self.text.strip('"') if re.fullmatch(r'\w+|"[^"]+"', self.text) else None


@dataclass(frozen=True)
class IndexText:
    """The parts of a CREATE INDEX statement."""

    table: str
    keys: tuple[IndexKey, ...]


def read_index(statement: str) -> IndexText | None:
    """The index a statement creates, or None when it is another kind of statement."""
    match = _CREATE_INDEX.match(statement)
    if not match:
        return None
    table = match["table"].split(".")[-1].strip('"')
    return IndexText(table, tuple(_key(text) for text in _split(statement[match.end() :])))


def _split(text: str) -> Iterator[str]:
    """What stands between commas up to the parenthesis that closes the keys; quoted text is left whole."""
    depth, start = 0, 0
    for token in re.finditer(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|[(),]", text):
        match token[0]:
            case "(":
                depth += 1
            case ")" if depth:
                depth -= 1
            case ")":
                yield text[start : token.start()].strip()
                return
            case "," if not depth:
                yield text[start : token.start()].strip()
                start = token.end()


def _key(text: str) -> IndexKey:
    match = _ORDER.search(text)
    if not match or not match[0].strip():
        return IndexKey(text, "", "")
    return IndexKey(text[: match.start()].strip(), (match["order"] or "").upper(), (match["nulls"] or "").upper())


def judge(name: str, statement: str, profile: Profile, columns: Mapping[str, Columns]) -> Iterator[Finding]:
    """Findings of our rules about one statement; `columns` says what is known of each table."""
    index = read_index(statement)
    if index is None:
        return
    known = columns.get(index.table, {})
    if not profile.index_sort_order:
        yield from (_nulls_order(name, key) for key in index.keys if key.nulls == "LAST")
    if not profile.json_index_keys:
        yield from (_json_key(name, key, profile) for key in index.keys if _is_json(key, known))
    if known:
        yield from _key_bytes(name, index, profile, known)


def _nulls_order(name: str, key: IndexKey) -> Finding:
    # An ascending key ends in its NULLs by default. Written out it is what `DESC NULLS LAST` leaves when DESC is
    # dropped, and dsql-lint --fix drops only that: scanned backward such an index starts with its NULLs.
    return Finding(
        name,
        "nulls_order",
        "error",
        f"{key.text} NULLS LAST: scanned backward, the index would give its NULLs first",
        f"For DESC NULLS LAST write {key.text} NULLS FIRST and scan backward; ascending, leave NULLS LAST out.",
    )


def _is_json(key: IndexKey, known: Columns) -> bool:
    if key.column is not None:
        return known.get(key.column) in _JSON
    yields_json = re.search(r"(->|#>)(?!>)[^-#]*$", key.text) or re.search(
        r"::\s*jsonb?\s*\)*$", key.text, re.IGNORECASE
    )
    return yields_json is not None


def _json_key(name: str, key: IndexKey, profile: Profile) -> Finding:
    return Finding(
        name,
        "json_index_key",
        "error",
        f"{key.text} is JSON, which can't be an index key on {profile.name}",
        "Index a text taken out of it, (data->>'name'), or a column of its own.",
    )


def _key_bytes(name: str, index: IndexText, profile: Profile, known: Columns) -> Iterator[Finding]:
    names = [key.column for key in index.keys if key.column in known]
    primary = next(iter(known))
    if profile.keys_include_primary and primary not in names:
        names.append(primary)
    terms = [(column, known[column], _bytes(known[column])) for column in names if column is not None]
    total = sum(most for _, _, most in terms if most is not None)
    endless = [column for column, _, most in terms if most is None]
    if not endless and total <= profile.key_bytes:
        return
    sums = " + ".join(
        f"{column} {declared} {'unbounded' if most is None else most}" for column, declared, most in terms
    )
    size = f"up to {total} bytes" if not endless else "no upper bound"
    yield Finding(
        name,
        "index_key_bytes",
        "warning",
        f"a key can have {size} ({sums}), {profile.name} holds {profile.key_bytes:,}",
        "Rows whose key is longer are refused: fine while real values stay below, otherwise index a shorter column.",
    )


def _bytes(declared: str) -> int | None:
    """The most bytes a value of that type has in a key, or None when it has no upper bound."""
    if match := re.fullmatch(r"(?:varchar|character varying|char)\((\d+)\)", declared):
        return int(match[1]) * BYTES_PER_CHARACTER
    return _FIXED.get(declared)
