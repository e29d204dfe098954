"""Arrow columns as PostgreSQL's binary format, without a Python object per row: for COPY and for array parameters.

Each column becomes one or two binary Arrow arrays (lengths and values); joining them row by row in Arrow's C++ yields
the stream itself. A value that has no exact binary form is refused with ValueError; nothing is rounded or truncated.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

Shape = Literal["fixed", "time", "uuid", "bytes", "jsonb", "bool"]

# Bytes encoded at a time: what a worker holds, beside the rows themselves.
BLOCK_BYTES = 4 * 1024 * 1024
_HEADER = b"PGCOPY\n\xff\r\n\0" + struct.pack("!ii", 0, 0)
_TRAILER = struct.pack("!h", -1)
_EPOCH_2000 = 946_684_800_000_000
# PostgreSQL's own range: 4714-11-24 BC to the end of 294276; Arrow's int64 ends inside that year's century.
_FIRST_TIME = -210_866_803_200_000_000
_DASHES = (8, 13, 18, 23)
_HEX_PLACES = np.array([place for place in range(36) if place not in _DASHES])
_BAD = 255
_NIBBLE = np.full(256, _BAD, np.uint8)
_NIBBLE[np.frombuffer(b"0123456789abcdef", np.uint8)] = np.arange(16, dtype=np.uint8)


@dataclass(frozen=True)
class Encoding:
    """How values of one SQL type are sent: the Arrow type they come as, their shape and, where fixed, numpy's type."""

    arrow: pa.DataType
    shape: Shape
    oid: int
    array_oid: int
    numpy: str = ""


# By pg_type.typname; OIDs are PostgreSQL's own and never change. A varchar is sent as text: its length is the column's.
ENCODINGS: Mapping[str, Encoding] = {
    "uuid": Encoding(pa.string(), "uuid", 2950, 2951),
    "text": Encoding(pa.string(), "bytes", 25, 1009),
    "varchar": Encoding(pa.string(), "bytes", 25, 1009),
    "json": Encoding(pa.string(), "bytes", 114, 199),
    "jsonb": Encoding(pa.string(), "jsonb", 3802, 3807),
    "bytea": Encoding(pa.binary(), "bytes", 17, 1001),
    "int2": Encoding(pa.int16(), "fixed", 21, 1005, ">i2"),
    "int4": Encoding(pa.int32(), "fixed", 23, 1007, ">i4"),
    "int8": Encoding(pa.int64(), "fixed", 20, 1016, ">i8"),
    "timestamptz": Encoding(pa.timestamp("us", tz="UTC"), "time", 1184, 1185, ">i8"),
    "bool": Encoding(pa.bool_(), "bool", 16, 1000),
}


def encode(rows: pa.Table, types: Mapping[str, str]) -> Iterator[bytes]:
    """The COPY BINARY stream of `rows`, in blocks of about BLOCK_BYTES; `types` maps each column to a key of ENCODINGS.

    Raises ValueError naming column and row when a value can't be sent, KeyError for a type without an encoding.
    """
    yield _HEADER
    for first, length in _blocks(rows):
        yield _encode_block(rows.slice(first, length), types, first)
    yield _TRAILER


def encode_array(values: pa.ChunkedArray, typname: str) -> bytes:
    """`values` as one binary parameter of the type's array type. Raises ValueError as `encode` does."""
    encoding = ENCODINGS[typname]
    head = struct.pack("!iii", 0 if len(values) == 0 else 1, int(values.null_count > 0), encoding.oid)
    if len(values) == 0:
        return head
    try:
        joined = _join(_pieces(_one_chunk(values, encoding.arrow), encoding, b""))
    except ValueError as error:
        raise ValueError(f"{typname}[]: {error}") from None
    return head + struct.pack("!ii", len(values), 1) + joined


def _blocks(rows: pa.Table) -> Iterator[tuple[int, int]]:
    """(first row, rows) of slices of about BLOCK_BYTES: cut where the sum of the variable-length bytes says so."""
    if rows.num_rows == 0:
        return
    sizes = np.full(rows.num_rows, 12 * rows.num_columns, np.int64)
    for column in rows.columns:
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type) or pa.types.is_binary(column.type):
            sizes += pc.fill_null(pc.binary_length(column), 0).to_numpy().astype(np.int64)
    ends = np.cumsum(sizes)
    first = 0
    while first < rows.num_rows:
        before = ends[first - 1] if first else 0
        last = int(np.searchsorted(ends, before + BLOCK_BYTES, side="right"))
        last = max(last, first + 1)
        yield first, last - first
        first = last


def _encode_block(rows: pa.Table, types: Mapping[str, str], first: int) -> bytes:
    pieces: list[pa.Array] = []
    prefix = struct.pack("!h", rows.num_columns)
    for name, column in zip(rows.column_names, rows.columns, strict=True):
        encoding = ENCODINGS[types[name]]
        try:
            pieces += _pieces(_one_chunk(column, encoding.arrow), encoding, prefix)
        except ValueError as error:
            raise ValueError(f"column {name}, rows {first} to {first + rows.num_rows - 1}: {error}") from None
        prefix = b""
    return _join(pieces)


def _one_chunk(column: pa.ChunkedArray, wanted: pa.DataType) -> pa.Array:
    """The column as one array of the wanted type. Raises ArrowInvalid, a ValueError, if that would change a value."""
    if column.type != wanted:
        if pa.types.is_timestamp(wanted) and (not pa.types.is_timestamp(column.type) or column.type.tz is None):
            raise ValueError(f"{column.type} says no instant: expected {wanted}")
        column = column.cast(wanted)
    whole = column.combine_chunks()
    return whole if isinstance(whole, pa.Array) else pa.concat_arrays(whole.chunks)


def _join(pieces: list[pa.Array]) -> bytes:
    """Row by row, the pieces end to end: the data buffer of the joined array is the stream."""
    joined = pc.binary_join_element_wise(
        *pieces, pa.scalar(b"", pa.large_binary()), null_handling="replace", null_replacement=""
    )
    offsets, data = joined.buffers()[1:]
    first, last = np.frombuffer(offsets, np.int64, len(joined) + 1, joined.offset * 8)[[0, -1]]
    return memoryview(data)[first:last].tobytes() if data is not None else b""


def _pieces(values: pa.Array, encoding: Encoding, prefix: bytes) -> list[pa.Array]:
    """The arrays whose row-wise concatenation is `prefix`, the value's length (−1: NULL), the value."""
    if encoding.shape == "bytes":
        return [_lengths(values, prefix), values.cast(pa.binary()).cast(pa.large_binary())]
    if encoding.shape == "jsonb":
        return [_lengths(values, prefix, version=b"\x01"), values.cast(pa.binary()).cast(pa.large_binary())]
    if encoding.shape == "uuid":
        content = _uuid_bytes(values)
    elif encoding.shape == "bool":
        content = _filled(values, False).to_numpy(zero_copy_only=False).astype(np.uint8)[:, None]
    elif encoding.shape == "time":
        content = _time_bytes(values, encoding.numpy)
    else:
        numbers = _filled(values, 0).to_numpy().astype(encoding.numpy)
        content = numbers.view(np.uint8).reshape(len(values), -1)
    head = _tiled(prefix + struct.pack("!i", content.shape[1]), len(values))
    whole = np.concatenate([head, content], axis=1)
    if values.null_count == 0:
        return [_fixed(whole)]
    return [_ragged(whole, values, len(prefix))]


def _lengths(values: pa.Array, prefix: bytes, version: bytes = b"") -> pa.Array:
    """Per row: `prefix`, the length as int4, and jsonb's version byte; NULLs have length −1 and no version byte."""
    lengths = pc.fill_null(pc.binary_length(values), -1 - len(version)).to_numpy().astype(np.int64) + len(version)
    if lengths.size and lengths.max() >= 2**31:
        raise ValueError("a value of 2 GiB or more")
    content = lengths.astype(">i4").view(np.uint8).reshape(len(values), 4)
    whole = np.concatenate([_tiled(prefix, len(values)), content, _tiled(version, len(values))], axis=1)
    if not version or values.null_count == 0:
        return _fixed(whole)
    return _ragged(whole, values, len(prefix))


def _tiled(text: bytes, rows: int) -> np.ndarray:
    """The same bytes in each row of a matrix."""
    return np.broadcast_to(np.frombuffer(text, np.uint8), (rows, len(text)))


def _fixed(matrix: np.ndarray) -> pa.Array:
    """A matrix of bytes as a binary array, a row each."""
    rows, width = matrix.shape
    offsets = np.arange(rows + 1, dtype=np.int64) * width
    data = np.ascontiguousarray(matrix)
    return pa.Array.from_buffers(pa.large_binary(), rows, [None, pa.py_buffer(offsets), pa.py_buffer(data)])


def _ragged(matrix: np.ndarray, values: pa.Array, prefix: int) -> pa.Array:
    """As `_fixed`, but rows whose value is null end after the length, which becomes −1."""
    null = pc.is_null(values).to_numpy(zero_copy_only=False)
    matrix = np.array(matrix)
    matrix[null, prefix : prefix + 4] = 255
    widths = np.where(null, prefix + 4, matrix.shape[1])
    kept = matrix[np.arange(matrix.shape[1]) < widths[:, None]]
    offsets = np.concatenate([[0], np.cumsum(widths)]).astype(np.int64)
    return pa.Array.from_buffers(pa.large_binary(), len(matrix), [None, pa.py_buffer(offsets), pa.py_buffer(kept)])


def _filled(values: pa.Array, with_value: object) -> pa.Array:
    return pc.fill_null(values, with_value) if values.null_count else values


def _uuid_bytes(values: pa.Array) -> np.ndarray:
    """16 bytes a row. Raises ValueError unless every value is a lower-case uuid in its 36-character spelling."""
    values = _filled(values, "00000000-0000-0000-0000-000000000000")
    if pc.any(pc.not_equal(pc.binary_length(values), 36)).as_py():
        raise ValueError(_bad_uuid(values, pc.not_equal(pc.binary_length(values), 36).to_numpy(zero_copy_only=False)))
    if len(values) == 0:
        return np.empty((0, 16), np.uint8)
    offsets, data = values.buffers()[1:]
    start = int(np.frombuffer(offsets, np.int32, 1, values.offset * 4)[0])
    text = np.frombuffer(data, np.uint8, len(values) * 36, start).reshape(-1, 36)
    digits = _NIBBLE[text[:, _HEX_PLACES]]
    wrong = (digits == _BAD).any(axis=1) | (text[:, _DASHES] != ord("-")).any(axis=1)
    if wrong.any():
        raise ValueError(_bad_uuid(values, wrong))
    return (digits[:, ::2] << 4) | digits[:, 1::2]


def _bad_uuid(values: pa.Array, wrong: np.ndarray) -> str:
    place = int(np.argmax(wrong))
    return f"{values[place].as_py()[:80]!r} (row {place} of these) is not a lower-case uuid"


def _time_bytes(values: pa.Array, numpy: str) -> np.ndarray:
    """int64 microseconds since 2000-01-01 UTC. Raises ValueError before 4714 BC, where PostgreSQL's calendar starts."""
    micros = _filled(values.cast(pa.int64()), _EPOCH_2000).to_numpy()
    if micros.size and micros.min() < _FIRST_TIME:
        raise ValueError(f"a time of {micros.min()} µs is before 4714 BC")
    return (micros - _EPOCH_2000).astype(numpy).view(np.uint8).reshape(len(micros), 8)
