"""What an object store is: named bytes below one location, a local folder or an s3:// prefix.

Keys are relative, POSIX-style and confined to the location; a key that would leave it is refused before any access.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import BinaryIO, Protocol

from billio_pipeline.errors import InputError


@dataclass(frozen=True)
class ObjectInfo:
    """An object's key, relative to its store, and its stored size in bytes."""

    key: str
    size: int


class ObjectStore(Protocol):
    """Picklable, so that a worker process can read what its parent found. All methods raise InputError or
    ConfigurationError when the location can't be reached or a key leaves it."""

    @property
    def uri(self) -> str:
        """The location as a person would write it."""

    @property
    def bucket(self) -> str | None:
        """The bucket, or None for a local folder."""

    @property
    def prefix(self) -> str:
        """The location's own key prefix inside its bucket, without slashes at its ends; empty for a local folder."""

    def check(self) -> None:
        """Raise InputError or ConfigurationError unless the location exists and can be listed."""

    def within(self, folder: str) -> ObjectStore:
        """The store one folder further down."""

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """Every object below the folder `prefix`, in no order; pages are fetched as they are consumed."""

    def stat(self, key: str) -> ObjectInfo | None:
        """The object's size, or None when there is none."""

    def exists(self, key: str) -> bool: ...

    def read(self, key: str) -> bytes:
        """The whole object. Raises InputError when there is none."""

    def open(self, key: str) -> BinaryIO:
        """The object as a stream. Raises InputError when there is none."""

    def create(self, key: str) -> AbstractContextManager[BinaryIO]:
        """A stream to write; the object appears, whole, only when the context ends without an error."""

    def write(self, key: str, data: bytes | BinaryIO) -> None:
        """Write a whole object, replacing any of that key at once."""


def confined(key: str) -> str:
    """`key` itself when it stays below the location it is relative to. Raises InputError otherwise."""
    parts = key.split("/")
    if any(part in ("", ".", "..") for part in parts) or any(ord(letter) < 32 for letter in key):
        raise InputError(f"the key {key!r} leaves its folder", key=key, remedy="Only plain relative keys are read.")
    return key
