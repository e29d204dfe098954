"""A full disk, told by whichever library met it, becomes one error that says where room is wanted."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pyarrow as pa

from billio_pipeline.errors import ConfigurationError

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# Arrow and DuckDB hand on the system's own words where they hand on no number.
_WORDS = tuple(os.strerror(each) for each in _FULL)


@contextmanager
def room(path: Path) -> Iterator[None]:
    """Raise ConfigurationError when what is written at `path` finds no room; other errors pass."""
    try:
        yield
    except (OSError, pa.ArrowException, duckdb.Error) as error:
        if getattr(error, "errno", None) in _FULL or any(word in str(error) for word in _WORDS):
            raise ConfigurationError(
                f"no space is left for {path}: {error}",
                remedy="Free space there, or set BILLIO_HOME to a folder with room; then run the same command again.",
            ) from error
        raise
