"""Encoding alone, in memory and in one thread: Python's values as wire values, and as the bytes of requests.

Each way goes over the same items by turns; what they give is compared first.
"""

from __future__ import annotations

import gc
import json
import time
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from benchmarks.order import Order
from benchmarks.stages import START, Stages

PASSES = 5  # over the items, of each way
BATCH = 25
SLICE = 80  # batches each way is given in turn: 2,000 items, as many as itemise.py has in memory at a time

Items = list[dict[str, Any]]


def run(order: Order, stages: Stages) -> dict[str, Any]:
    """Facts: items of a pass, CPU seconds of each pass by way, and batches of which not all ways said the same."""
    with stages(START):
        from benchmarks.dynamodb import plain

        items = [item for rows in plain.items(order.path).values() for item in rows]
        batches = [items[start : start + BATCH] for start in range(0, len(items), BATCH)]
        ways = _ways()
        different = _different(ways, batches)
    gc.collect()
    gc.freeze()  # the items are not what is measured: collecting garbage shall not walk them
    spent: dict[str, list[float]] = {name: [] for name in ways}
    try:
        with stages("encode"):
            for _ in range(order.options.get("passes", PASSES)):
                taken = _pass(ways, batches)
                for name in ways:
                    spent[name].append(taken[name])
    finally:
        gc.unfreeze()
    return {"items": len(items), "cpu": spent, "different": different}


def _ways() -> dict[str, Callable[[Items], Any]]:
    """By name; each takes 25 items. The `bytes` ways give the body of their BatchWriteItem."""
    import boto3
    from boto3.dynamodb.types import TypeSerializer

    from billio_pipeline.stores.dynamodb.body import put_request
    from billio_pipeline.stores.dynamodb.encode import encode_item

    serialize = TypeSerializer().serialize
    client = boto3.client("dynamodb", endpoint_url="http://127.0.0.1:9")
    operation = client.meta.service_model.operation_model("BatchWriteItem")
    botocore = client._serializer  # what puts a request's parameters into its body, after checking them

    def boto3_wire(batch: Items) -> Any:
        return [{name: serialize(value) for name, value in item.items()} for item in batch]

    def boto3_request(batch: Items) -> dict[str, Any]:
        return {"RequestItems": {"T": [{"PutRequest": {"Item": item}} for item in boto3_wire(batch)]}}

    return {
        "ours, wire": lambda batch: [encode_item(item) for item in batch],
        "boto3, wire": boto3_wire,
        "ours, bytes": lambda batch: (
            b'{"RequestItems":{"T":[' + b",".join([put_request(encode_item(item)) for item in batch]) + b"]}}"
        ),
        "boto3, bytes": lambda batch: json.dumps(boto3_request(batch)).encode(),
        "botocore, bytes": lambda batch: botocore.serialize_to_request(boto3_request(batch), operation)["body"],
    }


def _pass(ways: dict[str, Callable[[Items], Any]], batches: Sequence[Items]) -> dict[str, float]:
    """CPU seconds by way, all over all batches, slice by slice."""
    taken = dict.fromkeys(ways, 0.0)
    for start in range(0, len(batches), SLICE):
        for name, way in ways.items():
            began = time.process_time()
            for batch in batches[start : start + SLICE]:
                way(batch)
            taken[name] += time.process_time() - began
    return taken


def _different(ways: dict[str, Callable[[Items], Any]], batches: Sequence[Items]) -> int:
    """Batches that don't say the same by every way, numbers taken by value."""
    found = 0
    for batch in batches:
        wires = [_by_value(ways[f"{who}, wire"](batch)) for who in ("ours", "boto3")]
        bodies = [_by_value(json.loads(ways[f"{who}, bytes"](batch))) for who in ("ours", "boto3", "botocore")]
        puts = [each["PutRequest"]["Item"] for each in bodies[0]["RequestItems"]["T"]]
        found += not (wires[0] == wires[1] == puts and bodies[0] == bodies[1] == bodies[2])
    return found


def _by_value(held: Any) -> Any:
    if isinstance(held, list):
        return [_by_value(each) for each in held]
    if isinstance(held, dict):
        return {
            name: Decimal(each) if name == "N" and isinstance(each, str) else _by_value(each)
            for name, each in held.items()
        }
    return held


def main() -> None:
    order = Order.given()
    stages = Stages(order.postmaster)
    stages.answer(Path(order.answer), **run(order, stages))


if __name__ == "__main__":
    main()
