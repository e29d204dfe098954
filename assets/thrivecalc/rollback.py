"""ThriveCalc's table written back as the tree of objects its records came from, and proven by reading that again.

Never replaces an object by another: a destination that holds anything else than what is written is refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import duckdb
import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from assets.thrivecalc.lake import Tree, item_row, write_tree
from assets.thrivecalc.model import RECORD, SYSTEM
from assets.thrivecalc.records import record_bytes
from assets.thrivecalc.renamed import original
from assets.thrivecalc.source import read_records
from billio_pipeline import progress
from billio_pipeline.codec.items import ItemCodec
from billio_pipeline.duck import connect
from billio_pipeline.errors import InputError
from billio_pipeline.migrate.copied import SourceFile
from billio_pipeline.model.canonical import canonical_item, content_hash
from billio_pipeline.model.entity import RowSystem
from billio_pipeline.model.refusal import Refusal
from billio_pipeline.room import room
from billio_pipeline.stores.dynamodb.read_back import read_back
from billio_pipeline.stores.objects import ObjectStore
from billio_pipeline.stores.objects.records import copy_records

SHOWN = 20
_AT_ONCE = 500
_READERS = 16

# An item as it is to be written: its canonical bytes, their hash, and its object's key and hash, null for none.
_ITEMS = pa.schema([("item", pa.binary()), ("hash", pa.binary(16)), ("object", pa.string()), ("body", pa.binary(16))])


@dataclass
class RolledBack:
    """What was written, and how the tree, read back, compares with the table: `missing` items have no record there that
    equals them, `extra` records no item. `refused` items have no object's form; the first of each are named."""

    items: int
    objects: int
    renamed: int
    refused: tuple[str, ...]
    missing: int = 0
    extra: int = 0
    first: list[str] = field(default_factory=list)

    @property
    def equal(self) -> bool:
        return not (self.refused or self.missing or self.extra) and self.objects == self.items


def rollback(client: Any, store: ObjectStore, work: Path, *, system: RowSystem = SYSTEM) -> RolledBack:
    """Write every item of the table as its object, under the user id its record had. `work` is a folder of its own.

    Writing again what was written changes nothing. Raises InputError, nothing having been written, when two items would
    be one object, or the destination holds an object that is not one of these, byte by byte.
    """
    with room(work):
        work.mkdir(parents=True, exist_ok=True)
        items, renamed = _spool(client, system, work / "items.parquet")
        with connect(work / "rollback.duckdb") as db:
            db.read_parquet(str(work / "items.parquet")).create_view("ours")
            _check(db, store)
            tree = write_tree(_spooled(work / "items.parquet"), store)
            done = RolledBack(items, tree.objects, renamed, tree.refused)
            _prove(db, store, tree, work / "tree", done)
    return done


def _spool(client: Any, system: RowSystem, to: Path) -> tuple[int, int]:
    """Read the table once, for all that follows; items, and how many get another user id."""
    items = renamed = 0
    with pq.ParquetWriter(to, _ITEMS, compression="zstd", compression_level=1) as writer:
        for table in system.tables:
            for page in read_back(client, table.name):
                rows = []
                for line in page:
                    held = orjson.loads(line)["Item"]
                    item = original(held)
                    renamed += item["userId"] != held["userId"]
                    rows.append(_row(item))
                writer.write_table(pa.Table.from_pylist(rows, _ITEMS))
                items += len(page)
                progress.tell("read the table", len(page))
    return items, renamed


def _row(item: dict[str, Any]) -> dict[str, Any]:
    canonical = canonical_item(item)
    row = item_row(item)
    key, body = (None, None) if isinstance(row, Refusal) else record_bytes(row)
    return {
        "item": canonical,
        "hash": content_hash(canonical),
        "object": key,
        "body": None if body is None else content_hash(body),
    }


def _spooled(path: Path) -> Iterator[dict[str, Any]]:
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(_AT_ONCE, columns=["item"]):
            for item in batch["item"].to_pylist():
                yield orjson.loads(item)
            progress.tell("write the tree", batch.num_rows, file.metadata.num_rows)


def _check(db: duckdb.DuckDBPyConnection, store: ObjectStore) -> None:
    """Refuse two items that are one object, and a destination that holds something else."""
    twice = db.sql("SELECT object FROM ours WHERE object IS NOT NULL GROUP BY 1 HAVING count(*) > 1 LIMIT 1").fetchall()
    if twice:
        raise InputError(
            f"two items would be written as {twice[0][0]!r}",
            remedy="Correct their ids, or remove one; nothing was written.",
        )
    _fill(db, "there", _objects(store))
    strange = db.sql(
        f"SELECT t.name FROM there t ANTI JOIN ours o ON o.object = t.name AND o.body = t.hash ORDER BY 1 LIMIT {SHOWN}"  # noqa: S608
    ).fetchall()
    if strange:
        raise InputError(
            f"{store.uri} holds what is no object of this table: {', '.join([name for (name,) in strange[:3]])}"
            + (", …" if len(strange) > 3 else ""),
            remedy="Name an empty folder or prefix; nothing was written.",
        )


def _objects(store: ObjectStore) -> Iterator[list[tuple[str, bytes]]]:
    """Key and hash of every object there."""
    listed = (info.key for info in store.list())
    with ThreadPoolExecutor(_READERS, "there") as pool:
        while keys := list(islice(listed, _AT_ONCE)):
            yield list(pool.map(lambda key: (key, content_hash(store.read(key))), keys))


def _prove(db: duckdb.DuckDBPyConnection, store: ObjectStore, tree: Tree, folder: Path, done: RolledBack) -> None:
    """Read the tree as a migration does, and compare its items with the table's: numbers by value."""
    _fill(db, "written", _records(store, folder) if tree.objects else iter(()))
    missing = "FROM ours o ANTI JOIN written w ON w.hash = o.hash"
    extra = "FROM written w ANTI JOIN ours o ON o.hash = w.hash"
    for query, name in ((missing, "decode(o.item)[:200]"), (extra, "w.name")):
        ((count,),) = db.sql(f"SELECT count(*) {query}").fetchall()
        shown = db.sql(f"SELECT {name} {query} ORDER BY 1 LIMIT {SHOWN}").fetchall()
        what = "missing" if query is missing else "extra"
        setattr(done, what, count)
        done.first += [f"{what}: {text}" for (text,) in shown]


def _records(store: ObjectStore, folder: Path) -> Iterator[list[tuple[str, bytes]]]:
    codec = ItemCodec(SYSTEM)
    listing = copy_records(store, folder, progress=lambda objects: progress.tell("read back", objects))
    for file in listing.files:
        page: list[tuple[str, bytes]] = []
        for source in read_records(folder, SourceFile(file.name, RECORD.name, file.objects, file.bytes), RECORD):
            item = source.row if isinstance(source.row, Refusal) else codec.to_item(RECORD, source.row)
            # What can't be read equals nothing.
            hashed = b"" if isinstance(item, Refusal) else content_hash(canonical_item(item))
            page.append((f"{file.name} {source.line}", hashed))
            if len(page) == _AT_ONCE:
                yield page
                page = []
        yield page


def _fill(db: duckdb.DuckDBPyConnection, table: str, pages: Iterator[list[tuple[str, bytes]]]) -> None:
    db.execute(f"CREATE TABLE {table} (name VARCHAR, hash BLOB)")
    for page in pages:
        names, hashes = [name for name, _ in page], [hash for _, hash in page]
        block = pa.table({"name": pa.array(names, pa.string()), "hash": pa.array(hashes, pa.binary())})
        db.register("block", block)
        db.execute(f"INSERT INTO {table} SELECT name, hash FROM block")  # noqa: S608
        db.unregister("block")
