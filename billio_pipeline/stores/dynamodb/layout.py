"""A DynamoDB table export as AWS lays it out in S3: names, manifests, and how one is written.

`[prefix/]AWSDynamoDB/<export id>/` holds `_started`, `data/*.json.gz`, manifest-files.json (one JSON object per line),
manifest-summary.json and an .md5 beside each. Source of names and fields: the DynamoDB developer guide, "DynamoDB
table export output format". The summary is written last: an export without one was never finished.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO

import msgspec
import orjson
from isal import isal_zlib

from billio_pipeline.stores.objects import ObjectStore

ROOT = "AWSDynamoDB"
SUMMARY = "manifest-summary"
FILES = "manifest-files"
STARTED = "_started"
CHECKSUMS = ("md5", "checksum")  # the endings AWS has given its checksum files
_LEVEL = 1  # isal's second of four: near its best ratio for JSON at three times the speed


@dataclass(frozen=True)
class Export:
    """Where one export goes. `prefix` is what its S3 keys begin with before AWSDynamoDB."""

    id: str
    prefix: str = ""

    @property
    def folder(self) -> str:
        """Relative to the destination that was asked for."""
        return f"{ROOT}/{self.id}"

    def s3_key(self, name: str) -> str:
        """A file's full key in its bucket, as the manifests write it."""
        return f"{self.prefix}/{self.folder}/{name}" if self.prefix else f"{self.folder}/{name}"


class ListedFile(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A line of manifest-files.json."""

    item_count: int
    md5_checksum: str
    etag: str
    data_file_s3_key: str = msgspec.field(name="dataFileS3Key")


@dataclass(frozen=True)
class Written:
    """One data file as written: its manifest line and stored bytes."""

    listed: ListedFile
    bytes: int


class DataFile:
    """A data file being written: gzip of one `{"Item":…}` per line, counted and hashed on the way."""

    def __init__(self, stream: BinaryIO) -> None:
        self.items = 0
        self.bytes = 0
        self.md5 = hashlib.md5(usedforsecurity=False)
        self._stream = stream
        self._gzip = isal_zlib.compressobj(_LEVEL, isal_zlib.DEFLATED, 31)

    def add(self, lines: Sequence[bytes]) -> None:
        """Append complete lines, given without their newlines."""
        if lines:
            self.items += len(lines)
            self._store(self._gzip.compress(b"\n".join(lines) + b"\n"))

    def end(self) -> None:
        self._store(self._gzip.flush())

    def _store(self, data: bytes) -> None:
        self.bytes += len(data)
        self.md5.update(data)
        self._stream.write(data)


@contextmanager
def data_file(store: ObjectStore, export: Export, name: str) -> Iterator[DataFile]:
    """A data file named `data/<name>.json.gz`, in place once the context ends well."""
    with store.create(f"{export.folder}/data/{name}.json.gz") as stream:
        file = DataFile(stream)
        yield file
        file.end()


def written(file: DataFile, export: Export, name: str) -> Written:
    """What the manifest says about a file that has ended."""
    listed = ListedFile(
        item_count=file.items,
        md5_checksum=base64.b64encode(file.md5.digest()).decode(),
        etag=f"{file.md5.hexdigest()}-1",
        data_file_s3_key=export.s3_key(f"data/{name}.json.gz"),
    )
    return Written(listed, file.bytes)


def start(store: ObjectStore, export: Export) -> None:
    """Leave AWS's own sign that an export has begun."""
    store.write(f"{export.folder}/{STARTED}", b"")


def finish(store: ObjectStore, export: Export, files: Iterable[Written], summary: dict[str, object]) -> None:
    """Write the manifests, the summary last. `summary` holds AWS's fields; its counts and keys are filled in here
    unless given."""
    listed = [file.listed for file in files]
    _manifest(store, export, FILES, b"".join(msgspec.json.encode(each) + b"\n" for each in listed))
    whole = {
        "version": "2020-06-30",
        "s3Prefix": export.prefix or None,
        "s3SseAlgorithm": "AES256",
        "s3SseKmsKeyId": None,
        "manifestFilesS3Key": export.s3_key(f"{FILES}.json"),
        "itemCount": sum(each.item_count for each in listed),
        "outputFormat": "DYNAMODB_JSON",
        "exportType": "FULL_EXPORT",
    } | summary
    _manifest(store, export, SUMMARY, orjson.dumps(whole))


def _manifest(store: ObjectStore, export: Export, name: str, content: bytes) -> None:
    md5 = base64.b64encode(hashlib.md5(content, usedforsecurity=False).digest())
    store.write(f"{export.folder}/{name}.md5", md5)
    store.write(f"{export.folder}/{name}.json", content)
