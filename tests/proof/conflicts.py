"""Row 4: 40001 at COMMIT, resets, terminated backends, expired connections on 1, 10 and 50 % of transactions."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from random import Random
from typing import Any
from unittest.mock import patch
from urllib.parse import urlsplit

import psycopg
from loading import load, opened, total

from assets.billio.model import SYSTEM
from assets.factory.assets import _loaded_metadata
from billio_pipeline.migrate.prepare import prepare
from billio_pipeline.settings import Settings
from billio_pipeline.stores.dynamodb import open_source
from billio_pipeline.stores.sql import retry
from billio_pipeline.stores.sql.dsql_mode import DsqlModeConnection, Faults
from billio_pipeline.stores.sql.target import Target
from proof import inputs, settled
from proof.outcome import Outcome, Workspace
from proof.resets import resets

ITEMS, FILES = 300, 6
RATES = (0.01, 0.1, 0.5)
# Ends the session at the COMMIT of every `rate`-th transaction that writes a ledger row. Sequences aren't rolled back.
_TERMINATE = """
    CREATE SEQUENCE struck;
    CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      PERFORM pg_terminate_backend(pg_backend_pid()) WHERE random() < {rate} AND nextval('struck') > 0;
      RETURN NULL;
    END $$;
    CREATE CONSTRAINT TRIGGER die AFTER INSERT ON _billio_ledger DEFERRABLE INITIALLY DEFERRED
      FOR EACH ROW EXECUTE FUNCTION die()
"""


@dataclass
class Struck:
    """How often a fault struck: what the retries must come to. None: the server doesn't say."""

    times: int | None = None


def run(n: int, seed: int, workspace: Workspace) -> Outcome:
    """`n` loads, going round the four faults at their three rates."""
    random = Random(seed)
    export = inputs.generated(workspace.folder / "export", ITEMS, seed, FILES)
    settings = workspace.settings()
    stage = prepare(open_source(str(export.path), SYSTEM, settings), SYSTEM, settings, "stage")
    combinations = [(name, rate) for rate in reversed(RATES) for name in FAULTS]
    failures: list[str] = []
    counted: Counter[str] = Counter()
    longest = 0.0
    for number in range(n):
        name, rate = combinations[number % len(combinations)]
        with workspace.database(guarded=name in ("conflict", "expired")) as dsn:
            with opened(dsn, settings):
                pass
            with _pauses() as pauses, FAULTS[name](workspace, dsn, settings, rate, random) as (target, struck):
                try:
                    done = load(target, stage)
                except Exception as error:
                    failures.append(f"{name} at {rate:.0%}: {type(error).__name__}: {error}")
                    continue
            longest = max([longest, *pauses])
            told: Counter[str] = Counter()
            for each in done.values():
                metadata = _loaded_metadata(SYSTEM, each)
                told.update(metadata["retries_by_code"])
                if metadata["retries"] != sum(each.retries.values()):
                    failures.append(f"{name}: the metadata counts other retries")
            counted[name] += told.total()
            if struck.times is not None and told.total() < struck.times:
                failures.append(f"{name} at {rate:.0%}: struck {struck.times} times, {dict(told)} counted")
            if (total(done, "rows") + total(done, "present"), total(done, "conflicts")) != (ITEMS, 0):
                failures.append(f"{name} at {rate:.0%}: {total(done, 'rows')} rows of {ITEMS}")
            found = settled.troubles(dsn, settings, stage.path, export, finished=False)
            failures += [f"{name} at {rate:.0%}: {each}" for each in found]
    if longest > retry.BACKOFF.most:
        failures.append(f"a pause of {longest:.1f} s")
    failures += [f"{name} never struck" for name in FAULTS if n >= len(combinations) and not counted[name]]
    figure = f"{n} loads, {counted.total()} retries counted in metadata, longest pause {longest:.2f} s: all converged"
    return Outcome.of(failures, n, figure, retries=dict(counted))


@contextmanager
def _pauses() -> Iterator[list[float]]:
    """The pauses the retry loop makes meanwhile, in seconds."""
    pauses: list[float] = []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        time.sleep(seconds)

    with patch.object(retry, "time", _Sleeping(sleep)):
        yield pauses


@dataclass
class _Sleeping:
    """`time`, as far as the retry loop uses it."""

    sleep: Any


Fault = Iterator[tuple[Target, Struck]]


@contextmanager
def _conflict(workspace: Workspace, dsn: str, settings: Settings, rate: float, random: Random) -> Fault:
    """40001 at COMMIT, raised by the server."""
    with Target.open(dsn, replace(settings, dsql_occ_rate=rate)) as target:
        yield target, Struck()


@contextmanager
def _reset(workspace: Workspace, dsn: str, settings: Settings, rate: float, random: Random) -> Fault:
    """A TCP reset at COMMIT, before or after the server took it."""
    address = urlsplit(dsn)
    with (
        resets(workspace.postgres.port, rate, random) as proxy,
        Target.open(dsn.replace(f":{address.port}/", f":{proxy.port}/"), settings) as target,
    ):
        struck = Struck()
        yield target, struck
        struck.times = proxy.count


@contextmanager
def _terminated(workspace: Workspace, dsn: str, settings: Settings, rate: float, random: Random) -> Fault:
    """The backend is ended by the server while it commits."""
    struck = Struck()
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(_TERMINATE.format(rate=rate).encode())
        with Target.open(dsn, settings) as target:
            yield target, struck
        found = connection.execute("SELECT last_value, is_called FROM struck").fetchone() or (0, False)
        connection.execute("DROP TRIGGER die ON _billio_ledger")
    struck.times = found[0] if found[1] else 0


@contextmanager
def _expired(workspace: Workspace, dsn: str, settings: Settings, rate: float, random: Random) -> Fault:
    """The connection is beyond its lifetime when a transaction begins, as after DSQL's hour."""
    struck = Struck(0)
    begin = DsqlModeConnection.transaction

    def transaction(self: DsqlModeConnection, *args: Any, **named: Any) -> Any:
        if random.random() < rate:
            struck.times = (struck.times or 0) + 1
            self.faults, self._born = Faults(lifetime=3600.0), self._born - 7200.0
        return begin(self, *args, **named)

    with patch.object(DsqlModeConnection, "transaction", transaction), Target.open(dsn, settings) as target:
        yield target, struck


FAULTS = {"conflict": _conflict, "reset": _reset, "terminated": _terminated, "expired": _expired}
