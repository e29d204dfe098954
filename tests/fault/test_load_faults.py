"""Loading under faults: a row the target refuses, a crash after a commit, connections that die, answers lost."""

from __future__ import annotations

import psycopg
import pytest
from loading import accepted, asked, listed_batches, load, opened, same, total, verdict
from psycopg import sql
from staging import quarantine, staged
from wire import plain, written

from billio_pipeline.migrate.refused import add_refused
from billio_pipeline.model.refusal import Reason
from billio_pipeline.stores.sql.target import Target

BATCHES = 24


def uid(n: int) -> str:
    return f"00000000-0000-4000-8000-{n:012d}"


# A batch per file.
FILES = [[plain(key=uid(100 * file + n), notes={"S": f"{file}.{n}"}) for n in range(6)] for file in range(BATCHES)]
POISON = plain(key=uid(303), title={"S": "poison"})


@pytest.fixture
def stage(settings):
    return staged(settings, *FILES)


@pytest.fixture
def admin(postgres_server, dsql_database):
    with psycopg.connect(postgres_server.admin_dsn(dsql_database), autocommit=True) as connection:
        yield connection


@pytest.fixture
def target(dsql_database, settings):
    with opened(dsql_database, settings) as target:
        yield target


@pytest.fixture
def poisoned(settings, admin, target):
    """A stage with one row that the target, by a constraint somebody added, refuses."""
    # The guard is for applications: its superuser may pass it by.
    admin.execute("SET session_replication_role = replica")
    admin.execute("ALTER TABLE items ADD CONSTRAINT no_poison CHECK (title <> 'poison') NOT VALID")
    return staged(settings, *FILES[:3], [*FILES[3][:3], POISON, *FILES[3][4:]], *FILES[4:])


def test_a_row_the_target_refuses_is_found_by_halving_and_only_it_is_refused(target, poisoned):
    done = load(target, poisoned)
    ((batch, refusal),) = done["Book"].refused
    assert batch.rows["id"].to_pylist() == [uid(303)]
    assert refusal.reason is Reason.TARGET_REFUSED
    assert "23514" in refusal.message
    assert "no_poison" in refusal.message
    assert total(done, "rows") == accepted(poisoned) - 1
    found = verdict(target, poisoned)
    assert [(each["key"], each["source"]) for each in found.differences] == [(uid(303), "present")]


def test_a_refused_row_joins_the_quarantine_with_its_line_and_the_counts_still_add_up(target, poisoned):
    before = accepted(poisoned)
    done = load(target, poisoned)
    add_refused(poisoned, done.values())
    (refused,) = quarantine(poisoned)
    assert refused["original"] == written(POISON)
    assert (refused["entity"], refused["key"], refused["line"]) == ("Book", uid(303), 4)
    assert refused["file"] == poisoned.files()[3]
    assert poisoned.summary["counts"]["Book"] == {
        "source": 6 * BATCHES, "quarantined": 1, "excluded": 0, "accepted": before - 1,
    }  # fmt: skip
    assert same(target, poisoned), "it is no longer expected there"


def test_a_rerun_refuses_the_same_row_and_writes_nothing(target, poisoned):
    first = load(target, poisoned)
    ledger = listed_batches(target)
    again = load(target, poisoned)
    assert [batch.rows["id"].to_pylist() for batch, _ in again["Book"].refused] == [[uid(303)]]
    assert (total(first, "rows"), total(again, "rows")) == (6 * BATCHES - 1, 0)
    assert len(listed_batches(target)) == len(ledger)


class Crash(Exception):
    """The process dies here, as far as the loader can tell."""


@pytest.mark.parametrize("after", [1, 5, BATCHES])
def test_a_crash_after_a_commit_is_made_good_by_loading_again(target, stage, after):
    committed = []

    def crash(rows: int) -> None:
        committed.append(rows)
        if len(committed) == after:
            raise Crash

    with pytest.raises(Crash):
        load(target, stage, loaders=1, progress=crash)
    held = len(asked(target, "SELECT id FROM items"))
    assert held >= 6 * after
    done = load(target, stage)
    assert (total(done, "rows"), total(done, "present")) == (accepted(stage) - held, held)
    assert same(target, stage)
    assert len(listed_batches(target)) == BATCHES


def test_connections_killed_in_mid_load_cost_a_retry_and_nothing_else(target, stage, admin):
    killed = []

    def kill(rows: int) -> None:
        found = admin.execute(
            "SELECT count(*) FILTER (WHERE pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
        ).fetchone()
        killed.append(found[0])

    def first_batches(rows: int) -> None:
        if len(killed) < 4:
            kill(rows)

    done = load(target, stage, loaders=3, progress=first_batches)
    assert sum(killed) >= 4
    assert total(done, "rows") + total(done, "present") == accepted(stage)
    assert total(done, "conflicts") == 0
    assert same(target, stage)
    assert len(listed_batches(target)) == BATCHES


def test_commits_whose_answer_is_lost_are_looked_up_and_counted_once(dsql_database, settings, admin, stage):
    with opened(dsql_database, settings):
        pass
    name = sql.Identifier(admin.info.dbname)
    admin.execute(sql.SQL("ALTER DATABASE {} SET dsql.drop_rate = '0.5'").format(name))
    with Target.open(dsql_database, settings) as target:
        done = load(target, stage)
    admin.execute(sql.SQL("ALTER DATABASE {} RESET dsql.drop_rate").format(name))
    # 24 commits, half of which lose their answer: none does with a chance of 2⁻²⁴.
    assert done["Book"].retries["08006"] > 0
    assert (total(done, "rows"), total(done, "present")) == (accepted(stage), 0), "no row was taken for another's"
    with Target.open(dsql_database, settings) as target:
        assert same(target, stage)
        assert len(listed_batches(target)) == BATCHES
