"""Connections to Aurora DSQL: an IAM token for each, TLS checked against Amazon's roots, through AWS's own connector.

Only the connector mints tokens; here is what it is asked for. Its retry stays off: ours counts and asks the ledger.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import psycopg

from billio_pipeline.errors import ConfigurationError
from billio_pipeline.settings import Settings
from billio_pipeline.stores.sql.address import Address

# A token is checked when a connection opens, never later: minutes are plenty, and a leaked one is soon worthless.
TOKEN_SECONDS = 300


def connection_class() -> type[psycopg.Connection[Any]]:
    """The connector's connection class. Raises ConfigurationError where the `aws` extra isn't installed."""
    try:
        from aurora_dsql_psycopg import DSQLConnection
    except ImportError as error:
        raise ConfigurationError(
            f"Aurora DSQL needs a package that isn't installed: {error.name}",
            remedy="Install the extra: pip install 'billio-pipeline[aws]'.",
        ) from None
    return DSQLConnection


def session(address: Address, settings: Settings, keepalive: dict[str, int], seconds: int) -> dict[str, Any]:
    """What the connector is given: host, user (`admin` unless the DSN says), database, region, TLS verify-full.

    The region is read from the endpoint by the connector; the settings' one completes a bare cluster id. A password in
    the DSN is dropped: the connector sets the token in its place.
    """
    given = {name: value for name, value in address.params.items() if name not in ("password", "options")}
    host = str(given["host"])
    params = {
        "user": "admin",
        "dbname": "postgres",
        "application_name": "billio",
        "token_duration_secs": TOKEN_SECONDS,
        **keepalive,
        **given,
        "sslmode": "verify-full",
        "sslrootcert": str(given.get("sslrootcert") or os.environ.get("PGSSLROOTCERT") or amazon_roots()),
        "connect_timeout": seconds,
    }
    if ".dsql" not in host:
        params["region"] = settings.region
    return params


def amazon_roots() -> Path:
    """The certificate bundle of botocore, which holds Amazon's roots: libpq's wheel knows no system bundle."""
    import botocore

    return Path(botocore.__file__).with_name("cacert.pem")
