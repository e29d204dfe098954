"""Our comparison of a table with a stage: every row read back, or fingerprints first."""

from __future__ import annotations

from pathlib import Path

from benchmarks.order import Order
from benchmarks.stages import START, Stages


def main() -> None:
    order = Order.given()
    stages = Stages(order.postmaster)
    with stages(START):
        import pyarrow.parquet as pq

        from assets.billio.model import SYSTEM
        from assets.factory.verdict import judge
        from billio_pipeline.migrate.stage import Stage
        from billio_pipeline.settings import Settings
        from billio_pipeline.stores.sql.target import Target

    stage = Stage(Path(order.options["stage"]), SYSTEM)
    with Target.open(order.dsn, Settings.from_env()) as target, stages("verify"):
        verdict = judge(stage, target, order.options["mode"])
    keys = pq.read_table(verdict.path, columns=["key"])["key"].unique()
    stages.answer(Path(order.answer), found=len(keys))


if __name__ == "__main__":
    main()
