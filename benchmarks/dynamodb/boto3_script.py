"""The seed's load as its document has it, in Python: boto3's resource, items as dicts, put in batches or one by one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.order import Order
from benchmarks.stages import START, Stages


def run(order: Order, stages: Stages) -> dict[str, Any]:
    with stages(START):
        import boto3

        from benchmarks.dynamodb import plain

        items = plain.items(order.path, order.options.get("limit"))
        resource = boto3.resource("dynamodb", endpoint_url=order.options["endpoint"])
    with stages("load"):
        for name, rows in items.items():
            table = resource.Table(name)
            if order.options["way"] == "put_item":
                for row in rows:
                    table.put_item(Item=row)
            else:
                with table.batch_writer() as batch:
                    for row in rows:
                        batch.put_item(Item=row)
    return {"items": sum(map(len, items.values()))}


def main() -> None:
    order = Order.given()
    stages = Stages(order.postmaster)
    stages.answer(Path(order.answer), **run(order, stages))


if __name__ == "__main__":
    main()
