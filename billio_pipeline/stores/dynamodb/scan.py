"""Exports a live table by Scan into AWS's own layout, whole files only and the summary last.

A Scan is no snapshot: an item written while it runs may be in the export or not. For a point in time stop the writers,
or ask AWS for a table export (pitr.py).
"""

from __future__ import annotations

import base64
import json
import secrets
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from billio_pipeline.errors import ConfigurationError, InputError
from billio_pipeline.model.tables import DynamoTable
from billio_pipeline.stores.dynamodb import layout
from billio_pipeline.stores.dynamodb.rate import Rate
from billio_pipeline.stores.dynamodb.retry import repeat
from billio_pipeline.stores.objects import ObjectStore
from billio_pipeline.stores.objects.aws import explained
from billio_pipeline.stores.retry import Retries

MOST_SEGMENTS = 256
_MOST_PER_PAGE = 5_000  # a page ends at 1 MB anyway; below that only when a rate is set

_NO_TABLE = "Check its name and BILLIO_DYNAMODB_ENDPOINT; a fresh embedded stack has no table, the demo creates one."

Progress = Callable[[int, int], None]  # items so far; about how many there are, 0 when DynamoDB doesn't say yet


@dataclass(frozen=True)
class Exported:
    """A finished export: where it is and how much it holds."""

    uri: str
    id: str
    items: int
    bytes: int
    files: int


def export_table(
    client: Any,
    table: DynamoTable | str,
    to: ObjectStore,
    *,
    segments: int = 4,
    consistent: bool = True,
    rate: float | None = None,
    progress: Progress | None = None,
    export_id: str | None = None,
) -> Exported:
    """Scan `table` in parallel segments, one data file each, to `to`/AWSDynamoDB/<id>/.

    `rate` limits items/s over all segments. Raises InputError when there is no such table or something is already at
    the export's id; a run that breaks off leaves no summary, so nobody takes it for an export.
    """
    if not 1 <= segments <= MOST_SEGMENTS:
        raise ConfigurationError(f"{segments} segments", remedy=f"Give 1 to {MOST_SEGMENTS} segments.")
    name = table if isinstance(table, str) else table.name
    bucket = Rate(rate) if rate is not None else None
    began = datetime.now(UTC)
    described = _described(client, name)
    export = layout.Export(export_id or f"{int(began.timestamp() * 1000):014d}-{secrets.token_hex(4)}", to.prefix)
    if next(to.list(export.folder), None) is not None:
        raise InputError(
            f"{to.uri}/{export.folder} already holds something", remedy="Give another destination or export id."
        )
    layout.start(to, export)
    counted = _Counted(described.get("ItemCount", 0), progress)
    written = _scan_all(Segments(client, name, segments, consistent, bucket, counted.add), to, export)
    layout.finish(to, export, written, _summary(described, export, to, began))
    items = sum(each.listed.item_count for each in written)
    return Exported(to.within(export.folder).uri, export.id, items, sum(each.bytes for each in written), len(written))


class _Counted:
    def __init__(self, expected: int, progress: Progress | None) -> None:
        self._expected, self._progress = expected, progress
        self._items = 0
        self._lock = threading.Lock()

    def add(self, items: int) -> None:
        with self._lock:
            self._items += items
            if self._progress:
                self._progress(self._items, self._expected)


@dataclass(frozen=True)
class Segments:
    """A table's parallel scan. `counted` is told each page's items once the page was taken."""

    client: Any
    table: str
    total: int
    consistent: bool
    rate: Rate | None = None
    counted: Callable[[int], None] = lambda items: None

    def pages(self, number: int, stopped: threading.Event, *, retries: Retries | None = None) -> Iterator[list[bytes]]:
        """One segment's items as wire lines, page by page; ends early once `stopped` is set."""
        request: dict[str, Any] = {
            "TableName": self.table, "Segment": number, "TotalSegments": self.total, "ConsistentRead": self.consistent,
        }  # fmt: skip
        if self.rate:
            request["Limit"] = max(1, min(_MOST_PER_PAGE, int(self.rate.per_second / self.total)))
        while not stopped.is_set():
            page = repeat(lambda: self.client.scan(**request), f"table {self.table}", retries=retries)
            items = page.get("Items", [])
            yield [wire_line(item) for item in items]
            self.counted(len(items))
            if self.rate:
                stopped.wait(self.rate.pay(len(items)))
            if not page.get("LastEvaluatedKey"):
                return
            request["ExclusiveStartKey"] = page["LastEvaluatedKey"]


def wire_line(item: Mapping[str, Mapping[str, Any]]) -> bytes:
    """The export line of an item as the low-level client returns it: numbers its own text, binary as base64."""
    try:
        return orjson.dumps({"Item": item}, default=_base64)
    except TypeError:  # a lone surrogate, which only an API that isn't DynamoDB can hold: kept as its escape
        return json.dumps({"Item": item}, default=_base64, separators=(",", ":")).encode()


def _base64(value: object) -> str:
    if isinstance(value, bytes | bytearray):
        return base64.b64encode(value).decode()
    raise TypeError(f"no wire form for {type(value).__name__}")


def _scan_all(segments: Segments, to: ObjectStore, export: layout.Export) -> Sequence[layout.Written]:
    stopped = threading.Event()

    def one(number: int) -> layout.Written:
        name = f"{number:04d}{secrets.token_hex(11)}"
        with layout.data_file(to, export, name) as file:
            for lines in segments.pages(number, stopped):
                file.add(lines)
            if stopped.is_set():
                raise InterruptedError("another segment failed")
        return layout.written(file, export, name)

    with ThreadPoolExecutor(segments.total, thread_name_prefix="scan") as pool:
        running = [pool.submit(one, number) for number in range(segments.total)]
        try:
            done, _ = wait(running, return_when=FIRST_EXCEPTION)
            for future in done:
                future.result()
        finally:
            # Reached with segments still running only when one failed, or on Ctrl-C: then the others end at once.
            if not all(future.done() for future in running):
                stopped.set()
    return [future.result() for future in running]


def _described(client: Any, table: str) -> Mapping[str, Any]:
    with explained(f"table {table}", absent=_NO_TABLE):
        return client.describe_table(TableName=table)["Table"]


def _summary(table: Mapping[str, Any], export: layout.Export, to: ObjectStore, began: datetime) -> dict[str, object]:
    arn = table.get("TableArn", "")
    return {
        "exportArn": f"{arn}/export/{export.id}",
        "startTime": _moment(began),
        "endTime": _moment(datetime.now(UTC)),
        "tableArn": arn,
        "tableId": table.get("TableId", ""),
        "exportTime": _moment(began),
        "s3Bucket": to.bucket or "",
        "billedSizeBytes": table.get("TableSizeBytes", 0),
    }


def _moment(when: datetime) -> str:
    return when.isoformat(timespec="milliseconds").replace("+00:00", "Z")
