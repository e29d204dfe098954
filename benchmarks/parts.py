"""Decoding, taken apart: reading alone, reading and decoding, the whole by one process and by two; and boto3's way.

Imports little at its top: decoding workers import it again.
"""

from __future__ import annotations

from pathlib import Path

from benchmarks.order import Order
from benchmarks.stages import START, Stages

# Lines decoded from memory, by us and by boto3's TypeDeserializer.
_LINES = 40_000


def main() -> None:
    order = Order.given()
    stages = Stages(order.postmaster)
    with stages(START):
        import shutil
        from itertools import islice

        import orjson

        from assets.billio.model import SYSTEM
        from benchmarks.wire import deserialize
        from billio_pipeline.codec.compile import compile
        from billio_pipeline.codec.decode import Decoder
        from billio_pipeline.migrate import stage as staging
        from billio_pipeline.migrate.decode import decode
        from billio_pipeline.settings import Settings
        from billio_pipeline.stores.dynamodb import open_source

    settings = Settings.from_env()
    source = open_source(order.export, SYSTEM, settings)
    Decoder(compile(SYSTEM)).block(next(iter(source.lines(source.files[0]))).lines[:1_000], 1)  # what is done once
    for name in ("read", "read and decode"):
        with stages(name):
            for file in source.files:
                decoder = Decoder(compile(SYSTEM))
                for block in source.lines(file):
                    if name != "read":
                        decoder.block(block.lines, block.first)
    for name, workers in (("one process", 1), ("two processes", 2)):
        stage = staging.create(settings.home, SYSTEM, source.id, name.replace(" ", "-"))
        with stages(name):
            decode(source, stage, workers=workers)
        shutil.rmtree(stage.path)
    blocks = [block.lines for block in islice(source.lines(source.files[0]), 64)]
    lines = [line for block in blocks for line in block][:_LINES]
    with stages("our decoder"):
        decoder = Decoder(compile(SYSTEM))
        for first in range(0, len(lines), 4_000):
            decoder.block(lines[first : first + 4_000], first + 1)
    with stages("TypeDeserializer"):
        for line in lines:
            {name: deserialize(wire) for name, wire in orjson.loads(line)["Item"].items()}
    stages.answer(Path(order.answer), lines=len(lines), workers=min(2, len(source.files)))


if __name__ == "__main__":
    main()
