"""Bringing a schema up, on plain PostgreSQL and in DSQL mode: repeatable, by phase, beside another, after a crash."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier

import psycopg
import pytest
from psycopg import sql

from assets.billio.model import SYSTEM
from billio_pipeline.errors import TargetError, UnfitTarget
from billio_pipeline.model.tables import Check, SqlIndex
from billio_pipeline.stores.sql import schema
from billio_pipeline.stores.sql.drift import drift
from billio_pipeline.stores.sql.target import Target

SERIES, SEASON = "00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002"


@pytest.fixture(params=["postgres", "dsql"])
def dsn(request):
    return request.getfixturevalue(f"{request.param}_database")


@pytest.fixture
def target(dsn, settings):
    with Target.open(dsn, settings, connections=2) as opened:
        yield opened


def declared(**changes):
    target = replace(SYSTEM.target, **changes)
    return replace(SYSTEM, target=target, entities=tuple(replace(each, table=target) for each in SYSTEM.entities))


def outcomes(results):
    return [result.outcome for result in results]


def recorded(target):
    with target.connection() as connection:
        return connection.execute("SELECT name, checksum FROM public._billio_migrations ORDER BY name").fetchall()


def add(target, id, type, series=None):
    with target.connection() as connection:
        connection.execute(
            "INSERT INTO public.items (id, type, shelf, title, series_id) VALUES (%s, %s, 'Watching', 't', %s)",
            (id, type, series),
        )


def run(target, statement):
    with target.connection() as connection:
        connection.execute(sql.SQL(statement))


def test_a_fresh_database_is_migrated_without_drift_and_every_step_recorded(target):
    results = schema.up(target, SYSTEM)
    assert outcomes(results) == ["applied"] * 16
    assert recorded(target) == [(result.step.name, result.step.checksum) for result in results]
    assert drift(target, SYSTEM) == []
    jobs = [result.job for result in results if result.step.kind in ("validate", "index")]
    assert all(jobs) == target.profile.async_ddl


def test_a_second_run_changes_nothing(target):
    schema.up(target, SYSTEM)
    before = recorded(target)
    assert outcomes(schema.up(target, SYSTEM)) == ["present"] * 16
    assert recorded(target) == before


def test_tables_come_first_and_the_rest_after_the_rows(target):
    told = []
    assert outcomes(schema.up(target, SYSTEM, phase="tables", progress=told.append)) == ["applied"] * 3
    assert [result.step.object for result in told] == ["_billio_migrations", "_billio_ledger", "items"]
    status = schema.status(target, SYSTEM)
    assert (len(status.applied), len(status.pending), status.drift) == (3, 13, ())
    add(target, SEASON, "TvSeason", SERIES)  # its series comes later: no foreign key stands in the way yet
    add(target, SERIES, "TvSeries")
    assert outcomes(schema.up(target, SYSTEM, phase="finish")) == ["applied"] * 13
    assert drift(target, SYSTEM) == []


def test_finishing_before_the_tables_is_refused(target):
    with pytest.raises(TargetError, match="no table _billio_migrations, _billio_ledger, items"):
        schema.up(target, SYSTEM, phase="finish")


def test_nothing_is_made_by_status_and_plan(target):
    status = schema.status(target, SYSTEM)
    assert (len(status.applied), len(status.pending), status.drift) == (0, 16, ())
    assert {planned.state for planned in schema.plan(target, SYSTEM)} == {"pending"}
    with target.connection() as connection:
        assert connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone() == (0,)


def test_rows_that_violate_the_foreign_key_fail_its_validation_by_name_and_nothing_else(target):
    schema.up(target, SYSTEM, phase="tables")
    add(target, SEASON, "TvSeason", SERIES)
    results = schema.up(target, SYSTEM, phase="finish")
    (failed,) = [result for result in results if not result.ok]
    assert (failed.step.kind, failed.step.object) == ("validate", "items_series_id_fkey")
    assert "items_series_id_fkey" in failed.message
    assert [(each.kind, each.name) for each in drift(target, SYSTEM)] == [
        ("unvalidated_constraint", "items_series_id_fkey")
    ]
    assert [each.step.slug for each in schema.status(target, SYSTEM).pending] == ["validate_items_series_id_fkey"]
    add(target, SERIES, "TvSeries")
    assert outcomes(schema.up(target, SYSTEM, phase="finish")).count("applied") == 1
    assert drift(target, SYSTEM) == []


def test_rows_that_violate_the_check_fail_its_validation_by_name(target):
    schema.up(target, SYSTEM, phase="tables")
    add(target, SERIES, "TvSeries")
    add(target, SEASON, "Book", SERIES)
    (failed,) = [result for result in schema.up(target, SYSTEM, phase="finish") if not result.ok]
    assert (failed.step.kind, failed.step.object) == ("validate", "chk_series_id")
    assert "chk_series_id" in failed.message


def test_what_was_made_but_not_recorded_is_recorded_and_left_alone(target):
    schema.up(target, SYSTEM)
    run(target, "DELETE FROM public._billio_migrations WHERE name LIKE '%idx%' OR name LIKE '%chk%'")
    assert len(schema.status(target, SYSTEM).pending) == 11
    assert outcomes(schema.up(target, SYSTEM)) == ["present"] * 16
    assert len(recorded(target)) == 16


def test_what_was_recorded_but_is_gone_is_made_again(target):
    schema.up(target, SYSTEM)
    run(target, "DROP INDEX public.idx_type_title")
    run(target, "ALTER TABLE public.items DROP CONSTRAINT items_series_id_fkey")
    assert {each.kind for each in schema.status(target, SYSTEM).drift} == {"missing_index", "missing_constraint"}
    results = schema.up(target, SYSTEM)
    assert [result.step.slug for result in results if result.outcome == "applied"] == [
        "items_series_id_fkey",
        "validate_items_series_id_fkey",
        "idx_type_title",
    ]
    assert drift(target, SYSTEM) == []


def test_two_at_once_make_one_schema(dsn, settings):
    gate = Barrier(3)

    def one(_):
        with Target.open(dsn, settings, connections=1) as target:
            gate.wait()
            return schema.up(target, SYSTEM)

    with ThreadPoolExecutor(3) as threads:
        every = list(threads.map(one, range(3)))
    assert all(result.ok for results in every for result in results)
    with Target.open(dsn, settings, connections=1) as target:
        assert drift(target, SYSTEM) == []
        assert len(recorded(target)) == 16


def test_a_statement_that_changed_while_its_object_did_not_is_recorded_anew(target):
    schema.up(target, SYSTEM)
    run(target, "UPDATE public._billio_migrations SET checksum = 'older' WHERE name LIKE '%idx_type_title'")
    assert outcomes(schema.up(target, SYSTEM)) == ["present"] * 16
    assert "older" not in dict(recorded(target)).values()


def test_a_recorded_migration_that_is_declared_otherwise_now_is_named_with_both_checksums(target):
    schema.up(target, SYSTEM)
    index = SqlIndex("idx_type_title", ("title", "type"))
    grown = declared(indexes=(*(each for each in SYSTEM.target.indexes if each.name != index.name), index))
    (result,) = [each for each in schema.up(target, grown) if not each.ok]
    old = next(checksum for name, checksum in recorded(target) if name.endswith("idx_type_title"))
    assert result.outcome == "different"
    assert "recorded as 0012_idx_type_title" in result.message
    assert old in result.message
    assert result.step.checksum in result.message
    assert "different_index idx_type_title: expected (title, type)" in result.message
    assert [each.step.object for each in schema.status(target, grown).changed] == ["idx_type_title"]


def test_an_index_declared_later_is_the_only_step_applied(target):
    schema.up(target, SYSTEM)
    grown = declared(indexes=(SqlIndex("idx_shelf", ("shelf",)), *SYSTEM.target.indexes))
    assert [each.step.object for each in schema.up(target, grown) if each.outcome == "applied"] == ["idx_shelf"]
    assert drift(target, grown) == []


def test_a_table_that_cannot_take_the_rows_is_refused_and_named(target):
    run(target, "CREATE TABLE public.items (id uuid PRIMARY KEY, title text, rating text)")
    with pytest.raises(UnfitTarget, match=r"items can't take the rows") as caught:
        schema.up(target, SYSTEM, phase="tables")
    with target.connection() as connection:
        made = connection.execute("SELECT to_regclass('public._billio_ledger')").fetchone()
    assert made == (None,), "nothing was made beside it"
    assert "missing_column items.shelf" in caught.value.message
    assert "column_type items.rating: expected integer, found text" in caught.value.message


def test_a_view_of_the_tables_name_is_a_clear_error_and_no_endless_loop(target):
    run(target, "CREATE VIEW public.items AS SELECT 1 AS id")
    with pytest.raises(TargetError, match="0003_items: it ran, yet: missing_table items"):
        schema.up(target, SYSTEM)


def test_a_constraint_the_target_refuses_fails_alone_and_says_why(target):
    schema.up(target, SYSTEM)
    broken = declared(checks=(*SYSTEM.target.checks, Check("chk_broken", "no_such_column IS NULL")))
    failed = [each for each in schema.up(target, broken) if not each.ok]
    assert [each.step.slug for each in failed] == ["chk_broken", "validate_chk_broken"]
    assert 'column "no_such_column" does not exist' in failed[0].message
    assert failed[0].sqlstate == "42703"


ORDERS = {
    "idx_type_moved": "type = 'Book' ORDER BY moved_at DESC",
    "idx_type_shelf_added": "type = 'Book' AND shelf = 'Read' ORDER BY added_at DESC",
    "idx_type_rating": "type = 'Book' ORDER BY rating DESC NULLS LAST",
    "idx_type_shelf_rating": "type = 'Book' AND shelf = 'Read' ORDER BY rating DESC NULLS LAST",
    "idx_series_id": f"series_id = '{SERIES}' ORDER BY moved_at DESC",
    "idx_type_title": "type = 'Book' ORDER BY title",
}


def test_an_index_serves_the_declared_order_without_a_sort(target):
    schema.up(target, SYSTEM)
    for index, query in ORDERS.items():
        with target.connection() as connection, connection.transaction():
            connection.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off")
            explain = sql.SQL("EXPLAIN SELECT * FROM public.items WHERE {}").format(sql.SQL(query))
            (first, *_) = connection.execute(explain).fetchone()
        backward = target.profile.name == "dsql" and "DESC" in query
        assert first.startswith(f"Index Scan {'Backward ' if backward else ''}using {index} ")


def test_a_role_without_the_right_to_create_is_told_so(dsn, settings, postgres_server):
    with psycopg.connect(postgres_server.admin_dsn(dsn), autocommit=True) as admin:
        admin.execute("DROP SCHEMA public CASCADE")
        admin.execute("CREATE SCHEMA public")
    with Target.open(dsn, settings, connections=1) as target, pytest.raises(UnfitTarget, match="permission denied"):
        schema.up(target, SYSTEM)
