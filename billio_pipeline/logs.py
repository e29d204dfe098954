"""What the program says of its own work on stderr: lines for people, or with BILLIO_LOG=json one JSON object each.

BILLIO_LOG_LEVEL is the least severe level that is said, WARNING unless set. Passwords, tokens and signatures are taken
out of whatever is logged, tracebacks and extra fields included: a second lock, for callers leave them out already.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, TextIO

from billio_pipeline.errors import BillioError, ConfigurationError
from billio_pipeline.report.text import redacted

FORMS = ("human", "json")
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
LOGGERS = ("billio_pipeline", "assets", "resources")

# What every record has of its own; whatever else one carries came with `extra=`.
_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
# Names whose values are secret whatever they look like.
_SECRET_NAMES = ("password", "passwd", "secret", "token", "credential", "dsn")
_HIDDEN = "•••"


class JsonLines(logging.Formatter):
    """One JSON object per record: time (ISO-8601 UTC), level, logger, message, then `extra` fields and any error."""

    def format(self, record: logging.LogRecord) -> str:
        said: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": redacted(record.getMessage()),
        }
        fields = {name: clean(name, value) for name, value in vars(record).items() if name not in _OWN}
        said |= {name: value for name, value in fields.items() if name not in said}
        if record.exc_info and record.exc_info[1] is not None:
            error = record.exc_info[1]
            said["error"] = {"class": type(error).__name__, "message": redacted(str(error))}
            if isinstance(error, BillioError):
                said["error"] |= {name: clean(name, value) for name, value in error.as_dict().items()}
            said["traceback"] = redacted(self.formatException(record.exc_info))
        return json.dumps(said, ensure_ascii=False, default=lambda value: redacted(str(value)))


class People(logging.Formatter):
    """One line per record, its `extra` fields behind the message; a traceback on the lines below."""

    def format(self, record: logging.LogRecord) -> str:
        clock = datetime.fromtimestamp(record.created, UTC).strftime("%H:%M:%S")
        fields = {name: clean(name, value) for name, value in vars(record).items() if name not in _OWN}
        more = "".join(f" {name}={value}" for name, value in fields.items())
        line = f"{clock} {record.levelname.lower():<8} {redacted(record.getMessage())}{more}"
        if record.exc_info and record.exc_info[1] is not None:
            line += "\n" + redacted(self.formatException(record.exc_info))
        return line


def clean(name: str, value: object) -> Any:
    """`value` as it may be logged under `name`: texts redacted to any depth, secrets by name hidden whole."""
    if any(each in name.lower() for each in _SECRET_NAMES):
        return _HIDDEN
    if isinstance(value, str):
        return redacted(value)
    if isinstance(value, Mapping):
        return {str(key): clean(str(key), held) for key, held in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [clean("", held) for held in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    return redacted(str(value))


def configure(env: Mapping[str, str] | None = None, stream: TextIO | None = None) -> None:
    """Send our loggers to stderr as the environment says. Safe to call again; the root logger is left alone.

    Raises ConfigurationError when BILLIO_LOG or BILLIO_LOG_LEVEL has a value that means nothing.
    """
    env = os.environ if env is None else env
    form = (env.get("BILLIO_LOG") or FORMS[0]).lower()
    level = (env.get("BILLIO_LOG_LEVEL") or "WARNING").upper()
    if form not in FORMS:
        raise ConfigurationError(f"BILLIO_LOG is {form!r}", remedy=f"Set it to one of: {', '.join(FORMS)}.")
    if level not in LEVELS:
        raise ConfigurationError(f"BILLIO_LOG_LEVEL is {level!r}", remedy=f"Set it to one of: {', '.join(LEVELS)}.")
    handler = _Ours(stream or sys.stderr)
    handler.setFormatter(JsonLines() if form == "json" else People())
    for name in LOGGERS:
        logger = logging.getLogger(name)
        logger.handlers = [*(each for each in logger.handlers if not isinstance(each, _Ours)), handler]
        logger.setLevel(level)
        logger.propagate = False


@contextmanager
def heard(name: str, listener: Callable[[], None]) -> Iterator[None]:
    """Call `listener` for each record of level INFO or above logged under `name` while the block runs, said or not."""
    logger = logging.getLogger(name)
    said, own = logger.getEffectiveLevel(), logger.level

    def hear(record: logging.LogRecord) -> bool:
        if record.levelno >= logging.INFO:
            listener()
        return record.levelno >= said

    logger.setLevel(min(said, logging.INFO))
    logger.addFilter(hear)
    try:
        yield
    finally:
        logger.removeFilter(hear)
        logger.setLevel(own)


class _Ours(logging.StreamHandler[TextIO]):
    """Marks the handler that `configure` set, so that it is replaced and no other is."""
