"""What a table holds as one number: a digest of every value in row order, however the rows are cut into blocks."""

from __future__ import annotations

import hashlib

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_BYTES = 16


class Contents:
    """Takes a table's rows block by block, in the order of their key, and tells their fingerprint.

    Column by column two streams are hashed (blake2b, 16 bytes): of each value's length in bytes (texts) or its presence
    (1 or 0), NULL being −1 for texts; and of the values themselves, texts as UTF-8, others as little-endian 64-bit
    integers (days, microseconds, 0 for NULL). The fingerprint is the hash over names, Arrow types and these digests, so
    equal rows under equal names have equal fingerprints whatever server, run, file or block they come from; tables with
    a text key must be sorted by the same collation.
    """

    def __init__(self, schema: pa.Schema) -> None:
        self._schema = schema
        self._streams = [(_hash(), _hash()) for _ in schema]

    def add(self, block: pa.Table) -> None:
        """Add rows behind those already added. `block` has the schema's columns in their order."""
        for (marks, values), column in zip(self._streams, block.columns, strict=True):
            for chunk in column.chunks:
                _add_text(chunk, marks, values) if pa.types.is_string(chunk.type) else _add_fixed(chunk, marks, values)

    @property
    def fingerprint(self) -> str:
        """32 hexadecimal digits."""
        whole = _hash()
        for field, (marks, values) in zip(self._schema, self._streams, strict=True):
            name = field.name.encode()
            whole.update(b"%d:%s %s " % (len(name), name, str(field.type).encode()))
            whole.update(marks.digest() + values.digest())
        return whole.hexdigest()


def _hash() -> hashlib.blake2b:
    return hashlib.blake2b(digest_size=_BYTES)


def _add_text(chunk: pa.StringArray, marks: hashlib.blake2b, values: hashlib.blake2b) -> None:
    lengths = pc.fill_null(pc.binary_length(chunk), -1)
    marks.update(lengths.to_numpy(zero_copy_only=False).astype("<i4").tobytes())
    full = pc.fill_null(chunk, "")  # behind a NULL there may be bytes
    _, offsets, data = full.buffers()
    if data is not None and len(full):
        ends = np.frombuffer(offsets, np.int32)[full.offset : full.offset + len(full) + 1]
        values.update(memoryview(data)[ends[0] : ends[-1]])


def _add_fixed(chunk: pa.Array, marks: hashlib.blake2b, values: hashlib.blake2b) -> None:
    marks.update(pc.is_valid(chunk).to_numpy(zero_copy_only=False).astype("u1").tobytes())
    if pa.types.is_date32(chunk.type):
        chunk = chunk.cast(pa.int32())
    values.update(pc.fill_null(chunk.cast(pa.int64()), 0).to_numpy(zero_copy_only=False).astype("<i8").tobytes())
