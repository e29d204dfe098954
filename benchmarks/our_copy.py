"""Our COPY alone: staged rows encoded and copied a batch a time, into a table that has its key and nothing else."""

from __future__ import annotations

from pathlib import Path

from benchmarks.order import Order
from benchmarks.stages import START, Stages

# Row groups read before they are copied: reading staged Parquet is no part of it.
_AT_ONCE = 40


def main() -> None:
    order = Order.given()
    stages = Stages(order.postmaster)
    with stages(START):
        import psycopg
        import pyarrow as pa

        from assets.billio.model import SYSTEM
        from billio_pipeline.migrate.stage import Stage
        from billio_pipeline.stores.sql.rows import copy_rows

    stage = Stage(Path(order.options["stage"]), SYSTEM)
    with psycopg.connect(order.dsn, autocommit=True) as connection:
        waiting: list[pa.Table] = []

        def copy() -> None:
            with stages("load"):
                for rows in waiting:
                    copy_rows(connection, SYSTEM.target.name, rows)
            waiting.clear()

        for entity in SYSTEM.entities:
            for _, rows in stage.batches(entity.name, also=()):
                waiting.append(rows.drop_columns(["_line"]))
                if len(waiting) == _AT_ONCE:
                    copy()
        copy()
    stages.answer(Path(order.answer))


if __name__ == "__main__":
    main()
