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
        import base64
        import shutil
        from itertools import islice

        import orjson
        from boto3.dynamodb.types import Binary, TypeDeserializer

        from assets.billio.model import SYSTEM
        from billio_pipeline.codec.compile import compile
        from billio_pipeline.codec.decode import Decoder
        from billio_pipeline.migrate import stage as staging
        from billio_pipeline.migrate.decode import decode
        from billio_pipeline.settings import Settings
        from billio_pipeline.stores.dynamodb import open_source

    class Deserializer(TypeDeserializer):
        """An export's binary is base64 text, which boto3's own class refuses."""

        def _deserialize_b(self, value: str) -> Binary:
            return super()._deserialize_b(base64.b64decode(value))

        def _deserialize_bs(self, value: list[str]) -> set[Binary]:
            return set(map(self._deserialize_b, value))

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
    deserialize = Deserializer().deserialize
    with stages("TypeDeserializer"):
        for line in lines:
            {name: deserialize(wire) for name, wire in orjson.loads(line)["Item"].items()}
    stages.answer(Path(order.answer), lines=len(lines), workers=min(2, len(source.files)))


if __name__ == "__main__":
    main()
