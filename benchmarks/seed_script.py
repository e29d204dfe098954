"""The seed document's migration script in Python: each item deserialised by boto3, each row an INSERT of its own.

As the document has it, the table has all its indexes and constraints already, series come before seasons, and what
has no column goes to `data`. As written, every INSERT commits; with `commit_each` off, all share one transaction.
"""

from __future__ import annotations

from pathlib import Path

from benchmarks.order import Order
from benchmarks.stages import START, Stages


def main() -> None:
    order = Order.given()
    stages = Stages(order.postmaster)
    with stages(START):
        import base64
        import json
        from decimal import Decimal

        import psycopg
        from boto3.dynamodb.types import Binary

        from benchmarks import plain
        from benchmarks.wire import deserialize

    def as_json(value: object) -> object:
        if isinstance(value, Decimal):
            return int(value) if value == value.to_integral_value() else float(value)
        if isinstance(value, Binary):
            return base64.b64encode(value.value).decode()
        if isinstance(value, set):
            return list(value)
        raise TypeError(f"no JSON for {type(value)}")

    names = ", ".join(plain.COLUMNS)
    insert = f"INSERT INTO items ({names}) VALUES ({', '.join(['%s'] * len(plain.COLUMNS))})".encode()  # noqa: S608
    with psycopg.connect(order.dsn, autocommit=bool(order.options["commit_each"])) as connection, stages("load"):
        for line in plain.lines(order.path, order.options["slice"]):
            item = {name: deserialize(wire) for name, wire in json.loads(line)["Item"].items()}
            *columns, data = plain.row(item)
            connection.execute(insert, [*columns, json.dumps(data, default=as_json)])
        connection.commit()
    stages.answer(Path(order.answer))


if __name__ == "__main__":
    main()
