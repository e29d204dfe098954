"""Takes credentials out of text before it reaches a log, a message or a screen."""

from __future__ import annotations

import re
from collections.abc import Iterable

HIDDEN = "***"
# user:password@ in a URL (the password may itself hold "@": the last one before the host counts), password=… in a
# libpq string or a query, signed-URL parameters, bearer tokens
_PATTERNS = (
    (re.compile(r"(\w[\w+.-]*://[^\s/:@]*):\S*@"), rf"\1:{HIDDEN}@"),
    (re.compile(r"(?i)\b((?:password|passwd|pwd|secret|token|api[_-]?key|X-Amz-\w+)\s*[=:]\s*)('[^']*'|[^\s,;&]+)"),
     rf"\1{HIDDEN}"),
    (re.compile(r"(?i)\b(bearer\s+)\S+"), rf"\1{HIDDEN}"),
)  # fmt: skip


def redact(text: str, secrets: Iterable[str | None] = ()) -> str:
    """`text` without the given secrets and without what looks like a credential."""
    for secret in sorted({secret for secret in secrets if secret}, key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text


def one_line(text: str, most: int = 300) -> str:
    """`text` on one line, at most `most` characters long."""
    text = " ".join(text.split())
    return text if len(text) <= most else text[: most - 1] + "…"
