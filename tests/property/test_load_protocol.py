"""The load protocol, checked against a model: batches, ledger, crashes, retries, lost answers, two runners, meddlers.

The real Loader on a real PostgreSQL in DSQL mode; the model is two sets. After every step the table and the ledger hold
exactly what the model says. What the protocol needs is shown by taking it away: each ablation is caught.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from threading import Barrier
from typing import Any, ClassVar
from unittest.mock import patch

import psycopg
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from loading import all_batches, opened
from staging import staged
from wire import plain

from assets.billio.model import SYSTEM
from billio_pipeline.migrate import ledger, load
from billio_pipeline.migrate.batch import Batch, compare
from billio_pipeline.migrate.load import Loaded, Loader
from billio_pipeline.settings import Settings
from billio_pipeline.stores.retry import Backoff, Retries
from billio_pipeline.stores.sql.dsql_mode import Faults
from billio_pipeline.stores.sql.retry import run_transaction
from billio_pipeline.stores.sql.target import Target

pytestmark = pytest.mark.slow

FATES = ("well", "crash before COMMIT", "crash after COMMIT", "conflict at COMMIT", "answer lost")
CRASHES = {fate for fate in FATES if fate.startswith("crash")}
RECORD = ledger.record
QUICK = Backoff(tries=20, first=0.001, most=0.02)
FILES, ROWS = 3, 2
QUIET = settings(
    max_examples=60, stateful_step_count=20, deadline=None, database=None, derandomize=True, phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)  # fmt: skip


class Crash(Exception):
    """The process dies here, as far as the target can tell: an open transaction is rolled back, the rest is lost."""


@dataclass
class Protocol:
    """The protocol's own parts: what an ablation replaces."""

    record: Callable[[Any, Batch], None] = RECORD
    compare: Callable[..., tuple[pa.Table, pa.Table]] = compare
    after_commit: Callable[[Batch | None], None] = lambda batch: None


@dataclass
class World:
    """A target with its tables, and the batches to load into it."""

    target: Target
    batches: list[Batch]
    protocol: Protocol = field(default_factory=Protocol)

    def asked(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        with self.target.connection() as connection:
            cursor = connection.execute(query.encode(), values)
            return cursor.fetchall() if cursor.description else []

    @contextmanager
    def fated(self, fate: str) -> Iterator[None]:
        """Within the block, what the Loader does next meets its fate, once."""
        protocol, pending = self.protocol, [fate]
        recorded: list[Batch] = []

        def record(connection: Any, batch: Batch) -> None:
            protocol.record(connection, batch)
            recorded.append(batch)
            if pending == ["crash before COMMIT"]:
                raise Crash
            if pending == ["conflict at COMMIT"]:
                pending.clear()
                raise psycopg.errors.SerializationFailure("change conflicts with another transaction: (OC000)")
            if pending == ["answer lost"]:
                pending.clear()
                connection.faults = Faults(drop_rate=1.0)

        def transaction(*args: Any, **named: Any) -> Any:
            result = run_transaction(*args, **{**named, "backoff": QUICK})
            if pending == ["crash after COMMIT"]:
                raise Crash
            protocol.after_commit(recorded[-1] if recorded else None)
            return result

        with ExitStack() as stack:
            stack.enter_context(patch.object(load.ledger, "record", record))
            stack.enter_context(patch.object(load, "run_transaction", transaction))
            stack.enter_context(patch.object(load, "compare", protocol.compare))
            yield

    def load(self, number: int, committed: set[str]) -> Loaded:
        return Loader(self.target, SYSTEM, "Book", "insert").run([self.batches[number]], committed, loaders=1)

    def committed(self) -> set[str]:
        return ledger.committed(self.target, self.batches[0].export_id, "Book")


class LoadProtocol(RuleBasedStateMachine):
    """Two runners over the same batches, each at its own pace, and somebody who meddles with the target by hand."""

    world: ClassVar[World]

    @initialize()
    def empty(self) -> None:
        self.rows: dict[str, str] = {}  # key → "ours" or "theirs"
        self.listed: set[str] = set()
        self.runners: list[Any] = [None, None]  # each: (what the ledger said, number of the next batch)
        self.world.asked("DELETE FROM items")
        self.world.asked("DELETE FROM _billio_ledger")

    # -- the runners ----------------------------------------------------------------------------------------------

    @rule(runner=st.integers(0, 1))
    def begin(self, runner: int) -> None:
        """A run starts, or starts again after a crash: it asks the ledger first."""
        self.runners[runner] = (self.world.committed(), 0)

    @rule(runner=st.integers(0, 1), fate=st.sampled_from(FATES))
    def step(self, runner: int, fate: str) -> None:
        """A runner loads its next batch, and meets its fate."""
        if self.runners[runner] is None:
            self.begin(runner)
        committed, number = self.runners[runner]
        keys, due = self._keys(number), self._due(number)
        crashed, done = False, None
        with self.world.fated(fate):
            try:
                done = self.world.load(number, committed)
            except Crash:
                crashed = True
        assert crashed == (fate in CRASHES)
        if fate != "crash before COMMIT":
            self._committed(number)
        self._go_on(runner, crashed)
        if done:
            # A merge whose answer was lost is repeated, and finds what it wrote itself.
            assert done.rows in ({len(due), 0} if fate == "answer lost" else {len(due)})
            assert done.rows + done.present == len(keys)
            self._told(done, number)

    @precondition(lambda self: all(self.runners))
    @rule()
    def race(self) -> None:
        """Both load the first one's next batch at the same moment."""
        number = self.runners[0][1]
        due, start = self._due(number), Barrier(2)

        def one(runner: int) -> Loaded:
            start.wait(30)
            return self.world.load(number, self.runners[runner][0])

        with self.world.fated("well"), ThreadPoolExecutor(2) as pool:
            done = list(pool.map(one, (0, 1)))
        assert sum(each.rows for each in done) == len(due), "each row is written by one of them"
        self._committed(number)
        for runner, each in enumerate(done):
            self._told(each, number)
            self._go_on(runner, crashed=False)

    # -- the meddler ----------------------------------------------------------------------------------------------

    @rule(number=st.integers(0, FILES * ROWS - 1))
    def alter(self, number: int) -> None:
        """Somebody's row has one of our keys."""
        key = self._all()[number]
        self.world.asked(
            "INSERT INTO items (id, type, shelf, title) VALUES (%s, 'Book', 'Read', 'theirs')"
            " ON CONFLICT (id) DO UPDATE SET title = 'theirs'",
            key,
        )
        self.rows[key] = "theirs"

    @precondition(lambda self: self.rows)
    @rule(number=st.integers(0, FILES * ROWS - 1))
    def delete(self, number: int) -> None:
        """A row is gone although the ledger lists its batch."""
        key = self._all()[number]
        self.world.asked("DELETE FROM items WHERE id = %s", key)
        self.rows.pop(key, None)

    @precondition(lambda self: self.listed)
    @rule(number=st.integers(0, FILES - 1))
    def forget(self, number: int) -> None:
        """A ledger row is gone although its rows are there."""
        batch = self.world.batches[number]
        self.world.asked("DELETE FROM _billio_ledger WHERE batch_id = %s", batch.id)
        self.listed.discard(batch.id)

    # -- what has to hold -----------------------------------------------------------------------------------------

    @invariant()
    def target_is_the_model(self) -> None:
        """Nothing lost, doubled or overwritten; a batch and its ledger row came together or not at all."""
        found = self.world.asked("SELECT id::text, CASE title WHEN 'theirs' THEN title ELSE 'ours' END FROM items")
        assert sorted(found) == sorted(self.rows.items())
        assert {batch for (batch,) in self.world.asked("SELECT batch_id FROM _billio_ledger")} == self.listed

    def _keys(self, number: int) -> list[str]:
        return self.world.batches[number].rows["id"].to_pylist()

    def _all(self) -> list[str]:
        return [key for number in range(FILES) for key in self._keys(number)]

    def _due(self, number: int) -> list[str]:
        return [key for key in self._keys(number) if key not in self.rows]

    def _committed(self, number: int) -> None:
        self.rows |= dict.fromkeys(self._due(number), "ours")
        self.listed.add(self.world.batches[number].id)

    def _told(self, done: Loaded, number: int) -> None:
        theirs = [key for key in self._keys(number) if self.rows[key] == "theirs"]
        assert sorted(done.conflict_keys) == sorted(theirs), "a row that differs is reported, whoever wrote it"

    def _go_on(self, runner: int, crashed: bool) -> None:
        committed, number = self.runners[runner]
        self.runners[runner] = None if crashed or number + 1 == FILES else (committed, number + 1)


@pytest.fixture(scope="module")
def world(postgres_server, tmp_path_factory) -> Iterator[World]:
    name = postgres_server.create("template_dsql")
    home = Settings.from_env({"BILLIO_HOME": str(tmp_path_factory.mktemp("home"))})
    lines = [[plain(key=f"00000000-0000-4000-8000-{10 * f + n:012d}") for n in range(ROWS)] for f in range(FILES)]
    with opened(postgres_server.dsn(name), home) as target:
        yield World(target, all_batches(staged(home, *lines), "Book"))
    postgres_server.drop(name)


def check(world: World, protocol: Protocol) -> None:
    """Explore the protocol; an AssertionError names the steps that break it."""

    class Explored(LoadProtocol):
        pass

    world.protocol = protocol
    Explored.world = world
    run_state_machine_as_test(Explored, settings=QUIET)


def test_the_protocol_holds_whatever_happens(world: World) -> None:
    check(world, Protocol())


def _elsewhere(world: World) -> Callable[[Any, Batch], None]:
    """Record the batch in a transaction of its own, which may conflict as any other and is repeated as any other."""

    def record(_: Any, batch: Batch) -> None:
        run_transaction(world.target, lambda other: RECORD(other, batch), retries=Retries())

    return record


def test_a_ledger_row_committed_before_its_batch_is_caught(world: World) -> None:
    with pytest.raises(AssertionError):
        check(world, Protocol(record=_elsewhere(world)))


def test_a_ledger_row_committed_after_its_batch_is_caught(world: World) -> None:
    def after_commit(batch: Batch | None) -> None:
        if batch:
            _elsewhere(world)(None, batch)

    with pytest.raises(AssertionError):
        check(world, Protocol(record=lambda *_: None, after_commit=after_commit))


def test_keys_compared_without_their_contents_are_caught(world: World) -> None:
    def keys_only(wanted: pa.Table, present: pa.Table, key: str) -> tuple[pa.Table, pa.Table]:
        return compare(wanted, present, key)[0], wanted.slice(0, 0)

    with pytest.raises(AssertionError):
        check(world, Protocol(compare=keys_only))


def test_a_ledger_believed_without_looking_at_the_rows_is_caught(world: World, monkeypatch) -> None:
    place = Loader._place

    def believing(self: Loader, batch: Batch, listed: bool) -> None:
        if listed:
            self._done.present += batch.rows.num_rows
        else:
            place(self, batch, listed)

    monkeypatch.setattr(Loader, "_place", believing)
    with pytest.raises(AssertionError):
        check(world, Protocol())
