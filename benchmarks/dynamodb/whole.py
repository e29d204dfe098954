"""The whole job from PostgreSQL's rows: copied, made items, proven reversible, loaded, read back and compared."""

from __future__ import annotations

import secrets
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.order import Order
from benchmarks.stages import START, Stages


def run(order: Order, stages: Stages) -> dict[str, Any]:
    """`order.dsn` is the source. Raises SystemExit when the tables don't hold exactly its items."""
    with stages(START):
        # Imported late by what follows; no part of the job.
        import boto3  # noqa: F401
        import pyarrow.dataset  # noqa: F401

        from assets.algoitny.model import SYSTEM
        from assets.factory.items_verdict import judge_items
        from billio_pipeline.migrate import copied
        from billio_pipeline.migrate.load_items import load_table
        from billio_pipeline.migrate.prepare_items import prepare_items
        from billio_pipeline.migrate.reverse import reversed_rows
        from billio_pipeline.migrate.sql_source import SqlSource
        from billio_pipeline.settings import Settings
        from billio_pipeline.stores.dynamodb import writing_client

        settings = replace(Settings.from_env(), dynamodb_endpoint=order.options["endpoint"])
        client, source, name = writing_client(settings), SqlSource(order.dsn, SYSTEM, settings), secrets.token_hex(4)
    with stages("copy the source"):
        taken = copied.take(source, settings.home, SYSTEM.name, name, lambda rows: None)
    with stages("make items"):
        stage = prepare_items(taken, source.read, SYSTEM, settings, name, lambda rows: None)
    with stages("reversible"):
        entities = [entity.name for entity in SYSTEM.entities]
        found = reversed_rows(stage, entities, workers=settings.workers, progress=lambda rows: None)
    with stages("load"):
        done = [
            load_table(client, stage, table, "insert", max_wcu=None, progress=lambda items: None)
            for table in SYSTEM.tables
        ]
    with stages("read back, compare"):
        verdict = judge_items(stage, client)
    items = sum(each.items for each in done)
    facts = {"items": items, "equal": verdict.equal, "irreversible": sum(each.failed for each in found.values())}
    if not verdict.equal or facts["irreversible"] or verdict.total("loaded") != items:
        raise SystemExit(f"not proven: {facts}")
    return facts


def main() -> None:
    order = Order.given()
    stages = Stages(order.postmaster)
    stages.answer(Path(order.answer), **run(order, stages))


if __name__ == "__main__":
    main()
