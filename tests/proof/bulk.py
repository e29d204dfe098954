"""Exports of millions of items, written at disk speed: ten thousand items repeated, each time with other ids."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from assets.billio.generator import generate
from billio_pipeline.stores.dynamodb import layout
from billio_pipeline.stores.objects.local import LocalStore
from proof.inputs import line

TEMPLATE = 10_000
FILES = 4
_HEX = np.frombuffer(b"0123456789abcdef", dtype=np.uint8)
_DIGITS = np.arange(
    8
)  # of a uuid: a repetition's number replaces them in all its ids, so that seasons keep their series
_ID = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_MOMENT = "2026-11-21T10:00:00.000Z"
_TABLE = "arn:aws:dynamodb:us-east-1:000000000000:table/billio"


def write(folder: Path, items: int, seed: int) -> Path:
    """An export of `items` items (a multiple of FILES, and of TEMPLATE above it); its folder."""
    size = min(items // FILES, TEMPLATE)
    repetitions = items // size
    text = np.frombuffer(b"\n".join(line(item) for item in generate(size, seed)), dtype=np.uint8).copy()
    places = np.array([found.start() for found in _ID.finditer(text.tobytes())])[:, None] + _DIGITS
    export = layout.Export(f"0{1_760_000_000_000 + seed}-{items:08x}")
    store = LocalStore(folder.absolute())
    layout.start(store, export)
    done = []
    for number in range(FILES):
        name = f"{number:04d}abcdefghijklmnopqrstuv"
        with layout.data_file(store, export, name) as file:
            for repetition in range(number, repetitions, FILES):
                text[places] = _HEX[(repetition >> (4 * _DIGITS[::-1])) & 15]
                file.add([text.tobytes()])
                file.items += size - 1  # a block was added as if it were one line
        done.append(layout.written(file, export, name))
    summary: dict[str, object] = {"exportArn": f"{_TABLE}/export/{export.id}", "tableArn": _TABLE, "startTime": _MOMENT}
    layout.finish(
        store, export, done, summary | {"endTime": _MOMENT, "exportTime": _MOMENT, "exportStatus": "COMPLETED"}
    )
    return store.root / export.folder
