"""Wraps DynamoDB-JSON lines as a complete AWS table export, through the product's own layout code."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from pathlib import Path

from billio_pipeline.stores.dynamodb import layout
from billio_pipeline.stores.objects.local import LocalStore

_MOMENT = "2026-11-21T10:00:00.000Z"
_TABLE = "arn:aws:dynamodb:us-east-1:000000000000:table/billio"


def write_export(
    folder: Path,
    files: Sequence[Sequence[bytes]],
    prefix: str | None = None,
    *,
    export_id: str | None = None,
    **overrides: object,
) -> Path:
    """An export of `files` (each a list of lines without newlines; an empty list is an empty file) below `folder`.

    `overrides` replace fields of manifest-summary.json (itemCount=…, exportStatus=…). Returns the export's own folder,
    to pass to open_source; `folder` itself works too while it holds no other export.
    """
    export = layout.Export(export_id or f"0{1_760_000_000_000}-{uuid.uuid4().hex[:8]}", prefix or "")
    store = LocalStore((folder / (prefix or "")).absolute())
    layout.start(store, export)
    done = []
    for number, lines in enumerate(files):
        name = f"{number:04d}abcdefghijklmnopqrstuv"
        with layout.data_file(store, export, name) as file:
            file.add(lines)
        done.append(layout.written(file, export, name))
    summary: dict[str, object] = {
        "exportArn": f"{_TABLE}/export/{export.id}",
        "startTime": _MOMENT,
        "endTime": _MOMENT,
        "tableArn": _TABLE,
        "tableId": "12345a12-abcd-123a-ab12-1234abc12345",
        "exportTime": _MOMENT,
        "s3Bucket": "exports",
        "billedSizeBytes": 0,
    }
    layout.finish(store, export, done, summary | overrides)
    return store.root / export.folder
