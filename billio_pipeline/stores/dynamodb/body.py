"""BatchWriteItem with a body made by us: botocore signs, sends and reads the answer as ever, but serialises nothing.

Its own way from items to JSON text took most of a load's CPU: docs/performance-dynamodb.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

_PARAMETER = "BillioBody"  # on its way through a call's parameters


def put_request(item: Mapping[str, Any]) -> bytes:
    """A wire item of DynamoDB JSON, binary as base64, as the request to put it: its part of a body."""
    return b'{"PutRequest":{"Item":' + orjson.dumps(item) + b"}}"


def ready(client: Any) -> None:
    """Make the client one for `batch_write`; what else it does stays as it is. Fine when it is ready already."""
    for event, handler in (("provide-client-params", _set_aside), ("before-call", _put_in_place)):
        client.meta.events.register(f"{event}.dynamodb.BatchWriteItem", handler, unique_id=f"billio-{event}")


def batch_write(client: Any, table: str, puts: Sequence[bytes]) -> Mapping[str, Any]:
    """What `batch_write_item` answers to these puts, consumed units included; raises what it raises."""
    body = b'{"ReturnConsumedCapacity":"INDEXES","RequestItems":{%b:[%b]}}' % (orjson.dumps(table), b",".join(puts))
    # The table is named to botocore, too: it may choose the endpoint by it.
    return client.batch_write_item(**{"RequestItems": {table: []}, _PARAMETER: body})


def _set_aside(params: Mapping[str, Any], context: dict[str, Any], **_: Any) -> dict[str, Any]:
    rest = dict(params)
    if _PARAMETER in rest:
        context[_PARAMETER] = rest.pop(_PARAMETER)
    return rest


def _put_in_place(params: dict[str, Any], context: Mapping[str, Any], **_: Any) -> None:
    if _PARAMETER in context:
        params["body"] = context[_PARAMETER]
