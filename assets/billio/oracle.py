"""What the DynamoDB table and its 8 indexes would answer, computed from wire items; and the same asked of a live table.

Shares no code with the codec or the store, so that agreeing with them means something. Ours is O(items) a question:
give it the items a question can be about, not millions.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any, Protocol

from assets.billio.model import TABLE
from billio_pipeline.model.tables import DynamoTable, Gsi
from billio_pipeline.stores.dynamodb.client_form import Item, from_client

Key = str | Decimal


class Answers(Protocol):
    """Something that answers as a DynamoDB table does. Items are wire items."""

    def get(self, key: str) -> Item | None:
        """The item of that partition key."""

    def query(
        self,
        index: str,
        partition: str,
        *,
        between: tuple[Key, Key] | None = None,
        begins_with: str | None = None,
        forward: bool = True,
    ) -> list[Item]:
        """A secondary index's items of one partition value, by sort key; both bounds of `between` are included."""


class Oracle:
    """Answers from items in memory."""

    def __init__(self, items: Iterable[Item], table: DynamoTable = TABLE) -> None:
        self._items = {item[table.partition[0]]["S"]: item for item in items}
        self._indexes = {index.name: index for index in table.indexes}

    def get(self, key: str) -> Item | None:
        return self._items.get(key)

    def query(
        self,
        index: str,
        partition: str,
        *,
        between: tuple[Key, Key] | None = None,
        begins_with: str | None = None,
        forward: bool = True,
    ) -> list[Item]:
        members = []
        for item in self._items.values():
            keys = keys_in(self._indexes[index], item)
            if keys is None or keys[0] != partition:
                continue
            if between and not _order(between[0]) <= _order(keys[1]) <= _order(between[1]):
                continue
            if begins_with is not None and not str(keys[1]).startswith(begins_with):
                continue
            members.append((_order(keys[1]), item))
        return [item for _, item in sorted(members, key=lambda each: each[0], reverse=not forward)]


class LiveTable:
    """Answers of a real table, through a boto3 DynamoDB client."""

    def __init__(self, client: Any, table: str, declared: DynamoTable = TABLE) -> None:
        self._client, self._table, self._declared = client, table, declared
        self._indexes = {index.name: index for index in declared.indexes}

    def get(self, key: str) -> Item | None:
        name, tag = self._declared.partition
        answer = self._client.get_item(TableName=self._table, Key={name: {tag: key}}, ConsistentRead=True)
        return from_client(answer["Item"]) if "Item" in answer else None

    def query(
        self,
        index: str,
        partition: str,
        *,
        between: tuple[Key, Key] | None = None,
        begins_with: str | None = None,
        forward: bool = True,
    ) -> list[Item]:
        (partition_name, tag), sort = self._indexes[index].partition, self._indexes[index].sort
        assert sort is not None, "every index of the table has a sort key"
        condition, names, values = "#p = :p", {"#p": partition_name}, {":p": {tag: partition}}
        if between or begins_with is not None:
            names["#s"] = sort[0]
        if between:
            condition += " AND #s BETWEEN :low AND :high"
            values |= {":low": {sort[1]: str(between[0])}, ":high": {sort[1]: str(between[1])}}
        elif begins_with is not None:
            condition += " AND begins_with(#s, :start)"
            values[":start"] = {"S": begins_with}
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table,
            IndexName=index,
            KeyConditionExpression=condition,
            ExpressionAttributeNames=names,
            ExpressionAttributeValues=values,
            ScanIndexForward=forward,
        )
        return [from_client(item) for page in pages for item in page["Items"]]


def keys_in(index: Gsi, item: Item) -> tuple[str, Key] | None:
    """An item's partition and sort key in an index, or None when it is not in it: indexes are sparse."""
    assert index.sort is not None, "every index of the table has a sort key"
    partition, sort = _key(item, *index.partition), _key(item, *index.sort)
    return None if partition is None or sort is None else (str(partition), sort)


def _key(item: Item, name: str, tag: str) -> Key | None:
    wire = item.get(name, {})
    if not wire.get(tag):
        return None  # absent, of another type, or empty
    return Decimal(wire[tag]) if tag == "N" else str(wire[tag])


def _order(key: Key) -> Any:
    """Numbers by value, strings by their UTF-8 bytes."""
    return key.encode() if isinstance(key, str) else key
