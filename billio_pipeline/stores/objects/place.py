"""From a location as a person writes it to its store."""

from __future__ import annotations

from pathlib import Path

from billio_pipeline.errors import InputError
from billio_pipeline.settings import Settings
from billio_pipeline.stores.objects.local import LocalStore
from billio_pipeline.stores.objects.s3 import S3Store
from billio_pipeline.stores.objects.store import ObjectStore


def open_store(location: str | Path, settings: Settings) -> ObjectStore:
    """The store at a local folder, file:// or s3://bucket/prefix. Connects to nothing yet."""
    text = str(location)
    if text.startswith("s3://"):
        bucket, _, prefix = text.removeprefix("s3://").partition("/")
        if not bucket:
            raise InputError(f"{text!r} names no bucket", remedy="Write it as s3://bucket/prefix.")
        return S3Store(bucket, prefix.strip("/"), settings.s3_endpoint, settings.region)
    if "://" in text and not text.startswith("file://"):
        raise InputError(f"{text!r} is neither a folder nor s3://", remedy="Give a local folder or s3://bucket/prefix.")
    if not text or "\0" in text:
        raise InputError(f"{text!r} is no folder's name", remedy="Give a local folder or s3://bucket/prefix.")
    return LocalStore(Path(text.removeprefix("file://")).expanduser().absolute())
