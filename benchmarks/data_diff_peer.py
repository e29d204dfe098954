"""data-diff in its own venv: compares `reference` with `items`, both in one PostgreSQL, and tells which keys differ."""

from __future__ import annotations

from pathlib import Path

from benchmarks.order import Order
from benchmarks.stages import START, Stages


def main() -> None:
    order = Order.given()
    stages = Stages(order.postmaster)
    with stages(START):
        from data_diff import Algorithm, connect_to_table, diff_tables

        from benchmarks import plain
    with stages("verify"):
        others = tuple(name for name in plain.COLUMNS if name != "id")
        both = [connect_to_table(order.dsn, name, "id", extra_columns=others) for name in ("reference", "items")]
        differences = diff_tables(*both, algorithm=Algorithm(order.options["algorithm"]))
        keys = {row[0] for _, row in differences}
    stages.answer(Path(order.answer), found=len(keys))


if __name__ == "__main__":
    main()
