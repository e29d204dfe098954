"""The manifests of a table export, read with distrust: any damage is an ExportError that names file and finding."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, TypeVar

import msgspec

from billio_pipeline.errors import ExportError, InputError
from billio_pipeline.stores.dynamodb.layout import CHECKSUMS, FILES, SUMMARY, ListedFile
from billio_pipeline.stores.dynamodb.lines import SourceFile, damaged
from billio_pipeline.stores.objects import ObjectStore
from billio_pipeline.stores.objects.store import confined

_LARGEST = 512 << 20  # more than a manifest of a million files
_Count = Annotated[int, msgspec.Meta(ge=0)]
_T = TypeVar("_T")


class Summary(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """manifest-summary.json; what only informs may be absent, what is checked may not."""

    item_count: _Count
    output_format: str
    manifest_files_s3_key: str = msgspec.field(name="manifestFilesS3Key")
    version: str | None = None
    export_arn: str | None = None
    table_arn: str | None = None
    table_id: str | None = None
    export_time: str | None = None
    start_time: str | None = None
    end_time: str | None = None
    s3_bucket: str | None = msgspec.field(name="s3Bucket", default=None)
    s3_prefix: str | None = msgspec.field(name="s3Prefix", default=None)
    billed_size_bytes: int | None = None
    export_type: str | None = None
    export_status: str | None = None
    status: str | None = None
    filter_specification: msgspec.Raw | None = None


@dataclass(frozen=True)
class Manifest:
    """An export's own account of itself, consistent in itself and with what is there."""

    summary: Summary
    files: tuple[SourceFile, ...]
    unchecked: tuple[str, ...]  # manifests without a checksum file
    unlisted: int  # data files nobody lists


def read_manifest(store: ObjectStore) -> Manifest:
    """The manifest of the export whose own folder `store` is. Raises ExportError when it is unfinished, incremental,
    of another format, damaged, or when a listed file is absent, listed twice or outside the export."""
    unchecked: list[str] = []
    summary = _summary(_content(store, SUMMARY, unchecked))
    listed = _listed(_content(store, FILES, unchecked))
    if (found := sum(each.item_count for each in listed)) != summary.item_count:
        raise damaged(f"{FILES}.json", f"{summary.item_count} items, as {SUMMARY}.json says", f"{found} items")
    files, unlisted = _present(store, _relative(summary, listed), listed)
    return Manifest(summary, files, tuple(unchecked), unlisted)


def _summary(raw: bytes) -> Summary:
    name = f"{SUMMARY}.json"
    summary = _decoded(raw, Summary, name)
    for status in (summary.export_status, summary.status):
        if status is not None and status != "COMPLETED":
            raise damaged(name, "a COMPLETED export", f"status {status}")
    if summary.output_format != "DYNAMODB_JSON":
        raise _other_kind("ExportFormat DYNAMODB_JSON", summary.output_format)
    if summary.export_type not in (None, "FULL_EXPORT"):
        raise _other_kind("ExportType FULL_EXPORT", summary.export_type)
    if summary.filter_specification not in (None, msgspec.Raw(b"null")):
        raise _other_kind("no FilterSpecification", "a filter")
    return summary


def _listed(raw: bytes) -> list[ListedFile]:
    name = f"{FILES}.json"
    listed = [
        _decoded(line, ListedFile, f"{name} line {number}")
        for number, line in enumerate(raw.split(b"\n"), 1)
        if line.strip()
    ]
    for number, each in enumerate(listed, 1):
        if each.item_count < 0:
            raise damaged(f"{name} line {number}", "a count of items", each.item_count)
    return listed


def _relative(summary: Summary, listed: Sequence[ListedFile]) -> list[str]:
    """Data keys relative to the export's folder. They are what the manifest's own key is relative to, so a copied or
    renamed export still reads; a key that leaves the folder is refused before anything of it is read."""
    folder, _, name = summary.manifest_files_s3_key.rpartition("/")
    if name != f"{FILES}.json":
        raise damaged(f"{SUMMARY}.json", f"a manifestFilesS3Key ending in {FILES}.json", repr(name[:80]))
    keys: list[str] = []
    for each in listed:
        key = each.data_file_s3_key
        try:
            if not key.startswith(f"{folder}/"):
                raise InputError("another folder")
            keys.append(confined(key.removeprefix(f"{folder}/")))
        except InputError as error:
            raise _outside(key, folder) from error
    if len(set(keys)) != len(keys):
        twice = next(key for position, key in enumerate(keys) if key in keys[:position])
        raise damaged(f"{FILES}.json", "every data file listed once", f"{twice} listed twice")
    return keys


def _present(
    store: ObjectStore, keys: Sequence[str], listed: Sequence[ListedFile]
) -> tuple[tuple[SourceFile, ...], int]:
    there = {info.key: info.size for info in store.list()}
    files = []
    for index, (key, each) in enumerate(zip(keys, listed, strict=True)):
        size = there.get(key)
        if size is None:
            # Not listed, but perhaps reached through a link: inside it is as good as a file, outside it is refused.
            try:
                info = store.stat(key)
            except InputError as error:
                raise _outside(key, store.uri) from error
            if info is None:
                raise damaged(key, "a data file", "none")
            size = info.size
        files.append(SourceFile(index, key, each.item_count, _md5(each.md5_checksum, f"{FILES}.json"), size))
    data = {key for key in there if key.endswith(".json.gz")}
    return tuple(files), len(data - set(keys))


def _content(store: ObjectStore, name: str, unchecked: list[str]) -> bytes:
    """A manifest's bytes, compared with its checksum file; a name without one is added to `unchecked`."""
    key = f"{name}.json"
    info = store.stat(key)
    if info is None:
        raise damaged(key, "a manifest", "none")
    if info.size > _LARGEST:
        raise damaged(key, f"at most {_LARGEST} bytes", f"{info.size} bytes")
    raw = store.read(key)
    found = hashlib.md5(raw, usedforsecurity=False).hexdigest()
    sums = [f"{name}.{ending}" for ending in CHECKSUMS if store.exists(f"{name}.{ending}")]
    for each in sums:
        expected = _md5(store.read(each).decode("latin-1").strip(), each)
        if found != expected:
            raise damaged(key, f"md5 {expected}, as {each} says", f"md5 {found}")
    if not sums:
        unchecked.append(key)
    return raw


def _md5(text: str, where: str) -> str:
    """An md5 in hex, from hex or base64. Raises ExportError for anything else."""
    try:
        digest = bytes.fromhex(text) if len(text) == 32 else base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        digest = b""
    if len(digest) != 16:
        raise damaged(where, "an md5 in base64 or hex", repr(text[:40]))
    return digest.hex()


def _decoded(raw: bytes, shape: type[_T], name: str) -> _T:
    try:
        return msgspec.json.decode(raw, type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise damaged(name, "whole JSON with AWS's fields", str(error)[:200]) from error


def _other_kind(expected: str, found: str) -> ExportError:
    return ExportError(
        f"{SUMMARY}.json: expected an export with {expected}, found {found[:40]}; a migration needs every item",
        remedy=f"Export the table again, with {expected}.",
        file=f"{SUMMARY}.json",
        expected=expected,
        found=found[:40],
    )


def _outside(key: str, folder: str) -> ExportError:
    return ExportError(
        f"{FILES}.json: the data key {key[:200]!r} is outside the export's folder {folder!r}; it was not read",
        file=f"{FILES}.json",
        expected=f"a key below {folder}/",
        found=key[:200],
    )
