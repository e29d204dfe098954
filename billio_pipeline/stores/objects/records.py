"""Copies a tree of records, one object each, into Parquet files: a migration reads the copy, not the tree.

The tree is only listed and read. An object that vanishes or changes between listing and reading stops the copy, and
nothing of it is used: a copy is whole, and of one state of every object.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from billio_pipeline.errors import InputError
from billio_pipeline.model.canonical import content_hash
from billio_pipeline.room import room
from billio_pipeline.stores.objects.aws import aws_client, explained
from billio_pipeline.stores.objects.s3 import S3Store, _Reading
from billio_pipeline.stores.objects.store import ObjectStore

RECORDS = pa.schema([("key", pa.string()), ("size", pa.int64()), ("etag", pa.string()), ("body", pa.binary())])

_GROUP_ROWS, _GROUP_BYTES = 1_000, 32 << 20
_FILE_GROUPS = 16
_IN_FLIGHT = 32 << 20  # bytes being read or waiting to be written
_LARGEST = 64 << 20  # 160 times what an item may take: no record
_CHANGED = {"404", "412", "NoSuchKey", "PreconditionFailed"}
_QUIET = "Let what writes to the tree rest, then run the same command again; nothing was used, the tree is untouched."


@dataclass(frozen=True)
class CopiedFile:
    """One Parquet file of a copy: its name in the folder, and what it holds."""

    name: str
    objects: int
    bytes: int


@dataclass(frozen=True)
class Listing:
    """A copied tree: where it is, how much it holds, and the copy's files, by key.

    `id` is of the keys and bodies alone: equal trees have equal ids, wherever they are and however often copied.
    """

    uri: str
    id: str
    objects: int
    bytes: int
    files: tuple[CopiedFile, ...]


@dataclass(frozen=True, slots=True)
class _Listed:
    key: str  # relative to the store, as it stands
    size: int
    etag: str | None


def copy_records(
    store: ObjectStore,
    folder: Path,
    *,
    prefix: str = "users/",
    readers: int = 16,
    progress: Callable[[int], None] | None = None,
) -> Listing:
    """Copy every object below `prefix` into `folder`/NNNNNN.parquet (columns RECORDS), by key; `folder` is replaced.

    `progress` is told how many more objects are copied. Raises InputError when there is nothing to copy, when an
    object vanished or changed meanwhile or is too large for a record; then `folder` is what it was.
    """
    store.check()
    tree: _Bucket | _Folder = _Bucket(store, readers) if isinstance(store, S3Store) else _Folder(store)
    folder.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=".unfinished-", dir=folder.parent))
    try:
        with room(folder):
            copy = _Copy(unfinished)
            with closing(_bodies(tree, prefix.strip("/"), readers)) as bodies:
                for listed, body in bodies:
                    if (copied := copy.add(listed, body)) and progress:
                        progress(copied)
            if (copied := copy.close()) and progress:
                progress(copied)
            if not copy.files:
                raise InputError(f"{tree.uri(prefix)} holds no object", remedy="Check the bucket and the prefix.")
            shutil.rmtree(folder, ignore_errors=True)
            unfinished.rename(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return Listing(
        tree.uri(prefix),
        copy.digest.hexdigest(),
        sum(file.objects for file in copy.files),
        sum(file.bytes for file in copy.files),
        tuple(copy.files),
    )


@dataclass(frozen=True)
class _Folder:
    """Any other store: it lists in no order, so all keys are held at once; of a version only the size is known."""

    store: ObjectStore

    def uri(self, prefix: str) -> str:
        return f"{self.store.uri}/{prefix}".rstrip("/")

    def listed(self, prefix: str) -> Iterator[_Listed]:
        for key, size in sorted((info.key, info.size) for info in self.store.list(prefix)):
            yield _Listed(key, size, None)

    def read(self, listed: _Listed) -> bytes:
        try:
            return self.store.read(listed.key)
        except InputError:
            if self.store.exists(listed.key):
                raise
            raise _changed(self.uri(listed.key)) from None


class _Bucket:
    """An S3 prefix, with the version of each object. Keys are taken as they stand: they can't lead anywhere else."""

    def __init__(self, store: S3Store, readers: int) -> None:
        style = {"s3": {"addressing_style": "path"}} if store.endpoint else {}
        self._store = store
        self._client = aws_client("s3", store.endpoint, store.region, max_pool_connections=readers, **style)
        self._root = f"{store.prefix}/" if store.prefix else ""

    def uri(self, prefix: str) -> str:
        return f"s3://{self._store.bucket}/{self._root}{prefix}".rstrip("/")

    def listed(self, prefix: str) -> Iterator[_Listed]:
        below = f"{self._root}{prefix}/" if prefix else self._root
        more: dict[str, str] = {}
        while True:
            with explained(self.uri(prefix), absent="Check the bucket and the prefix."):
                page = self._client.list_objects_v2(Bucket=self._store.bucket, Prefix=below, **more)
            for each in page.get("Contents", ()):
                if each["Size"] or not each["Key"].endswith("/"):  # a folder, as the console draws it
                    yield _Listed(each["Key"][len(self._root) :], each["Size"], each["ETag"])
            if not page.get("IsTruncated"):
                return
            more = {"ContinuationToken": page["NextContinuationToken"]}

    def read(self, listed: _Listed) -> bytes:
        from botocore.exceptions import ClientError

        uri = self.uri(listed.key)
        with explained(uri):
            try:
                answer = self._client.get_object(
                    Bucket=self._store.bucket, Key=self._root + listed.key, IfMatch=listed.etag
                )
            except ClientError as error:
                if error.response.get("Error", {}).get("Code") in _CHANGED:
                    raise _changed(uri) from error
                raise
        if answer["ETag"] != listed.etag:  # not every S3 heeds IfMatch
            raise _changed(uri)
        with _Reading(self._store, listed.key, answer) as stream:
            return stream.read()


def _bodies(tree: _Folder | _Bucket, prefix: str, readers: int) -> Generator[tuple[_Listed, bytes], None, None]:
    """Objects and their bodies, by key: read side by side, never more than _IN_FLIGHT bytes ahead."""
    waiting: deque[tuple[_Listed, Future[bytes]]] = deque()
    ahead, last = 0, ""
    with ThreadPoolExecutor(readers, "records") as pool:
        try:
            for listed in tree.listed(prefix):
                _acceptable(listed, last, tree.uri(listed.key))
                last = listed.key
                while waiting and (len(waiting) >= 4 * readers or ahead + listed.size > _IN_FLIGHT):
                    first, body = waiting.popleft()
                    ahead -= first.size
                    yield first, _whole(first, body.result(), tree.uri(first.key))
                ahead += listed.size
                waiting.append((listed, pool.submit(tree.read, listed)))
            for first, body in waiting:
                yield first, _whole(first, body.result(), tree.uri(first.key))
        finally:
            pool.shutdown(cancel_futures=True)


def _acceptable(listed: _Listed, last: str, uri: str) -> None:
    if listed.size > _LARGEST:
        raise InputError(
            f"{uri!r} takes {listed.size} bytes, no record is that large",
            remedy="Move what is no record out of the tree; an item may take 400 KB.",
        )
    if listed.key <= last:
        raise InputError(
            f"{uri!r} is listed after {last!r}: this store doesn't list by name",
            remedy="Copy the records to a general-purpose bucket or a folder, and name that.",
        )


def _whole(listed: _Listed, body: bytes, uri: str) -> bytes:
    if len(body) != listed.size:
        raise _changed(uri)
    return body


def _changed(uri: str) -> InputError:
    return InputError(f"{uri!r} vanished or changed while the records were copied", remedy=_QUIET)


@dataclass
class _Copy:
    """The Parquet files being written, and what is known of them so far."""

    folder: Path
    files: list[CopiedFile] = field(default_factory=list)
    digest: Any = field(default_factory=lambda: hashlib.blake2b(digest_size=16))
    _group: list[dict[str, object]] = field(default_factory=list)
    _pending: int = 0
    _groups: int = 0
    _writer: pq.ParquetWriter | None = None

    def add(self, listed: _Listed, body: bytes) -> int:
        """Take one object; how many were written by that."""
        try:
            key = listed.key.encode()
        except UnicodeEncodeError:
            raise InputError(
                f"the name of {listed.key!r} is not UTF-8", remedy="Rename the file: a record's key is text."
            ) from None
        self.digest.update(b"%d:%b%b" % (len(key), key, content_hash(body)))
        self._group.append({"key": listed.key, "size": listed.size, "etag": listed.etag, "body": body})
        self._pending += len(body)
        return self._write() if len(self._group) == _GROUP_ROWS or self._pending >= _GROUP_BYTES else 0

    def close(self) -> int:
        """Write what is left; how many objects that were."""
        written = self._write() if self._group else 0
        if self._writer:
            self._writer.close()
        return written

    def _write(self) -> int:
        if self._writer is None or self._groups == _FILE_GROUPS:
            if self._writer:
                self._writer.close()
            self.files.append(CopiedFile(f"{len(self.files):06d}.parquet", 0, 0))
            self._groups = 0
            self._writer = pq.ParquetWriter(
                self.folder / self.files[-1].name, RECORDS, compression="zstd", compression_level=1,
                use_dictionary=False, write_statistics=["key", "size"],
            )  # fmt: skip
        written, file = len(self._group), self.files[-1]
        self._writer.write_table(pa.Table.from_pylist(self._group, RECORDS), row_group_size=written)
        self.files[-1] = CopiedFile(file.name, file.objects + written, file.bytes + self._pending)
        self._group, self._pending, self._groups = [], 0, self._groups + 1
        return written
