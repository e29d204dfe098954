"""The full comparison where the target is DynamoDB: every staged item against every item of the tables.

Keys and hashes of canonical bytes are joined; only items whose hashes differ are looked into, attribute by attribute.
A staged item that is not there though its time to expire has come is `expired`, not missing; an item of a kind the
target holds on purpose, as a counter, is `added`, not extra.
"""

from __future__ import annotations

import math
import shutil
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import orjson
import pyarrow as pa

from billio_pipeline.duck import connect
from billio_pipeline.errors import TargetError, TerminalError
from billio_pipeline.model.canonical import canonical_item, content_hash
from billio_pipeline.model.keys import item_key_text
from billio_pipeline.model.refusal import Refusal
from billio_pipeline.model.tables import DynamoTable
from billio_pipeline.verify.attributes import differing
from billio_pipeline.verify.pairs import unequal
from billio_pipeline.verify.reconcile import DIFFERENCES, MEMORY, SHOWN, Verdict, spool
from billio_pipeline.verify.sides import items_view, literal

Item = dict[str, dict[str, Any]]
Line = tuple[str, str, str | None, str | None, str | None]  # as in DIFFERENCES

TARGET = pa.schema(
    [
        ("entity", pa.string()),
        ("table", pa.string()),
        ("key", pa.string()),
        ("hash", pa.binary(16)),
        ("item", pa.binary()),
    ]
)
PART_ROWS = 2_000_000  # keys of one side joined at a time
_GROUP_BYTES = 4 * 1024 * 1024  # of items, or characters of differences, gathered into one row group
_SHOWN_CHARACTERS = 2_000  # of a text in the verdict; the Parquet file has all


def spool_items(
    pages: Iterable[list[bytes]],
    table: DynamoTable,
    entity_of: Callable[[Item], str],
    path: Path,
    progress: Callable[[int], object] = lambda items: None,
) -> int:
    """Write a table's pages of `{"Item":…}` lines to one Parquet file of TARGET; how many items that was.

    `progress` is told each page's items. Raises TargetError at what is no item of this table.
    """
    return spool(_groups(pages, table, entity_of, progress), path, TARGET)


def _groups(
    pages: Iterable[list[bytes]],
    table: DynamoTable,
    entity_of: Callable[[Item], str],
    progress: Callable[[int], object],
) -> Iterator[pa.Table]:
    rows: list[tuple[str, str, str, bytes, bytes]] = []
    size = 0
    for page in pages:
        for line in page:
            rows.append(_row(line, table, entity_of))
            size += len(line)
            if size >= _GROUP_BYTES:
                yield _table(rows, TARGET)
                rows, size = [], 0
        progress(len(page))
    if rows:
        yield _table(rows, TARGET)


def _row(line: bytes, table: DynamoTable, entity_of: Callable[[Item], str]) -> tuple[str, str, str, bytes, bytes]:
    try:
        item: Item = orjson.loads(line)["Item"]
        canonical = canonical_item(item)
    except (ValueError, KeyError, TypeError) as error:
        raise TargetError(f"table {table.name}: a line that is no item: {error}: {line[:200]!r}") from error
    key = item_key_text(table, item)
    if isinstance(key, Refusal):
        raise TargetError(f"table {table.name}: an item that can't be of this table: {key.message}")
    return entity_of(item), table.name, key, content_hash(canonical), canonical


def _table(rows: Sequence[tuple[Any, ...]], schema: pa.Schema) -> pa.Table:
    columns = zip(*rows, strict=True)
    return pa.table([pa.array(column, each.type) for column, each in zip(columns, schema, strict=True)], schema)


def reconcile_items(
    tables: Sequence[DynamoTable],
    entities: Sequence[str],
    staged: Mapping[str, Sequence[Path]],
    dropped: Path,
    target: Mapping[str, Path],
    out: Path,
    *,
    now: int,
    ignore_entities: Collection[str] = (),
    part_rows: int = PART_ROWS,
) -> Verdict:
    """Compare the staged items (Parquet by entity, less `dropped`) of `tables` with the spooled `target` (by table).

    `now` is in epoch seconds. A target item whose key was staged is compared whatever its entity; of the others those
    of `ignore_entities` are added. Differences go to `out`: a line without a column for a missing or extra item, one
    per attribute for a different one.
    """
    folder = out.with_suffix(".work")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with connect(folder / "items.duckdb", MEMORY) as db:
        items_view(db, tables, staged, dropped)
        files = ", ".join([literal(str(target[table.name])) for table in tables])
        options = "filename = true, file_row_number = true"
        db.execute(f"CREATE TEMP VIEW target AS SELECT * FROM read_parquet([{files}], {options})")  # noqa: S608
        verdict = Verdict(compared=_one(db, "SELECT count(*) FROM target"))
        _join(db, now, ignore_entities, max(verdict.compared, _one(db, "SELECT count(*) FROM source")), part_rows)
        verdict.counts = _counts(db, entities)
        verdict.path = out
        spool(_told(_lines(db, folder), verdict), out, DIFFERENCES)
    shutil.rmtree(folder)
    return verdict


def _one(db: duckdb.DuckDBPyConnection, query: str) -> int:
    return int(db.sql(query).fetchall()[0][0])


def _join(db: duckdb.DuckDBPyConnection, now: int, added: Collection[str], rows: int, part_rows: int) -> None:
    """Table `unequal`: every key that is not on both sides with the same hash, and how so."""
    columns = 'entity VARCHAR, "table" VARCHAR, key VARCHAR, how VARCHAR'
    db.execute(f"CREATE TABLE unequal ({columns})")
    parts = math.ceil(rows / part_rows)
    for part in range(parts):
        db.execute(
            f"""
            INSERT INTO unequal
            SELECT coalesce(s._entity, t.entity), coalesce(s._table, t."table"), coalesce(s._key, t.key),
                   CASE WHEN s._key IS NULL THEN CASE WHEN list_contains($2, t.entity) THEN 'added' ELSE 'extra' END
                        WHEN t.key IS NULL THEN CASE WHEN s._ttl <= $1 THEN 'expired' ELSE 'missing' END
                        ELSE 'different' END
            FROM (SELECT _entity, _table, _key, _hash, _ttl FROM source WHERE hash(_key) % {parts} = {part}) s
            FULL JOIN (SELECT entity, "table", key, hash FROM target WHERE hash(key) % {parts} = {part}) t
            ON s._table = t."table" AND s._key = t.key
            WHERE s._key IS NULL OR t.key IS NULL OR s._hash <> t.hash
            """,  # noqa: S608  numbers of ours
            [now, list(added)],
        )


def _counts(db: duckdb.DuckDBPyConnection, entities: Sequence[str]) -> dict[str, dict[str, int]]:
    source = dict(db.sql("SELECT _entity, count(*) FROM source GROUP BY ALL").fetchall())
    found = {(e, how): n for e, how, n in db.sql("SELECT entity, how, count(*) FROM unequal GROUP BY ALL").fetchall()}
    counts = {}
    for entity in dict.fromkeys([*entities, *source, *(entity for entity, _ in sorted(found))]):
        one = {how: found.get((entity, how), 0) for how in ("missing", "extra", "different", "expired", "added")}
        loaded = source.get(entity, 0) - one["missing"] - one["expired"]
        counts[entity] = {"loaded": loaded, **one, "target": loaded + one["extra"] + one["added"]}
    return counts


def _told(found: Iterable[Line], verdict: Verdict) -> Iterator[pa.Table]:
    """All differences, by entity, key and attribute; the verdict is given the first of them and their attributes."""
    columns: Counter[str] = Counter()
    lines: list[Line] = []
    size = 0
    for line in found:
        lines.append(line)
        size += sum([len(text) for text in line if text])
        if line[2] is not None:
            columns[line[2]] += 1
        if len(verdict.differences) < SHOWN:
            verdict.differences.append(dict(zip(DIFFERENCES.names, map(_cut, line), strict=True)))
        if size >= _GROUP_BYTES:
            yield _table(lines, DIFFERENCES)
            lines, size = [], 0
    if lines:
        yield _table(lines, DIFFERENCES)
    verdict.columns = dict(sorted(columns.items()))


def _cut(text: str | None) -> str | None:
    if text is None or len(text) <= _SHOWN_CHARACTERS:
        return text
    return f"{text[:_SHOWN_CHARACTERS]}… ({len(text):,} characters)"


def _lines(db: duckdb.DuckDBPyConnection, folder: Path) -> Iterator[Line]:
    for entity, key, how, source, target in unequal(db, folder):
        if how == "missing":
            yield entity, key, None, "present", None
        elif how == "extra":
            yield entity, key, None, None, "present"
        elif source == target:
            raise TerminalError(
                f"{entity} {key}: the hash that was staged is not its item's",
                remedy="The stage is damaged: remove it and stage again.",
            )
        else:
            for attribute, ours, theirs in differing(source, target):
                yield entity, key, attribute, ours, theirs
