"""dlt in its own venv: a resource that yields rows, destination postgres; as dicts (its default) or as Arrow tables.

Rows are made by plain.py, quicker than a user's own deserialiser would; the table gets the target's column names.
"""

from __future__ import annotations

import os
from pathlib import Path

from benchmarks.order import Order
from benchmarks.stages import START, Stages

_AT_ONCE = 10_000


def main() -> None:
    order = Order.given()
    stages = Stages(order.postmaster)
    arrow = bool(order.options["arrow"])
    with stages(START):
        import dlt
        from dlt.destinations import postgres

        from benchmarks import plain

        if arrow:
            import orjson
            import pyarrow as pa

    def batches():
        """Lists of rows as dicts."""
        batch = []
        for row in plain.rows(order.path):
            batch.append(dict(zip(plain.COLUMNS, row, strict=True)))
            if len(batch) == _AT_ONCE:
                yield batch
                batch = []
        if batch:
            yield batch

    def arrow_batches():
        """The same as Arrow tables."""
        kinds = {"rating": pa.int64(), "image_width": pa.int64(), "image_height": pa.int64()}
        kinds |= {name: pa.timestamp("us", "UTC") for name in ("added_at", "moved_at")}
        schema = pa.schema([(name, kinds.get(name, pa.string())) for name in plain.COLUMNS])
        for batch in batches():
            rows = [{**row, "data": orjson.dumps(row["data"]).decode()} for row in batch]
            yield pa.Table.from_pylist(rows, schema)

    with stages("load"):
        columns = {"id": {"nullable": False}, "data": {"data_type": "json"}}
        resource = dlt.resource(
            arrow_batches if arrow else batches, name="items", columns=columns, write_disposition="append"
        )
        pipeline = dlt.pipeline(
            "bench", destination=postgres(order.dsn), dataset_name="public", pipelines_dir=os.environ["DLT_DATA_DIR"]
        )
        info = pipeline.run(resource, **({"loader_file_format": "csv"} if arrow else {}))
        info.raise_on_failed_jobs()
    stages.answer(Path(order.answer), version=dlt.__version__)


if __name__ == "__main__":
    main()
