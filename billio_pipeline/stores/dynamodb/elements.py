"""The elements of one large JSON array, as raw bytes, one at a time: memory holds one chunk and one element.

Finds where objects begin and end; whether what is inside is JSON is for whoever parses it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from billio_pipeline.stores.dynamodb.lines import LONGEST, damaged

_BLANK = re.compile(rb"[ \t\r\n]*")
# Outside a string only braces and quotes matter; a string ends at a quote no backslash escapes.
_OUTSIDE = re.compile(rb'[{}"]')
_STRING_END = re.compile(rb'["\\]')
_ARRAY = "a JSON array of objects"


def elements(chunks: Iterable[bytes], name: str) -> Iterator[bytes]:
    """Each top-level object of the array. Raises ExportError when the file is no array of objects, is cut short or
    goes on after its end."""
    source = iter(chunks)
    text = _Text(source, name)
    text.require(b"[")
    if not text.take(b"]"):
        while True:
            yield text.object()
            if text.take(b"]"):
                break
            text.require(b",")
    text.end()


class _Text:
    """A cursor over chunks that keeps only what isn't consumed yet."""

    def __init__(self, source: Iterator[bytes], name: str) -> None:
        self._source = source
        self._name = name
        self._held = b""
        self._at = 0

    def take(self, token: bytes) -> bool:
        """Whether the next byte that isn't blank is `token`; consumed if so."""
        if self._next() != token:
            return False
        self._at += 1
        return True

    def require(self, token: bytes) -> None:
        if not self.take(token):
            raise self._damaged(token.decode())

    def end(self) -> None:
        if self._next():
            raise self._damaged("the end of the file")

    def object(self) -> bytes:
        """The object that begins here, with all it holds."""
        if self._next() != b"{":
            raise self._damaged("an object")
        start, at, depth, in_string = self._at, self._at, 0, False
        while True:
            found = (_STRING_END if in_string else _OUTSIDE).search(self._held, at)
            if found is None or (found.group() == b"\\" and found.end() == len(self._held)):
                at = (len(self._held) if found is None else found.start()) - start
                self._more(start)
                start = 0
                continue
            at = found.end()
            token = found.group()
            if token == b'"':
                in_string = not in_string
            elif token == b"\\":
                at += 1
            else:
                depth += 1 if token == b"{" else -1
                if not depth:
                    self._at = at
                    return self._held[start:at]

    def _next(self) -> bytes:
        """The next byte that isn't blank, or nothing at the end of the file."""
        while True:
            blank = _BLANK.match(self._held, self._at)
            self._at = blank.end() if blank else self._at
            if self._at < len(self._held):
                return self._held[self._at : self._at + 1]
            self._held, self._at = next(self._source, b""), 0
            if not self._held:
                return b""

    def _more(self, start: int) -> None:
        """Read on inside an object that began at `start`; what came before it is let go."""
        chunk = next(self._source, b"")
        if not chunk:
            raise damaged(self._name, "a whole JSON array", "one cut short inside an element")
        self._held = self._held[start:] + chunk
        if len(self._held) > LONGEST:
            raise damaged(self._name, f"elements of at most {LONGEST >> 20} MB", "a longer one")

    def _damaged(self, wanted: str) -> Exception:
        found = self._held[self._at : self._at + 20]
        return damaged(self._name, f"{_ARRAY} ({wanted})", repr(found) if found else "the end of the file")
