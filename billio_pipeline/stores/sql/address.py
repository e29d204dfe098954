"""A target's address: the DSN forms understood, and what of them may be shown."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from billio_pipeline.errors import ConfigurationError

AURORA_HOST = re.compile(r"\.dsql[^.]*\.[a-z0-9-]+\.on\.aws$", re.IGNORECASE)
_FORMS = "postgresql://user:password@host:port/database or dsql://cluster-endpoint"


@dataclass(frozen=True)
class Address:
    """A target's place. `params` are libpq's and hold the password: they are never shown, nor is this object's repr."""

    name: str
    aurora: bool
    params: Mapping[str, Any] = field(repr=False)

    def redact(self, text: str) -> str:
        """`text` without the password, should a driver or a server quote it. A short one would be told by the gaps."""
        password = str(self.params.get("password") or "")
        return text.replace(password, "***") if len(password) > 4 else text


def parse(dsn: str) -> Address:
    """The address a DSN means. Raises ConfigurationError, without quoting the DSN, when it is malformed."""
    remedy = f"Write the target as {_FORMS}."
    try:
        if dsn.startswith("dsql://"):
            parts = urlsplit(dsn)
            if not parts.hostname or parts.password:
                raise ConfigurationError(
                    "the target DSN has no cluster endpoint, or a password it can't use", remedy=remedy
                )
            rest = dsn.removeprefix("dsql://")
            params = conninfo_to_dict(f"postgresql://{rest}")
            return Address(f"dsql://{parts.hostname}", True, params)
        params = conninfo_to_dict(dsn)
        make_conninfo("", **params)
        int(str(params.get("port") or 0)), float(params.get("connect_timeout") or 0)
    except (psycopg.Error, ValueError):
        # From None: the driver's message quotes the DSN, password included.
        raise ConfigurationError("the target DSN can't be read", remedy=remedy) from None
    host = str(params.get("host") or params.get("hostaddr") or "localhost")
    name = f"{host}:{params.get('port') or 5432}/{params.get('dbname') or params.get('user') or ''}"
    return Address(name, bool(AURORA_HOST.search(host)), params)
