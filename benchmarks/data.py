"""The data: an export of the fixtures' shapes, one with items to refuse, and the forms the limits and peers read.

Ten thousand generated items (all five types, undeclared attributes of all ten DynamoDB types, image sizes) are repeated
with other ids, spread like random ones, so that five million are written at disk speed. Seeded.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from assets.billio.generator import SEED, generate, planted
from assets.billio.model import SYSTEM
from billio_pipeline.migrate.prepare import prepare
from billio_pipeline.migrate.stage import Stage
from billio_pipeline.settings import Settings
from billio_pipeline.stores.dynamodb import layout, open_source
from billio_pipeline.stores.objects.local import LocalStore
from billio_pipeline.stores.sql.copy_binary import encode

FILES = 4
TEMPLATE = 10_000
SMALL = 200_000  # items that slow peers are run on at most: nobody reads plain rows of a larger size
REFUSED = 0.01  # share of items to refuse in the export with quarantine
VERSION = 2  # of what is written here: another one makes the data anew
Item = dict[str, Any]
_HEX = np.frombuffer(b"0123456789abcdef", dtype=np.uint8)
_VALUE = np.zeros(256, dtype=np.uint8)
_VALUE[_HEX] = np.arange(16, dtype=np.uint8)
_ID = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_TABLE = "arn:aws:dynamodb:us-east-1:000000000000:table/billio"
_MOMENT = "2026-11-21T10:00:00.000Z"
# By column: what the encoder of COPY BINARY calls its type.
_PG = {"varchar": "varchar", "text": "text", "uuid": "uuid", "integer": "int4", "timestamptz": "timestamptz"}


@dataclass(frozen=True)
class Data:
    """Everything of one size, below `folder`. Sizes are multiples of FILES, and of FILES × TEMPLATE above it."""

    folder: Path
    items: int

    @property
    def export(self) -> Path:
        return self.folder / "export" / "AWSDynamoDB" / "0-clean"

    @property
    def refusing(self) -> Path:
        """As many items, REFUSED of them to be refused."""
        return self.folder / "export" / "AWSDynamoDB" / "0-refusing"

    @property
    def tiny(self) -> Path:
        """A handful of items: what is left of a command's time then doesn't depend on the items."""
        return self.folder / "export" / "AWSDynamoDB" / "0-tiny"

    @property
    def encoded(self) -> Path:
        """The rows as one COPY BINARY stream."""
        return self.folder / "items.copy"

    @property
    def bytes(self) -> int:
        return sum(path.stat().st_size for path in (self.export / "data").iterdir())

    def stage(self) -> Stage:
        """The clean export, decoded."""
        path = next((self.folder / "home" / "stage").glob(f"{SYSTEM.name}/*/bench"))
        return Stage(path, SYSTEM)


def rounded(size: int) -> int:
    """The nearest size that can be written."""
    step = FILES * TEMPLATE if size >= FILES * TEMPLATE else FILES
    return max(step, round(size / step) * step)


def made(parent: Path, size: int, engine: str) -> Data:
    """The data of this size: as it lies there, or written now. What our engine made of it is of this `engine`."""
    data = Data(parent / str(size), size)
    template = hashlib.sha256(b"".join(_template(1_000, 40))).hexdigest()[:16]
    if _told(data.folder / "exports.json") != (wanted := {"template": template, "version": VERSION}):
        shutil.rmtree(data.folder, ignore_errors=True)
        data.folder.mkdir(parents=True)
        _write(data, "0-clean", size)
        _write(data, "0-refusing", size, refused=REFUSED)
        _write(data, "0-tiny", FILES)
        (data.folder / "exports.json").write_text(json.dumps(wanted))
    if _told(data.folder / "prepared.json") != (wanted := {"engine": engine}):
        shutil.rmtree(data.folder / "home", ignore_errors=True)
        _prepare(data)
        (data.folder / "prepared.json").write_text(json.dumps(wanted))
    return data


def _told(mark: Path) -> dict[str, object] | None:
    return json.loads(mark.read_text()) if mark.exists() else None


def _write(data: Data, name: str, items: int, refused: float = 0.0) -> None:
    size = min(items // FILES, TEMPLATE)
    template = _template(size, round(size * refused))
    text = np.frombuffer(b"\n".join(template), dtype=np.uint8).copy()
    places = np.array([found.start() for found in _ID.finditer(text.tobytes())])[:, None] + np.arange(8)
    original = _VALUE[text[places]]
    export, store = layout.Export(name), LocalStore((data.folder / "export").absolute())
    layout.start(store, export)
    done = []
    for number in range(FILES):
        title = f"{number:04d}abcdefghijklmnopqrstuv"
        with layout.data_file(store, export, title) as file:
            for repetition in range(number, items // size, FILES):
                text[places] = _HEX[original ^ _mask(repetition)]
                file.add([text.tobytes()])
                file.items += size - 1  # a block was added as if it were one line
        done.append(layout.written(file, export, title))
    summary: dict[str, object] = {"exportArn": f"{_TABLE}/export/{name}", "tableArn": _TABLE, "startTime": _MOMENT}
    ended: dict[str, object] = {"endTime": _MOMENT, "exportTime": _MOMENT, "exportStatus": "COMPLETED"}
    layout.finish(store, export, done, summary | ended)


def _template(size: int, refused: int) -> list[bytes]:
    return [orjson.dumps({"Item": item}) for item in (*generate(size - refused), *_to_refuse(refused))]


def _to_refuse(count: int) -> Iterable[Item]:
    """Items of every reason in turn."""
    found: list[Item] = []
    seed = SEED
    while len(found) < count:
        found += [plant.item for plant in planted(seed)]
        seed += 1
    return found[:count]


def _mask(repetition: int) -> np.ndarray:
    """Eight hex digits, another for each repetition, far from those of the next one: 2654435761 is 2³² divided by φ."""
    mixed = (repetition * 2_654_435_761) & 0xFFFFFFFF
    return np.array([(mixed >> shift) & 15 for shift in range(28, -1, -4)], dtype=np.uint8)


def _prepare(data: Data) -> None:
    """The stage of the clean export, and its rows as a COPY BINARY stream."""
    settings = Settings.from_env({"BILLIO_HOME": str(data.folder / "home")})
    stage = prepare(open_source(str(data.export), SYSTEM, settings), SYSTEM, settings, "bench")
    types = {c.name: "jsonb" if c.sql == "jsonb" else _PG[c.sql.partition("(")[0]] for c in SYSTEM.columns}
    head, tail = b"", b""
    with data.encoded.open("wb") as file:
        for entity in SYSTEM.entities:
            for _, rows in stage.batches(entity.name, also=()):
                first, *blocks, tail = encode(rows.select(list(types)), types)
                if not head:
                    head = first
                    file.write(head)
                file.writelines(blocks)
        file.write(tail)
