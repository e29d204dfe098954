"""Items of the three tables, read and written as rows by the codec that migrates: no second opinion on what an item is.

Reads by key are strongly consistent, reads of an index can't be. What is written is conditional: on absence, or on what
was read before, so that no two writers undo each other's changes and derived keys never go stale.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from assets.algoitny.model import MAIN, PLANS, SYSTEM, USERS
from assets.algoitny.repository.changes import update_of
from billio_pipeline.codec.items import ItemCodec
from billio_pipeline.errors import InputError, TargetError, TransientError
from billio_pipeline.model.canonical import canonical_item, parse_jsonb
from billio_pipeline.model.entity import Entity
from billio_pipeline.model.refusal import Refusal
from billio_pipeline.model.scalars import Json
from billio_pipeline.model.tables import DynamoTable
from billio_pipeline.stores.dynamodb.client_form import Item, for_client, from_client
from billio_pipeline.stores.objects.aws import explained
from billio_pipeline.stores.retry import BACKOFF

Row = dict[str, Any]  # the codec's row: times in µs since 1970 UTC, JSON documents as jsonb's text
Answer = dict[str, Any]  # the same with JSON documents as values, their numbers int or Decimal
Key = dict[str, dict[str, str]]

METADATA = "METADATA"
_FAILED = "ConditionalCheckFailed"
_AGAIN = {"TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"}  # TransactWriteItems' reasons
_CONFLICTS = 100  # tries of one write among those of others; each failure means that another one got through


@dataclass(frozen=True)
class Tables:
    """The names of the three tables, where they aren't the declared ones."""

    main: str = MAIN.name
    users: str = USERS.name
    plans: str = PLANS.name

    def name(self, table: DynamoTable) -> str:
        return {MAIN.name: self.main, USERS.name: self.users, PLANS.name: self.plans}[table.name]


def answer(entity: Entity, row: Mapping[str, Any]) -> Answer:
    """A row as patterns answer it. JSON's null and SQL's NULL are both None, as Django has them."""
    return {
        column.name: parse_jsonb(value) if value is not None and isinstance(column.type, Json) else value
        for column in entity.columns
        for value in [row[column.name]]
    }


class Items:
    """Items of one set of tables, through a low-level client. Safe to share between threads, as the client is."""

    def __init__(self, client: Any, tables: Tables) -> None:
        self._client, self._tables = client, tables
        self._codec = ItemCodec(SYSTEM)

    def row(self, entity: Entity, item: Item) -> Row:
        """The row of an item read. Raises TargetError when it isn't one of this entity's."""
        row = self._codec.to_row(entity, item)
        if isinstance(row, Refusal):
            raise TargetError(
                f"{item['PK']['S']} / {item['SK']['S']} is no {entity.name}: {row.message}",
                remedy="Correct or remove that item.",
            )
        return row

    def item(self, entity: Entity, row: Mapping[str, Any]) -> Item:
        """The item of a row, which holds what its lookups found, too. Raises InputError when there is none."""
        item = self._codec.to_item(entity, row)
        if isinstance(item, Refusal):
            raise InputError(f"not a {entity.name}: {item.message}")
        return item

    def get(self, table: DynamoTable, pk: str, sk: str = METADATA) -> Item | None:
        """The item of that key as it is now."""
        name = self._tables.name(table)
        with explained(f"table {name}"):
            found = self._client.get_item(TableName=name, Key=_key(pk, sk), ConsistentRead=True).get("Item")
        return None if found is None else from_client(found)

    def get_row(self, entity: Entity, pk: str) -> Row | None:
        """The entity's row under that partition key, as it is now."""
        assert entity.items is not None
        item = self.get(entity.items, pk)
        return None if item is None else self.row(entity, item)

    def query(
        self,
        table: DynamoTable,
        partition: str,
        *,
        index: int = 0,
        between: tuple[str, str] | None = None,
        where: Mapping[str, str] | None = None,
        descending: bool = False,
        size: int | None = None,
        select: Sequence[str] = (),
    ) -> Iterator[Item]:
        """Items of a partition, of index `index` or (0) of the table, by sort key; page after page to the end.

        `between` includes both bounds; `where` is what text attributes must be; `size` of a page, for those who stop
        early; `select` the attributes wanted, all when empty.
        """
        prefix = f"GSI{index}" if index else ""
        names, values = {"#pk": f"{prefix}PK"}, {":pk": {"S": partition}}
        condition = "#pk = :pk"
        if between:
            condition += " AND #sk BETWEEN :low AND :high"
            names["#sk"] = f"{prefix}SK"
            values |= {":low": {"S": between[0]}, ":high": {"S": between[1]}}
        request: dict[str, Any] = {
            "KeyConditionExpression": condition, "ScanIndexForward": not descending, "ConsistentRead": not index,
        }  # fmt: skip
        request |= {"IndexName": f"GSI{index}"} if index else {}
        request |= {"Limit": size} if size else {}
        return self._pages(self._client.query, table, request, names, values, where or {}, select)

    def scan(
        self, table: DynamoTable, *, where: Mapping[str, str] | None = None, select: Sequence[str] = ()
    ) -> Iterator[Item]:
        """Every item of a table, in no order, each as it is when it is come by: for administrators."""
        return self._pages(self._client.scan, table, {"ConsistentRead": True}, {}, {}, where or {}, select)

    def scan_page(self, table: DynamoTable, size: int, after: str | None) -> tuple[list[Item], str | None]:
        """Up to `size` items behind a partition key of a table whose items are alone in theirs; where it ended."""
        name = self._tables.name(table)
        request: dict[str, Any] = {"ExclusiveStartKey": _key(after, METADATA)} if after is not None else {}
        with explained(f"table {name}"):
            page = self._client.scan(TableName=name, Limit=size, ConsistentRead=True, **request)
        last = page.get("LastEvaluatedKey")
        return [from_client(item) for item in page.get("Items", [])], last and last["PK"]["S"]

    def create(self, entity: Entity, row: Mapping[str, Any]) -> bool:
        """Put a new item; False when its key is taken, by another item than this."""
        assert entity.items is not None
        item = self.item(entity, row)
        request = self.creation(entity.items, item)["Put"]
        if self._conditional(self._client.put_item, request):
            return True
        there = self.get(entity.items, item["PK"]["S"], item["SK"]["S"])  # our own, when a lost answer was asked again
        return there is not None and canonical_item(there) == canonical_item(item)

    def rewrite(
        self,
        entity: Entity,
        pk: str,
        sk: str,
        change: Callable[[Row], Row],
        also: Sequence[Mapping[str, Any]] = (),
    ) -> Row | None:
        """Change an item by its row; None when there is none. Only what differs is written, its index keys with it.

        `change` is asked again when another writer was quicker. `also` are conditions on other items, held in the same
        transaction: raises TransientError when one fails.
        """
        assert entity.items is not None
        for _ in range(_CONFLICTS):
            item = self.get(entity.items, pk, sk)
            if item is None:
                return None
            wanted = change(self.row(entity, item))
            expressions = update_of(entity, item, self.item(entity, wanted))
            if expressions is None:
                return wanted
            update = self.update(entity.items, pk, sk, **expressions)
            if not also:
                if self._conditional(self._client.update_item, update):
                    return wanted
                continue
            reasons = self.transact([{"Update": update}, *also])
            if not reasons:
                return wanted
            if reasons[0] is None:
                raise TransientError(f"{pk}: what its change depends on was changed meanwhile")
        raise TransientError(f"{pk}: others changed it {_CONFLICTS} times in a row")

    def transact(self, actions: Sequence[Mapping[str, Any]]) -> list[Item | None]:
        """All actions or none. Empty when they were done; else, by action, what stands where its condition failed
        (empty when nothing does), None where it held. Conflicts with other transactions are tried again.
        """
        request = [{kind: dict(each)} for action in actions for kind, each in action.items()]
        for failures in range(1, _CONFLICTS + 1):
            with explained("a transaction"):
                try:
                    self._client.transact_write_items(TransactItems=request)
                    return []
                except self._client.exceptions.TransactionCanceledException as error:
                    reasons = error.response.get("CancellationReasons", [])
                    codes = {reason.get("Code") for reason in reasons}
                    if _FAILED in codes:
                        return [_standing(reason) for reason in reasons]
                    if not codes & _AGAIN:
                        raise
            time.sleep(BACKOFF.pause(failures))
        raise TransientError(f"a transaction met others {_CONFLICTS} times in a row")

    def creation(self, table: DynamoTable, item: Item) -> dict[str, Any]:
        """The action of a transaction that puts a new item."""
        put = {"TableName": self._tables.name(table), "Item": for_client(item)}
        return {"Put": put | {"ConditionExpression": "attribute_not_exists(PK)"}}

    def update(self, table: DynamoTable, pk: str, sk: str, **expressions: Any) -> dict[str, Any]:
        """The action of a transaction, or the request, that updates an item; told what stands there when it can't."""
        key = {"TableName": self._tables.name(table), "Key": _key(pk, sk)}
        return key | {"ReturnValuesOnConditionCheckFailure": "ALL_OLD"} | expressions

    def send_update(self, update: Mapping[str, Any]) -> Item | None:
        """Send such an update; the item as it is then, None when its condition does not hold."""
        answer = self._conditional(self._client.update_item, {**update, "ReturnValues": "ALL_NEW"})
        return None if answer is None else from_client(answer["Attributes"])

    def _conditional(self, send: Callable[..., Any], request: Mapping[str, Any]) -> Any:
        """The answer, None when the condition does not hold; a transaction on the same item is waited for."""
        conflict = self._client.exceptions.TransactionConflictException
        for failures in range(1, _CONFLICTS + 1):
            with explained(f"table {request['TableName']}"):
                try:
                    return send(**request)
                except self._client.exceptions.ConditionalCheckFailedException:
                    return None
                except conflict:
                    time.sleep(BACKOFF.pause(failures))
        raise TransientError(f"table {request['TableName']}: transactions held the item {_CONFLICTS} times in a row")

    def _pages(
        self,
        ask: Callable[..., Any],
        table: DynamoTable,
        request: dict[str, Any],
        names: dict[str, str],
        values: dict[str, Any],
        where: Mapping[str, str],
        select: Sequence[str],
    ) -> Iterator[Item]:
        names = names | {f"#w{n}": name for n, name in enumerate(where)} | {f"#s{n}": s for n, s in enumerate(select)}
        values = values | {f":w{n}": {"S": text} for n, text in enumerate(where.values())}
        request |= {"TableName": self._tables.name(table)}
        request |= {"FilterExpression": " AND ".join(f"#w{n} = :w{n}" for n in range(len(where)))} if where else {}
        request |= {"ProjectionExpression": ", ".join(f"#s{n}" for n in range(len(select)))} if select else {}
        request |= {"ExpressionAttributeNames": names} if names else {}
        request |= {"ExpressionAttributeValues": values} if values else {}
        while True:
            with explained(f"table {request['TableName']}"):
                page = ask(**request)
            yield from map(from_client, page.get("Items", []))
            if not page.get("LastEvaluatedKey"):
                return
            request["ExclusiveStartKey"] = page["LastEvaluatedKey"]


def _key(pk: str, sk: str) -> Key:
    return {"PK": {"S": pk}, "SK": {"S": sk}}


def _standing(reason: Mapping[str, Any]) -> Item | None:
    return from_client(reason.get("Item", {})) if reason.get("Code") == _FAILED else None
