"""A prefix of an S3 bucket as an object store. A read that breaks off goes on where it stopped, on the same version."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any, BinaryIO, cast

from billio_pipeline.errors import InputError, TransientError
from billio_pipeline.stores.objects.aws import aws_client, explained
from billio_pipeline.stores.objects.store import ObjectInfo, confined

_RESUMED = 8  # times one read is taken up again
_IN_MEMORY = 8 << 20


@dataclass(frozen=True)
class S3Store:
    """Objects of `bucket` below `prefix` (no slashes at its ends). Holds no connection, so it can be pickled."""

    bucket: str
    prefix: str
    endpoint: str | None
    region: str

    @property
    def uri(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")

    def within(self, folder: str) -> S3Store:
        return S3Store(self.bucket, self._key(folder), self.endpoint, self.region) if folder else self

    def check(self) -> None:
        with self._explained():
            answer = self._client.list_objects_v2(Bucket=self.bucket, Prefix=self._folder(""), MaxKeys=1)
        if not answer.get("KeyCount"):
            raise InputError(f"{self.uri} holds nothing", remedy="Check the bucket and the prefix.")

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        folder, own = self._folder(prefix), len(self._folder(""))
        more: dict[str, str] = {}
        while True:
            with self._explained():
                page = self._client.list_objects_v2(Bucket=self.bucket, Prefix=folder, **more)
            for each in page.get("Contents", ()):
                if not each["Key"].endswith("/"):  # a folder, as the console draws it
                    yield ObjectInfo(each["Key"][own:], each["Size"])
            if not page.get("IsTruncated"):
                return
            more = {"ContinuationToken": page["NextContinuationToken"]}

    def stat(self, key: str) -> ObjectInfo | None:
        from botocore.exceptions import ClientError

        with self._explained():
            try:
                found = self._client.head_object(Bucket=self.bucket, Key=self._key(key))
            except ClientError as error:
                if error.response.get("Error", {}).get("Code") in ("404", "NoSuchKey", "NotFound"):
                    return None
                raise
        return ObjectInfo(key, found["ContentLength"])

    def exists(self, key: str) -> bool:
        return self.stat(key) is not None

    def read(self, key: str) -> bytes:
        with self.open(key) as stream:
            return stream.read()

    def open(self, key: str) -> BinaryIO:
        with self._explained():
            answer = self._client.get_object(Bucket=self.bucket, Key=self._key(key))
        return cast(BinaryIO, _Reading(self, key, answer))

    @contextmanager
    def create(self, key: str) -> Iterator[BinaryIO]:
        with tempfile.SpooledTemporaryFile(_IN_MEMORY) as stream:
            yield cast(BinaryIO, stream)
            stream.seek(0)
            self.write(key, cast(BinaryIO, stream))

    def write(self, key: str, data: bytes | BinaryIO) -> None:
        from boto3.exceptions import S3UploadFailedError

        with self._explained():
            try:
                if isinstance(data, bytes):
                    self._client.put_object(Bucket=self.bucket, Key=self._key(key), Body=data)
                else:
                    self._client.upload_fileobj(data, self.bucket, self._key(key))
            except S3UploadFailedError as error:
                raise TransientError(f"{self.uri}/{key}: {error}") from error

    @property
    def _client(self) -> Any:
        return _client(self.endpoint, self.region)

    def _explained(self) -> Any:
        return explained(self.uri, absent="Check the bucket and the prefix.")

    def _folder(self, prefix: str) -> str:
        inside = self._key(prefix) if prefix else self.prefix
        return f"{inside}/" if inside else ""

    def _key(self, key: str) -> str:
        return f"{self.prefix}/{confined(key)}" if self.prefix else confined(key)


@cache
def _client(endpoint: str | None, region: str) -> Any:
    # Path style where the host isn't AWS's: there a bucket has no host name of its own.
    style = {"s3": {"addressing_style": "path"}} if endpoint else {}
    return aws_client("s3", endpoint, region, **style)


class _Reading(io.RawIOBase):
    """An object's bytes. When the connection breaks, asks for the rest of the same version."""

    def __init__(self, store: S3Store, key: str, answer: Any) -> None:
        self._store, self._key = store, key
        self._body = answer["Body"]
        self._version, self._length = answer.get("ETag"), answer["ContentLength"]
        self._at = 0
        self._left = _RESUMED

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def read(self, size: int = -1) -> bytes:
        if size is None or size < 0:
            return b"".join(iter(lambda: self.read(_IN_MEMORY), b""))
        while self._at < self._length:
            data = self._some(size)
            if data:
                self._at += len(data)
                return data
        return b""

    def close(self) -> None:
        self._body.close()
        super().close()

    def _some(self, size: int) -> bytes:
        from botocore.exceptions import BotoCoreError
        from urllib3.exceptions import HTTPError

        try:
            if data := self._body.read(size):
                return cast(bytes, data)
            reason: object = "the connection was closed early"
        except (BotoCoreError, HTTPError, OSError) as error:
            reason = error
        if self._left == 0:
            raise TransientError(f"{self._store.uri}/{self._key}: reading breaks off again and again ({reason})")
        self._left -= 1
        self._body.close()
        self._body = self._rest()
        return b""

    def _rest(self) -> Any:
        same = {"IfMatch": self._version} if self._version else {}
        with self._store._explained():
            return self._store._client.get_object(
                Bucket=self._store.bucket, Key=self._store._key(self._key), Range=f"bytes={self._at}-", **same
            )["Body"]
