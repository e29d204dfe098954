"""Our load of staged items, Parquet, checks, ledger and all; to look into it: other ways, and where its CPU goes."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.dynamodb.seams import Seams
from benchmarks.order import Order
from benchmarks.stages import START, Stages


def run(order: Order, stages: Stages) -> dict[str, Any]:
    """Options: `endpoint`; `requests` in flight, if not as ever; `botocore`: have it serialise; `seams`: measure."""
    with stages(START):
        # Imported late by what follows; no part of a load.
        import boto3  # noqa: F401
        import pyarrow.dataset  # noqa: F401

        from assets.algoitny.model import SYSTEM
        from billio_pipeline.migrate import load_items
        from billio_pipeline.migrate.stage import ItemStage
        from billio_pipeline.settings import Settings
        from billio_pipeline.stores.dynamodb import write, writing_client

        client = writing_client(replace(Settings.from_env(), dynamodb_endpoint=order.options["endpoint"]))
        stage = ItemStage(order.path, SYSTEM)
    options = order.options
    with Seams() as seams:
        if options.get("requests"):
            seams.replace(load_items, "Writer", partial(write.Writer, requests=options["requests"]))
        if options.get("botocore"):
            seams.botocore_serialises(write)
        if options.get("seams"):
            seams.watch(client, write)
        with stages("load"):
            done = [
                load_items.load_table(client, stage, table, "insert", max_wcu=None, progress=lambda items: None)
                for table in SYSTEM.tables
            ]
    facts = {"items": sum(each.items for each in done), "batches": sum(each.batches for each in done)}
    return facts | ({"cpu": seams.seconds(stages.done[-1].client)} if options.get("seams") else {})


def main() -> None:
    order = Order.given()
    stages = Stages(order.postmaster)
    stages.answer(Path(order.answer), **run(order, stages))


if __name__ == "__main__":
    main()
