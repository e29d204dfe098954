"""The ledger of a DynamoDB target: a table that lists the batches written, each entered once all its items are there.

A hint: an entry may be missing for a batch that was written, and a batch is skipped only if its items are there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from billio_pipeline.errors import TargetError
from billio_pipeline.model.tables import DynamoTable
from billio_pipeline.stores.dynamodb import tables
from billio_pipeline.stores.dynamodb.retry import repeat
from billio_pipeline.stores.retry import Retries

LEDGER = DynamoTable("_billio_ledger", partition=("export_id", "S"), sort=("batch_id", "S"))

_TEXTS = ("batch_id", "export_id", "entity", "file", "content_hash")
_NUMBERS = ("first_line", "rows")
_CLAIMS = "exclusive"  # in place of an export's id: which tables are written by us alone


@dataclass(frozen=True)
class Entry:
    """A batch as the ledger lists it. `file` and `first_line` say where its rows come from, `content_hash` stands for
    their contents."""

    batch_id: str
    export_id: str
    entity: str
    file: str
    first_line: int
    rows: int
    content_hash: str


def create(client: Any) -> None:
    """Create the ledger. Fine when it exists already."""
    tables.create(client, LEDGER)


def record(client: Any, entry: Entry, *, retries: Retries | None = None) -> None:
    """List the batch. To be called once all its items are written."""
    item = {name: {"N" if name in _NUMBERS else "S": str(value)} for name, value in asdict(entry).items()}
    _put(client, item, retries)


def entries(client: Any, export_id: str) -> Iterator[Entry]:
    """An export's batches, in the order of their ids, read consistently."""
    for item in _query(client, export_id):
        texts = {name: item[name]["S"] for name in _TEXTS}
        numbers = {name: int(item[name]["N"]) for name in _NUMBERS}
        yield Entry(**texts, **numbers)  # type: ignore[arg-type]  # a name's type is its dictionary's


def committed(client: Any, export_id: str, entity: str) -> set[str]:
    """Ids of an export's batches of one entity."""
    return {entry.batch_id for entry in entries(client, export_id) if entry.entity == entity}


def claim(client: Any, table: DynamoTable, *, filled: bool = False) -> None:
    """Make the table one that we alone write to, until it is dropped. Raises TargetError when it holds items and was
    not ours before: they would be overwritten. `filled`: what it holds we had put there by an import."""
    found = tables.live(client, table.name)
    if found is None:
        raise TargetError(f"there is no table {table.name}", remedy="Create it, or check its name and AWS_REGION.")
    mine = _claim(table, found.id)
    if claimed(client, table, found.id):
        return
    if not filled and not tables.is_empty(client, table.name):
        raise TargetError(
            f"table {table.name} holds items that were not loaded from here",
            remedy="Name an empty table, empty this one (billio reset), or load beside its writers with --live.",
        )
    _put(client, {"export_id": {"S": _CLAIMS}, "batch_id": {"S": mine}})


def claimed(client: Any, table: DynamoTable, id: str) -> bool:
    """Whether we claimed the table of that id. The ledger must exist."""
    return any(item["batch_id"]["S"] == _claim(table, id) for item in _query(client, _CLAIMS))


def forget(client: Any, owned: Collection[str], entities: Collection[str]) -> int:
    """Remove the claims of these tables, and the entries of these entities' batches; how many. Fine without a ledger.

    A hint that is gone costs a comparison: entries of another system's entity of the same name go, too.
    """
    if tables.live(client, LEDGER.name) is None:
        return 0
    removed, request = 0, {"TableName": LEDGER.name, "ConsistentRead": True}
    while True:
        page = repeat(lambda: client.scan(**request), _WHAT)
        for item in page["Items"]:
            claims = item["export_id"]["S"] == _CLAIMS
            if item["batch_id"]["S"].partition("#")[0] in owned if claims else item["entity"]["S"] in entities:
                key = {name: item[name] for name, _ in LEDGER.key}
                repeat(lambda key=key: client.delete_item(TableName=LEDGER.name, Key=key), _WHAT)  # type: ignore[misc]
                removed += 1
        if not page.get("LastEvaluatedKey"):
            return removed
        request["ExclusiveStartKey"] = page["LastEvaluatedKey"]


def _claim(table: DynamoTable, id: str) -> str:
    return f"{table.name}#{id}"


def _put(client: Any, item: Mapping[str, Any], retries: Retries | None = None) -> None:
    whole = {**item, "committed_at": {"S": datetime.now(UTC).isoformat(timespec="microseconds")}}
    repeat(lambda: client.put_item(TableName=LEDGER.name, Item=whole), _WHAT, retries=retries)


def _query(client: Any, export_id: str) -> Iterator[Mapping[str, Any]]:
    request: dict[str, Any] = {
        "TableName": LEDGER.name,
        "ConsistentRead": True,
        "KeyConditionExpression": "export_id = :export",
        "ExpressionAttributeValues": {":export": {"S": export_id}},
    }
    while True:
        page = repeat(lambda: client.query(**request), _WHAT)
        yield from page["Items"]
        if not page.get("LastEvaluatedKey"):
            return
        request["ExclusiveStartKey"] = page["LastEvaluatedKey"]


_WHAT = f"the ledger {LEDGER.name}"
