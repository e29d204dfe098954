"""Our engine without Dagster, in a process of its own. Imports little at its top: decoding workers import it again."""

from __future__ import annotations

from benchmarks.order import Order
from benchmarks.stages import START, Stages


def main() -> None:
    order = Order.given()
    stages = Stages(order.postmaster)
    with stages(START):
        from benchmarks import engine

        # Billio's own checks live beside their Dagster definitions: importing them imports Dagster.
        checks = engine.load_checks() if order.options["checks"] else None
    engine.migrate(order, stages, checks)


if __name__ == "__main__":
    main()
