"""The bulk door into a new table: items as files in S3, and AWS's own import of them, waited for by its ARN.

An import takes no write capacity and no time that grows with it, but makes the table: it can't add to one.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO, Literal

import pyarrow as pa

from billio_pipeline.errors import InputError, TargetError
from billio_pipeline.model.refusal import Refusal
from billio_pipeline.model.tables import DynamoTable
from billio_pipeline.stores.dynamodb.client_form import Item
from billio_pipeline.stores.dynamodb.encode import line
from billio_pipeline.stores.dynamodb.layout import DataFile
from billio_pipeline.stores.dynamodb.pitr import POLL_SECONDS, explained_request
from billio_pipeline.stores.dynamodb.tables import definition
from billio_pipeline.stores.dynamodb.write import Refused, measured
from billio_pipeline.stores.objects import ObjectStore

Compression = Literal["GZIP", "ZSTD"]

# Decoded bytes per file: some hundred to the gigabyte, so that AWS reads them in parallel, far below its 50,000.
FILE_BYTES = 64 << 20
_ENDINGS = {"GZIP": "gz", "ZSTD": "zst"}
# Line ends to some readers of text, though not to JSON, which holds them bare or escaped alike.
_LINE_ENDS = tuple((end.encode(), f"\\u{ord(end):04x}".encode()) for end in "\x85\u2028\u2029")


@dataclass(frozen=True)
class ImportFiles:
    """Files for an import: where they are, how they are compressed, what they hold. `id` stands for their content."""

    bucket: str | None
    prefix: str
    compression: Compression
    files: int
    items: int
    bytes: int
    id: str
    refused: tuple[Refused, ...]


def write_import_files(
    store: ObjectStore,
    table: DynamoTable,
    items: Iterable[Item],
    *,
    compression: Compression = "GZIP",
    file_bytes: int = FILE_BYTES,
    progress: Callable[[int], None] | None = None,
) -> ImportFiles:
    """Write wire items as `NNNNN.json.gz` (or .zst) into the store, which must be empty: an import reads all there is.

    No two may be under one key: which one an import keeps is chance. Those the table can't hold are left out and
    returned. Raises InputError when the store holds something already.
    """
    if next(store.list(), None) is not None:
        raise InputError(f"{store.uri} already holds something", remedy="Give a folder of the import's own.")
    content = hashlib.sha256()
    refused: list[Refused] = []
    files = total = stored = 0
    lines = _lines(table, items, refused)
    held = next(lines, None)
    while held is not None:
        decoded = count = 0
        with _file(store, f"{files:05d}.json.{_ENDINGS[compression]}", compression) as file:
            while held is not None and (decoded == 0 or decoded + len(held) <= file_bytes):
                file.add([held])
                content.update(held)
                decoded += len(held) + 1
                count += 1
                held = next(lines, None)
        files, total, stored = files + 1, total + count, stored + file.bytes
        if progress:
            progress(count)
    return ImportFiles(
        store.bucket, store.prefix, compression, files, total, stored, content.hexdigest()[:32], tuple(refused)
    )


def request_import(client: Any, table: DynamoTable, files: ImportFiles) -> str:
    """Ask AWS to make the table of the files; returns the import's ARN. The same files asked for again within eight
    hours are the same import. What a table is given once it exists (tables.complete) it has to be given afterwards."""
    if files.bucket is None:
        raise InputError("the files are in no bucket", remedy="Write them to s3://bucket/prefix: AWS reads them there.")
    parameters = definition(table)
    parameters.pop("StreamSpecification", None)  # ImportTable knows none
    token = hashlib.sha256(f"{table.name}\0{files.bucket}\0{files.prefix}\0{files.id}".encode()).hexdigest()[:36]
    with explained_request(f"the import of {table.name}"):
        answer = client.import_table(
            ClientToken=token,
            S3BucketSource={"S3Bucket": files.bucket, "S3KeyPrefix": f"{files.prefix}/" if files.prefix else ""},
            InputFormat="DYNAMODB_JSON",
            InputCompressionType=files.compression,
            TableCreationParameters=parameters,
        )
    return str(answer["ImportTableDescription"]["ImportArn"])


def wait_for_import(
    client: Any,
    arn: str,
    *,
    items: int | None = None,
    poll: float = POLL_SECONDS,
    waiting: Callable[[Mapping[str, Any]], None] | None = None,
) -> Mapping[str, Any]:
    """The description of the completed import, however long it takes; `waiting` is told each look before that.

    Raises TargetError when AWS gave up, left items out, or imported other than `items` of them.
    """
    while True:
        with explained_request(f"import {arn}"):
            found = client.describe_import(ImportArn=arn)["ImportTableDescription"]
        status = found.get("ImportStatus")
        if status == "COMPLETED":
            break
        if status != "IN_PROGRESS":
            said = f"{found.get('FailureCode', '')} {found.get('FailureMessage', '')}".strip()
            raise TargetError(
                f"import {arn}: {status}" + (f", {said}" if said else ""),
                remedy="Correct what AWS names (its log group says which items), drop the table it made, import again.",
                errors=found.get("ErrorCount"),
            )
        if waiting:
            waiting(found)
        time.sleep(poll)
    imported, errors = found.get("ImportedItemCount", 0), found.get("ErrorCount", 0)
    if errors or (items is not None and imported != items):
        raise TargetError(
            f"import {arn}: {imported} items imported, {errors} refused"
            + (f", {items} expected" if items is not None else ""),
            remedy="See the import's log group, drop the table it made, and import again.",
            expected=items,
            found=imported,
        )
    return found


def _lines(table: DynamoTable, items: Iterable[Item], refused: list[Refused]) -> Iterator[bytes]:
    for item in items:
        found = measured(table, item)
        if isinstance(found, Refusal):
            refused.append(Refused(item, found))
        else:
            text = line(item)
            for end, escaped in _LINE_ENDS:
                text = text.replace(end, escaped)
            yield text


class _ZstdFile:
    """As DataFile, compressed by zstd. It is itself the stream that Arrow writes the compressed bytes to."""

    closed = False

    def __init__(self, stream: BinaryIO) -> None:
        self.bytes = 0
        self._stream = stream
        self._zstd = pa.CompressedOutputStream(pa.PythonFile(self, "w"), "zstd")

    def add(self, lines: list[bytes]) -> None:
        self._zstd.write(b"\n".join(lines) + b"\n")

    def end(self) -> None:
        self._zstd.close()

    def write(self, data: bytes) -> int:
        self.bytes += len(data)
        return self._stream.write(data)

    def flush(self) -> None:
        self._stream.flush()

    def close(self) -> None:
        """The stream is the store's to close: only then is the object there."""
        self.closed = True


@contextmanager
def _file(store: ObjectStore, key: str, compression: Compression) -> Iterator[DataFile | _ZstdFile]:
    with store.create(key) as stream:
        file = DataFile(stream) if compression == "GZIP" else _ZstdFile(stream)
        yield file
        file.end()
