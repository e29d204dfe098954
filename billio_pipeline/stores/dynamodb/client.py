"""Clients of the DynamoDB API and what tables need of it: create one, put wire items."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from typing import Any

from billio_pipeline.errors import TransientError
from billio_pipeline.model.tables import DynamoTable, KeyType
from billio_pipeline.settings import Settings
from billio_pipeline.stores.objects.aws import aws_client, explained

BATCH = 25  # puts in one BatchWriteItem, DynamoDB's limit
_TRIES = 12  # for what a batch left unprocessed: 50 ms doubling to 5 s, about half a minute
_CREATED = {"Delay": 1, "MaxAttempts": 120}

Item = Mapping[str, Mapping[str, Any]]  # attribute → wire value, B as bytes


def dynamodb_client(settings: Settings) -> Any:
    """A low-level client: numbers stay text, values are wire values. Connects to nothing yet."""
    return aws_client(
        "dynamodb", settings.dynamodb_endpoint, settings.region, parameter_validation=False, max_pool_connections=64
    )


def create_table(client: Any, table: DynamoTable) -> None:
    """Create the table, its indexes (everything projected, on demand), and wait until it is active.

    Fine when it exists already. Raises InputError or ConfigurationError when the API refuses or can't be reached.
    """
    with explained(f"table {table.name}"):
        with suppress(client.exceptions.ResourceInUseException):  # it is there
            client.create_table(**_definition(table))
        client.get_waiter("table_exists").wait(TableName=table.name, WaiterConfig=_CREATED)


def put_items(client: Any, table: str, items: Iterable[Item]) -> int:
    """Put wire items, replacing those of the same key; returns how many. What a batch leaves is tried again with
    growing pauses. No batch may hold one key twice: DynamoDB refuses it. Raises TransientError when it never fits."""
    put = 0
    for batch in _batches(items):
        left = [{"PutRequest": {"Item": item}} for item in batch]
        for attempt in range(_TRIES):
            with explained(f"table {table}"):
                answer = client.batch_write_item(RequestItems={table: left})
            left = answer.get("UnprocessedItems", {}).get(table, [])
            if not left:
                break
            time.sleep(min(5.0, 0.05 * 2**attempt))
        else:
            raise TransientError(f"table {table}: {len(left)} items stay unprocessed after {_TRIES} tries")
        put += len(batch)
    return put


def _batches(items: Iterable[Item]) -> Iterator[Sequence[Item]]:
    rest = iter(items)
    while batch := list(islice(rest, BATCH)):
        yield batch


def _definition(table: DynamoTable) -> dict[str, Any]:
    keys: list[tuple[str, KeyType]] = [table.partition]
    keys += [table.sort] if table.sort else []
    for index in table.indexes:
        keys += [index.partition] + ([index.sort] if index.sort else [])
    whole: dict[str, Any] = {
        "TableName": table.name,
        "AttributeDefinitions": [{"AttributeName": n, "AttributeType": t} for n, t in dict(keys).items()],
        "KeySchema": _schema(table.partition, table.sort),
        "BillingMode": "PAY_PER_REQUEST",
    }
    if table.indexes:
        whole["GlobalSecondaryIndexes"] = [
            {"IndexName": i.name, "KeySchema": _schema(i.partition, i.sort), "Projection": {"ProjectionType": "ALL"}}
            for i in table.indexes
        ]
    return whole


def _schema(partition: tuple[str, KeyType], sort: tuple[str, KeyType] | None) -> list[dict[str, str]]:
    schema = [{"AttributeName": partition[0], "KeyType": "HASH"}]
    return [*schema, {"AttributeName": sort[0], "KeyType": "RANGE"}] if sort else schema
