"""Asynchronous DDL in DSQL mode: jobs are awaited, a failed one is told with its message, what it left is rebuilt."""

from __future__ import annotations

import threading

import psycopg
import pytest

from assets.billio.model import SYSTEM
from billio_pipeline.errors import TransientError
from billio_pipeline.stores.retry import Retries
from billio_pipeline.stores.sql import jobs, schema
from billio_pipeline.stores.sql.drift import drift
from billio_pipeline.stores.sql.target import Target

INDEX = "idx_type_title"
AFTER = "idx_type_rating"  # a step told of once the index before it has been judged and its job is being awaited


@pytest.fixture
def target(dsql_database, settings):
    with Target.open(dsql_database, settings, connections=2) as opened:
        yield opened


@pytest.fixture
def admin(dsql_database, postgres_server):
    with psycopg.connect(postgres_server.admin_dsn(dsql_database), autocommit=True) as connection:
        yield connection


def invalidate(admin):
    admin.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = %s::regclass", (INDEX,))


def list_job(admin, job_id, status, details=None):
    admin.execute("DELETE FROM sys.jobs WHERE object_name = %s", (f"public.{INDEX}",))
    admin.execute(
        "INSERT INTO sys.jobs VALUES (%s, %s, %s, 'INDEX_BUILD', NULL, NULL, %s, now(), now())",
        (job_id, status, details, f"public.{INDEX}"),
    )


def test_an_index_left_invalid_by_a_failed_job_is_dropped_and_rebuilt(target, admin):
    schema.up(target, SYSTEM)
    (before,) = admin.execute("SELECT %s::regclass::oid", (INDEX,)).fetchone()
    invalidate(admin)
    list_job(admin, "failedjob", "failed", "disk on fire")
    assert [each.kind for each in schema.status(target, SYSTEM).drift] == ["invalid_index"]
    results = schema.up(target, SYSTEM)
    assert [result.step.object for result in results if result.outcome == "applied"] == [INDEX]
    assert admin.execute("SELECT %s::regclass::oid", (INDEX,)).fetchone() != (before,)
    assert drift(target, SYSTEM) == []


def test_an_index_another_process_is_still_building_is_awaited_and_not_built_twice(target, admin):
    schema.up(target, SYSTEM)
    (before,) = admin.execute("SELECT %s::regclass::oid", (INDEX,)).fetchone()
    invalidate(admin)
    list_job(admin, "otherjob", "processing")
    asked = threading.Event()

    def complete():
        asked.wait(10)
        admin.execute("UPDATE pg_index SET indisvalid = true WHERE indexrelid = %s::regclass", (INDEX,))
        admin.execute("UPDATE sys.jobs SET status = 'completed' WHERE job_id = 'otherjob'")

    thread = threading.Thread(target=complete)
    thread.start()
    results = schema.up(target, SYSTEM, progress=lambda result: result.step.object == AFTER and asked.set())
    thread.join()
    (result,) = [result for result in results if result.outcome == "applied"]
    assert (result.step.object, result.job) == (INDEX, "otherjob")
    assert admin.execute("SELECT %s::regclass::oid", (INDEX,)).fetchone() == (before,)


def test_a_build_that_failed_is_reported_with_its_jobs_message_and_not_recorded(target, admin):
    schema.up(target, SYSTEM)
    admin.execute("DELETE FROM public._billio_migrations WHERE name LIKE %s", (f"%{INDEX}",))
    invalidate(admin)
    list_job(admin, "ourjob", "processing")
    asked = threading.Event()

    def fail():
        asked.wait(10)
        admin.execute("UPDATE sys.jobs SET status = 'failed', details = 'key too long' WHERE job_id = 'ourjob'")

    thread = threading.Thread(target=fail)
    thread.start()
    results = schema.up(target, SYSTEM, progress=lambda result: result.step.object == AFTER and asked.set())
    thread.join()
    (failed,) = [result for result in results if not result.ok]
    assert failed.step.object == INDEX
    assert "job ourjob failed: key too long" in failed.message
    assert "invalid_index" in failed.message
    recorded = admin.execute("SELECT count(*) FROM public._billio_migrations WHERE name LIKE %s", (f"%{INDEX}",))
    assert recorded.fetchone() == (0,)


def test_a_job_that_never_ends_is_given_up_by_name_and_left_alone(target, admin):
    list_job(admin, "slowjob", "processing")
    with pytest.raises(TransientError, match=r"job slowjob .* still processing") as caught:
        jobs.wait(target, "slowjob", Retries(), patience=0)
    assert caught.value.details["job"] == "slowjob"


def test_a_job_no_longer_listed_is_nothing_to_wait_for(target):
    assert jobs.wait(target, "forgotten", Retries()) is None


def test_conflicts_on_every_other_commit_still_end_with_a_whole_schema(dsql_database, settings, admin):
    name = psycopg.conninfo.conninfo_to_dict(dsql_database)["dbname"]
    admin.execute(psycopg.sql.SQL("ALTER DATABASE {} SET dsql.occ_rate = 0.5").format(psycopg.sql.Identifier(name)))
    retries = Retries()
    with Target.open(dsql_database, settings, connections=2) as target:
        assert all(result.ok for result in schema.up(target, SYSTEM, retries=retries))
        assert drift(target, SYSTEM) == []
    assert retries.as_dict()["40001"] > 0
