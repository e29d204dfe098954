"""ThriveCalc's items for analytics, as Parquet tables or Iceberg; and for a rollback, as the S3 tree they came from.

A full export is a new version beside the old: current.json names the one that counts, and is written last. So a reader
finds the old export or the new one, whole, whatever becomes of the process that writes. Older versions stay, for
readers that still have them open; a lifecycle rule, or removing their folders, clears them.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import duckdb
import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from assets.thrivecalc.records import Row, pyiceberg, record_bytes, record_key, record_row
from billio_pipeline.errors import InputError
from billio_pipeline.model.canonical import jsonb_text
from billio_pipeline.model.natural import Types, escape, to_natural
from billio_pipeline.model.refusal import Reason, Refusal
from billio_pipeline.model.types import Iso8601
from billio_pipeline.stores.objects import ObjectStore

Item = Mapping[str, Mapping[str, Any]]

# Amounts by data type: the table's column, and the path in the record's data. What isn't here is in user_data's JSON.
MONEY: Mapping[str, Mapping[str, str]] = {
    "account": {"balance": "balance"},
    "savings-goal": {
        "target_amount": "targetAmount",
        "current_amount": "currentAmount",
        "monthly_contribution": "monthlyContribution",
    },
    "portfolio-holding": {"shares": "shares", "purchase_price": "purchasePrice", "current_price": "currentPrice"},
    "scenario": {"social_security_income": "socialSecurityIncome"},
    "projection": {"final_net_worth": "projection.summary.finalNetWorth"},
    "transaction": {"amount": "amount"},
}
# 20 digits before the point, for sums of any size; 18 after it, what the finest of currencies has.
AMOUNT = pa.decimal128(38, 18)
USER_DATA = "user_data"

_IDS = [("user_id", pa.string()), ("data_type", pa.string()), ("record_id", pa.string())]
_SHARED = [*_IDS, ("created_at", Iso8601.arrow), ("updated_at", Iso8601.arrow)]
_SCHEMAS = {USER_DATA: pa.schema([*_SHARED, ("data", pa.string()), ("extra", pa.string())])} | {
    name.replace("-", "_"): pa.schema([*_SHARED, *((column, AMOUNT) for column in columns)])
    for name, columns in MONEY.items()
}
_CURRENT = "current.json"
_GROUP_ROWS, _GROUP_BYTES = 5_000, 16 << 20
_WRITERS = 8  # objects of a tree written at a time


@dataclass(frozen=True)
class Lake:
    """One export: its Parquet file by table (keys of the store), and rows by table.

    `left_out` counts, by column, values no column holds exactly (amounts beyond DECIMAL(38,18) or given as text, times
    that are none): NULL there, as they are in user_data's JSON; a time's own text is in `extra`.
    """

    version: str
    files: dict[str, str]
    rows: dict[str, int]
    left_out: dict[str, int]


@dataclass(frozen=True)
class Tree:
    """A tree written back: its objects, and the items that have no object's form, each with the reason."""

    objects: int
    refused: tuple[str, ...]


def export_lake(items: Iterable[Item], store: ObjectStore) -> Lake:
    """Write wire items as tables: one row each in user_data, and in their data type's own, where it has amounts."""
    version = f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(4)}"
    files = {name: f"versions/{version}/{name}.parquet" for name in _SCHEMAS}
    left_out: Counter[str] = Counter()
    with ExitStack() as stack:
        tables = {
            name: stack.enter_context(_Table(stack.enter_context(store.create(files[name])), schema))
            for name, schema in _SCHEMAS.items()
        }
        for item in items:
            row, data = _analytic(item, left_out)
            tables[USER_DATA].add(row)
            if columns := MONEY.get(row["data_type"]):
                name = row["data_type"].replace("-", "_")
                amounts = {}
                for column, path in columns.items():
                    try:
                        amounts[column] = _amount(data, path)
                    except _Inexact:
                        left_out[f"{name}.{column}"] += 1
                tables[name].add({column: row[column] for column, _ in _SHARED} | amounts)
    rows = {name: table.rows for name, table in tables.items()}
    lake = Lake(version, files, rows, dict(sorted(left_out.items())))
    store.write(_CURRENT, orjson.dumps(asdict(lake), option=orjson.OPT_INDENT_2))
    return lake


def read_lake(store: ObjectStore) -> Lake:
    """The export that counts. Raises InputError when there is none."""
    if not store.exists(_CURRENT):
        raise InputError(f"{store.uri} holds no export", remedy="Export the table there first.")
    return Lake(**orjson.loads(store.read(_CURRENT)))


def create_views(db: duckdb.DuckDBPyConnection, folder: Path, lake: Lake) -> None:
    """One view per table of a lake in a local folder."""
    for name, file in lake.files.items():
        db.read_parquet(str(folder / file)).create_view(name)


def publish_iceberg(store: ObjectStore, lake: Lake, catalog: Any, namespace: str = "thrivecalc") -> dict[str, int]:
    """Make the export's files the only ones of Iceberg tables, made if need be; the snapshot's id by table.

    `catalog` is PyIceberg's. Each table changes at once; their older snapshots stay readable while the files of older
    versions are kept.
    """
    pyiceberg()
    from pyiceberg.expressions import AlwaysTrue

    catalog.create_namespace_if_not_exists(namespace)
    snapshots = {}
    for name, file in lake.files.items():
        table = catalog.create_table_if_not_exists((namespace, name), _SCHEMAS[name])
        with table.transaction() as change:
            if table.current_snapshot():
                change.delete(AlwaysTrue())
            change.add_files([f"{store.uri if store.bucket else f'file://{store.uri}'}/{file}"])
        snapshots[name] = table.refresh().current_snapshot().snapshot_id
    return snapshots


def local_catalog(folder: Path) -> Any:
    """An Iceberg catalog of its own, on SQLite, with its tables' metadata in `folder`."""
    pyiceberg()
    from pyiceberg.catalog.sql import SqlCatalog

    folder.mkdir(parents=True, exist_ok=True)
    return SqlCatalog("lake", uri=f"sqlite:///{folder}/catalog.db", warehouse=f"file://{folder}")


def write_tree(items: Iterable[Item], store: ObjectStore) -> Tree:
    """Write every item back as its record's object: equal items give equal bytes. Objects of that key are replaced.

    What was never a record (an attribute missing, a set, binary) is not written but named in the answer, as is an item
    whose object another item has.
    """
    refused: list[str] = []
    shared: set[str] = set()  # only ids with a slash can share a key
    objects = 0

    def records() -> Iterator[tuple[str, bytes]]:
        for item in items:
            row = item_row(item)
            if isinstance(row, Refusal):
                refused.append(f"{_name(item)}: {row.message}")
                continue
            key, body = record_bytes(row)
            if key.count("/") > 3:
                if key in shared:
                    refused.append(f"{_name(item)}: another item is written as {key!r}")
                    continue
                shared.add(key)
            yield key, body

    waiting = records()
    with ThreadPoolExecutor(_WRITERS, "tree") as pool:
        while group := list(islice(waiting, 32 * _WRITERS)):
            list(pool.map(lambda record: store.write(*record), group))
            objects += len(group)
    return Tree(objects, tuple(refused))


def item_row(item: Item) -> Row | Refusal:
    """The row of a record's item, as its object gives it; or why the item is no record."""
    types: Types = {}
    held = {name: to_natural(dict(wire), f"/{escape(name)}", types) for name, wire in item.items()}
    if types:
        at = min(types)
        return Refusal(Reason.WRONG_TYPE, f"{at[1:]}: JSON has no {types[at]}")
    if held.pop("recordKey", None) != (key := f"{held.get('dataType')}#{held.get('recordId')}"):
        return Refusal(Reason.KEY_MISMATCH, f"recordKey: the item's other attributes say {key[:200]!r}")
    path = record_key(*(str(held.get(name)) for name in ("userId", "dataType", "recordId")))
    return record_row(path, jsonb_text(held).encode())


class _Table:
    """A Parquet file being written, a row group at a time."""

    def __init__(self, stream: BinaryIO, schema: pa.Schema) -> None:
        self._schema = schema
        self._writer = pq.ParquetWriter(stream, schema, compression="zstd")
        self._group: list[dict[str, Any]] = []
        self._held = self.rows = 0

    def __enter__(self) -> _Table:
        return self

    def __exit__(self, *failed: object) -> None:
        if failed == (None, None, None):
            self._write()
        self._writer.close()

    def add(self, row: dict[str, Any]) -> None:
        self._group.append(row)
        self._held += len(row.get("data") or "")
        if len(self._group) == _GROUP_ROWS or self._held >= _GROUP_BYTES:
            self._write()

    def _write(self) -> None:
        if self._group:
            self._writer.write_table(pa.Table.from_pylist(self._group, self._schema))
        self.rows += len(self._group)
        self._group, self._held = [], 0


def _analytic(item: Item, left_out: Counter[str]) -> tuple[dict[str, Any], Any]:
    """The row of user_data, and the record's data. An update of a record that isn't there made items without dataType,
    recordId and createdAt: their key says the first two."""
    held = {name: to_natural(dict(wire), "", {}) for name, wire in item.items()}
    data_type, _, record_id = str(held.pop("recordKey", "")).partition("#")
    row = {
        "user_id": held.pop("userId", None),
        "data_type": held.pop("dataType", data_type),
        "record_id": held.pop("recordId", record_id),
    }
    for name, column in (("createdAt", "created_at"), ("updatedAt", "updated_at")):
        time = Iso8601().read(item.get(name, {}))
        row[column] = None if isinstance(time, Refusal) else time
        if row[column] is not None:
            del held[name]
        elif name in held:
            left_out[f"{USER_DATA}.{column}"] += 1
    data = held.pop("data", None)
    return row | {"data": jsonb_text(data) if "data" in item else None, "extra": jsonb_text(held)}, data


def _amount(data: Any, path: str) -> Decimal | None:
    """The amount at `path`, None when there is none. Raises _Inexact for what DECIMAL(38,18) doesn't hold."""
    for name in path.split("."):
        data = data.get(name) if isinstance(data, dict) else None
    if data is None:
        return None
    if isinstance(data, bool) or not isinstance(data, int | Decimal):
        raise _Inexact
    amount = Decimal(data)
    _, digits, exponent = amount.as_tuple()
    if not isinstance(exponent, int) or exponent < -AMOUNT.scale or len(digits) + exponent > 38 - AMOUNT.scale:
        raise _Inexact
    return amount


class _Inexact(Exception):
    """No exact DECIMAL(38,18)."""


def _name(item: Item) -> str:
    return "/".join(str(next(iter(item.get(name, {"": "?"}).values()))) for name in ("userId", "recordKey"))
