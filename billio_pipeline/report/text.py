"""Values as text a person can trust: nothing invisible, nothing endless, nothing secret, the changed part marked.

Everything that is shown passes through `visible`, which escapes HTML and spells out characters that would hide
or reorder others: controls, bidirectional overrides, zero-width characters, lone surrogates, bytes that are not UTF-8.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping
from datetime import datetime

from markupsafe import Markup, escape

LONGEST = 1_200  # characters of one value on the page; the files named beside it hold the rest
CONTEXT = 40  # unchanged characters shown on each side of a change
_JOINERS = "‌‍"  # ZWNJ and ZWJ, which scripts and emoji need and which reorder nothing
_HIDING = {"Cc", "Cf", "Cs", "Zl", "Zp"}
# A word of a command line or of libpq: quoted parts and bare characters, up to a space or the next URL parameter.
_WORD = r"""(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|[^\s&])+"""
_SECRETS = (
    (re.compile(r"(://[^:/?#\s@]*):\S*@"), r"\1:•••@"),
    (re.compile(rf"(?i)\b(\w*(?:password|passwd|secret\w*|token)\s*[=:]\s*){_WORD}"), r"\1•••"),
    (re.compile(r"(?i)(x-amz-(?:signature|credential)=)[^\s&]+"), r"\1•••"),
    (re.compile(rf"(?i)(--(?:password|secret|token)\s+){_WORD}"), r"\1•••"),
)


def plain(value: object) -> str:
    """Any plain value as one text: what is no UTF-8 kept as surrogates, dicts and lists as JSON, times in ISO form."""
    if isinstance(value, str):
        return value
    if isinstance(value, bytes | bytearray):
        return bytes(value).decode("utf-8", "surrogateescape")
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping | list | tuple):
        return json.dumps(value, ensure_ascii=False, default=str)
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def visible(value: object, longest: int = LONGEST) -> Markup:
    """`value` as safe HTML: escaped, hidden characters spelt out, cut after `longest` characters with a note."""
    if value is None:
        return Markup('<span class="nil">NULL</span>')
    text = plain(value)
    if text == "":
        return Markup('<span class="nil">empty</span>')
    cut = Markup('<span class="cut"> … {:,} more characters</span>').format(len(text) - longest)
    return _spelt(text[:longest]) + (cut if len(text) > longest else Markup(""))


def changed(source: object, target: object) -> tuple[Markup, Markup]:
    """Both values as HTML with the part that is not the same in both marked, and long equal parts left out."""
    if source is None or target is None:
        return visible(source), visible(target)
    one, two = plain(source), plain(target)
    start, end = shared(one, two)
    return _marked(one, start, end), _marked(two, start, end)


def shared(one: str, two: str) -> tuple[int, int]:
    """How many characters both begin with, and how many of the rest both end with; what is between was changed."""
    start = _common(one, two)
    return start, _common(one[start:][::-1], two[start:][::-1])


def spelt(text: str) -> str:
    """`text` for a terminal: characters that would hide, reorder or command are spelt out."""
    return "".join(_spelling(c)[1] if _hides(c) else c for c in text)


def redacted(text: str) -> str:
    """`text` without passwords, tokens and signatures: a second lock, for callers leave them out already."""
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text


def _marked(text: str, start: int, end: int) -> Markup:
    middle = text[start : len(text) - end]
    before, after = text[:start], text[len(text) - end :]
    mark = visible(middle) if middle else Markup('<span class="nil" title="nothing here">∅</span>')
    left, right = "…" * (len(before) > CONTEXT), "…" * (len(after) > CONTEXT)
    return Markup("{}{}<mark>{}</mark>{}{}").format(
        left, _spelt(before[-CONTEXT:]), mark, _spelt(after[:CONTEXT]), right
    )


def _common(one: str, two: str) -> int:
    """Length of the common start, without cutting a letter from the marks that stand on it."""
    length = min(len(one), len(two))
    same = next((i for i in range(length) if one[i] != two[i]), length)
    while same and any(same < len(text) and unicodedata.combining(text[same]) for text in (one, two)):
        same -= 1
    return same


def _spelt(text: str) -> Markup:
    return Markup("").join(
        Markup('<span class="ctl" title="{}">{}</span>').format(*_spelling(c)) if _hides(c) else escape(c) for c in text
    )


def _hides(character: str) -> bool:
    return unicodedata.category(character) in _HIDING and character not in _JOINERS


def _spelling(character: str) -> tuple[str, str]:
    """A name for it, and how to write it: `\\n`, `\\u202e`; a byte that is no UTF-8 as `\\xff`."""
    code = ord(character)
    name = unicodedata.name(character, f"U+{code:04X}")
    if 0xDC80 <= code <= 0xDCFF:
        return "byte that is not UTF-8, or a lone surrogate", f"\\x{code - 0xDC00:02x}"
    if character in "\n\r\t":
        return name, {"\n": "\\n", "\r": "\\r", "\t": "\\t"}[character]
    return name, f"\\u{code:04x}" if code < 0x10000 else f"\\u{{{code:x}}}"
