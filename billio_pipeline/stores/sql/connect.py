"""How a connection to a target is opened: session settings, pace, and the first attempt.

Opens nothing but the one connection of `probe`. Messages name host, port and database, never a password.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, Literal

import psycopg

from billio_pipeline.errors import BillioError, ConfigurationError
from billio_pipeline.settings import Settings
from billio_pipeline.stores.sql import aws
from billio_pipeline.stores.sql.address import Address

Kind = Literal["postgres", "dsql-mode", "dsql"]

# A wrong endpoint must be told at once; a connection inside a region takes milliseconds, one with TLS and a token <1 s.
FIRST_ANSWER_SECONDS = 4.5
CONNECT_SECONDS = 4
# Aurora DSQL admits 100 new connections a second to a cluster; half of it leaves room for others.
CONNECTIONS_PER_SECOND = 50
# Dead peers are noticed after 30 + 3 × 10 s, below the five minutes after which load balancers forget a flow.
KEEPALIVE = {"keepalives": 1, "keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3}


def session(address: Address, kind: Kind, settings: Settings) -> dict[str, Any]:
    """Connection parameters for one kind of target; sessions in DSQL mode are set to behave as DSQL's do."""
    seconds = int(float(address.params.get("connect_timeout") or 0))
    seconds = min(seconds, CONNECT_SECONDS) if seconds > 0 else CONNECT_SECONDS
    if kind == "dsql":
        return aws.session(address, settings, KEEPALIVE, seconds)
    chosen = {"timezone": "UTC"}
    if kind == "dsql-mode":
        chosen |= {"default_transaction_isolation": r"repeatable\ read", "lock_timeout": "50ms"}
        if settings.dsql_occ_rate is not None:
            chosen["dsql.occ_rate"] = str(settings.dsql_occ_rate)
    options = " ".join([str(address.params.get("options") or ""), *(f"-c {k}={v}" for k, v in chosen.items())])
    return {
        "application_name": "billio",
        **KEEPALIVE,
        **address.params,
        "options": options.strip(),
        "client_encoding": "UTF8",
        "connect_timeout": seconds,
    }


class Pace:
    """Spaces calls out to `per_second`, over all threads of the process."""

    def __init__(self, per_second: float) -> None:
        self._interval = 1 / per_second
        self._lock = threading.Lock()
        self._next = 0.0

    def __call__(self) -> float:
        """Wait for a turn; the seconds waited."""
        with self._lock:
            now = time.monotonic()
            turn = max(now, self._next)
            self._next = turn + self._interval
        if turn > now:
            time.sleep(turn - now)
        return turn - now


PACE = Pace(CONNECTIONS_PER_SECOND)


def probe(address: Address, connect: Callable[[], psycopg.Connection[Any]]) -> Kind:
    """What answers at the address: plain PostgreSQL, one in DSQL mode, or Aurora DSQL.

    Raises ConfigurationError within FIRST_ANSWER_SECONDS, whatever hangs (a name server, a firewall, a full server).
    """
    answers: list[Kind | Exception] = []

    def ask() -> None:
        try:
            with connect() as connection:
                row = connection.execute("SELECT 1 FROM pg_namespace WHERE nspname = 'dsql_guard'").fetchone()
            answers.append("dsql" if address.aurora else "dsql-mode" if row else "postgres")
        except Exception as error:  # handed to the caller below
            answers.append(error)

    thread = threading.Thread(target=ask, name=f"probe {address.name}", daemon=True)
    thread.start()
    thread.join(FIRST_ANSWER_SECONDS)
    answer = answers[0] if answers else TimeoutError(f"no answer within {FIRST_ANSWER_SECONDS} s")
    if isinstance(answer, str):
        return answer
    if isinstance(answer, BillioError):
        raise answer
    raise unreachable(address, answer) from None


def unreachable(address: Address, error: Exception) -> ConfigurationError:
    """The configuration error a failed connection attempt amounts to, with a remedy for the cause it names."""
    said = " ".join(address.redact(str(error)).split())
    remedies = {
        "password authentication": "Check user and password of the DSN.",
        "no password supplied": "Add user and password to the DSN.",
        "does not exist": "Create the database, or correct its name (or the role's) in the DSN.",
        "too many": "Close other connections to the server, or raise its limit.",
        "starting up": "Wait until the server has started, then try again.",
        "certificate": "Check the host's certificate and sslrootcert.",
        "redentials": "Give the process AWS credentials: a profile, environment variables or a role.",
        "access denied": "Give the AWS identity dsql:DbConnectAdmin (or dsql:DbConnect) on the cluster.",
    }
    remedy = next((told for cause, told in remedies.items() if cause in said), "Check host and port; is the server up?")
    return ConfigurationError(f"can't connect to {address.name}: {said}", remedy=remedy, target=address.name)
