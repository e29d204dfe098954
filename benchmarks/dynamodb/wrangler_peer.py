"""awswrangler in its own venv: dynamodb.put_items as it comes, given all items of a table at once."""

from __future__ import annotations

from pathlib import Path

from benchmarks.order import Order
from benchmarks.stages import START, Stages


def main() -> None:
    order = Order.given()
    stages = Stages(order.postmaster)
    with stages(START):
        import awswrangler

        from benchmarks.dynamodb import plain

        items = plain.items(order.path, order.options.get("limit"))
        awswrangler.config.dynamodb_endpoint_url = order.options["endpoint"]
    with stages("load"):
        for name, rows in items.items():
            awswrangler.dynamodb.put_items(items=rows, table_name=name)
    facts = {"items": sum(map(len, items.values())), "version": awswrangler.__version__}
    stages.answer(Path(order.answer), **facts)


if __name__ == "__main__":
    main()
