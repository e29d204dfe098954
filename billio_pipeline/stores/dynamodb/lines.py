"""A data file's lines, read once in a stream: gunzipped, hashed, counted, and checked by the time they end.

Nothing here is to be believed before the last block has come: only then are md5, gzip trailer and count known good.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, cast

from isal import isal_zlib

from billio_pipeline.errors import ExportError

READ = 1 << 20  # stored bytes per read
DECODED = 2 << 20  # decoded bytes per block of lines, about
# DynamoDB's 400 KB, written as verbosely as JSON allows, is some 6 MB; a longer line is no item, and memory is finite.
LONGEST = 64 << 20
_Broken = cast(type[Exception], isal_zlib.IsalError)


@dataclass(frozen=True)
class SourceFile:
    """One data file of a source. `key` is relative to the source; `md5` is hex; None where the source doesn't say."""

    index: int
    key: str
    items: int | None
    md5: str | None
    size: int | None


@dataclass(frozen=True)
class Lines:
    """Consecutive lines of a file without their newlines, none of them blank; `first` is the first one's number."""

    first: int
    lines: list[bytes]


class Hashed:
    """A stored file's bytes in chunks, with the md5 of all that were read."""

    def __init__(self, stream: BinaryIO, file: SourceFile) -> None:
        self._stream = stream
        self._file = file
        self._md5 = hashlib.md5(usedforsecurity=False)

    def __iter__(self) -> Iterator[bytes]:
        while chunk := self._next():
            self._md5.update(chunk)
            yield chunk

    def require(self) -> None:
        """Raise ExportError unless exactly the listed bytes were read."""
        expected, found = self._file.md5, self._md5.hexdigest()
        if expected is not None and found != expected:
            raise damaged(self._file.key, f"md5 {expected}", f"md5 {found}")

    def _next(self) -> bytes:
        try:
            return self._stream.read(READ)
        except OSError as error:
            raise damaged(self._file.key, "a file that can be read to its end", str(error)) from error


def damaged(file: str, expected: object, found: object) -> ExportError:
    """The error for a file that isn't what the export says it is."""
    return ExportError(f"{file}: expected {expected}, found {found}", file=file, expected=expected, found=found)


def read_lines(stream: BinaryIO, file: SourceFile) -> Iterator[Lines]:
    """Blocks of lines of a gzip data file. Raises ExportError, at the latest after the last block, when the gzip is
    not whole, its bytes are not those listed, or its items are not as many as listed."""
    stored = Hashed(stream, file)
    items = 0
    for block in _blocks(_gunzip(stored, file.key), file.key):
        items += len(block.lines)
        yield block
    stored.require()
    if file.items is not None and items != file.items:
        raise damaged(file.key, f"{file.items} items", f"{items} items")


def _gunzip(chunks: Hashed, name: str) -> Iterator[bytes]:
    """Decoded pieces of at most DECODED bytes. isal compares each member's CRC-32 and length with its trailer."""
    member = None
    for chunk in chunks:
        while chunk:
            if member is None:
                member = isal_zlib.decompressobj(31)
            yield from _pieces(member, chunk, name)
            if not member.eof:
                break
            # What follows a member is another member or, refused as one, trailing bytes.
            chunk, member = member.unused_data, None
    if member is not None:
        raise damaged(name, "a whole gzip file", "one cut short")


def _pieces(member: isal_zlib.Decompress, chunk: bytes, name: str) -> Iterator[bytes]:
    while True:
        try:
            piece = member.decompress(chunk, DECODED)
        except _Broken as error:
            raise damaged(name, "a whole gzip file", f"damage in it ({error})") from error
        if piece:
            yield piece
        chunk = member.unconsumed_tail
        # A full piece may have more behind it even when all input is taken.
        if member.eof or (not chunk and len(piece) < DECODED):
            return


def _blocks(pieces: Iterator[bytes], name: str) -> Iterator[Lines]:
    """Pieces cut at newlines, and nothing but newlines, into blocks of whole lines."""
    first = 1
    begun: list[bytes] = []
    begun_bytes = 0
    for piece in pieces:
        cut = piece.rfind(b"\n")
        if cut < 0:
            begun.append(piece)
            begun_bytes += len(piece)
            if begun_bytes > LONGEST:
                raise damaged(name, f"lines of at most {LONGEST >> 20} MB", f"line {first} is longer")
            continue
        begun.append(piece[:cut])
        lines = b"".join(begun).split(b"\n")
        begun = [piece[cut + 1 :]]
        begun_bytes = len(begun[0])
        yield from _without_blanks(Lines(first, lines))
        first += len(lines)
    if last := b"".join(begun):
        yield from _without_blanks(Lines(first, [last]))


def _without_blanks(block: Lines) -> Iterator[Lines]:
    """The block, or its runs between blank lines, so that every line given out is an item."""
    start = 0
    for position, line in enumerate(block.lines):
        if not line or line.isspace():
            if position > start:
                yield Lines(block.first + start, block.lines[start:position])
            start = position + 1
    if start == 0:
        yield block
    elif start < len(block.lines):
        yield Lines(block.first + start, block.lines[start:])
