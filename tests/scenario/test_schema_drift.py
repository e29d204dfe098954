"""Drift is named: every class of it planted by hand, on plain PostgreSQL and in DSQL mode; none where there is none."""

from __future__ import annotations

from dataclasses import replace

import psycopg
import pytest

from assets.billio.model import SYSTEM
from billio_pipeline.stores.sql import schema
from billio_pipeline.stores.sql.ddl import statements
from billio_pipeline.stores.sql.drift import drift
from billio_pipeline.stores.sql.profiles import DSQL
from billio_pipeline.stores.sql.target import Target


@pytest.fixture(params=["postgres", "dsql"])
def dsn(request):
    return request.getfixturevalue(f"{request.param}_database")


@pytest.fixture
def target(dsn, settings):
    with Target.open(dsn, settings, connections=2) as opened:
        schema.up(opened, SYSTEM)
        yield opened


@pytest.fixture
def plant(target, dsn, postgres_server):
    """Runs statements as somebody with every right; CREATE INDEX says ASYNC where the target wants it."""

    def run(*planted):
        with psycopg.connect(postgres_server.admin_dsn(dsn), autocommit=True) as admin:
            for statement in planted:
                how = "/* dsql:async */" if target.profile.async_ddl else ""
                admin.execute(statement.replace(" ASYNC ", f" {how} "))

    return run


def found(target):
    return [(each.kind, each.name) for each in drift(target, SYSTEM)]


def test_nothing_is_named_on_a_freshly_migrated_database(target):
    assert found(target) == []


# One of each class; all stand in one table at once, so that each must be named and nothing else.
PLANTED = {
    "ALTER TABLE items DROP COLUMN notes": ("missing_column", "items.notes"),
    "ALTER TABLE items ADD COLUMN extra text": ("extra_column", "items.extra"),
    "ALTER TABLE items ALTER rating TYPE bigint": ("column_type", "items.rating"),
    "ALTER TABLE items ALTER title TYPE varchar(400)": ("column_type", "items.title"),
    "ALTER TABLE items ALTER shelf DROP NOT NULL": ("column_nullable", "items.shelf"),
    "ALTER TABLE items ALTER image_url SET NOT NULL": ("column_nullable", "items.image_url"),
    "ALTER TABLE items ALTER data SET DEFAULT '{\"a\": 1}'": ("column_default", "items.data"),
    "ALTER TABLE items ALTER added_at DROP DEFAULT": ("column_default", "items.added_at"),
    "ALTER TABLE items ALTER image_width SET DEFAULT 5": ("column_default", "items.image_width"),
    "DROP INDEX idx_type_title": ("missing_index", "idx_type_title"),
    "CREATE INDEX ASYNC mine ON items (shelf)": ("extra_index", "mine"),
    "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'idx_type_moved'::regclass":
        ("invalid_index", "idx_type_moved"),
    "ALTER TABLE items DROP CONSTRAINT chk_series_id": ("missing_constraint", "chk_series_id"),
    "ALTER TABLE items ADD CONSTRAINT high CHECK (rating < 99) NOT VALID": ("extra_constraint", "high"),
    "ALTER TABLE items ADD CONSTRAINT one UNIQUE (title)": ("extra_constraint", "one"),
    "ALTER TABLE _billio_ledger ALTER rows TYPE bigint": ("column_type", "_billio_ledger.rows"),
    "DROP TABLE _billio_migrations": ("missing_table", "_billio_migrations"),
}  # fmt: skip


def test_every_planted_difference_is_named_and_nothing_else(target, plant):
    plant(*PLANTED)
    assert sorted(found(target)) == sorted(PLANTED.values())


def test_an_index_of_our_name_with_other_keys_is_different(target, plant):
    for keys in (
        "(shelf, title)",
        "(type, title NULLS FIRST)",
        "(type)",
        "(type, title, shelf)",
        "(type, title) WHERE rating IS NULL",
        "(type, lower(title))",
        "(type, title) INCLUDE (shelf)",
    ):
        plant("DROP INDEX idx_type_title", f"CREATE INDEX ASYNC idx_type_title ON items {keys}")
        (difference,) = drift(target, SYSTEM)
        assert (difference.kind, difference.name) == ("different_index", "idx_type_title"), keys
        assert difference.expected == "(type, title)"
        assert "idx_type_title ON public.items" in difference.found


def test_a_partial_index_over_other_rows_is_different_and_one_said_otherwise_is_not(target, plant):
    plant(
        "DROP INDEX idx_external_id",
        "CREATE INDEX ASYNC idx_external_id ON items (external_id) WHERE (NOT (external_id IS NULL))",
        "DROP INDEX idx_series_id",
        "CREATE INDEX ASYNC idx_series_id ON items (series_id, moved_at) WHERE series_id IS NULL",
    )
    assert ("different_index", "idx_series_id") in found(target)
    assert ("different_index", "idx_external_id") not in found(target)


def test_a_constraint_of_our_name_that_says_something_else_is_different(target, plant):
    for name, body in (
        ("chk_series_id", "CHECK (series_id IS NULL OR type = 'TvSeries') NOT VALID"),
        ("chk_series_id", "CHECK (series_id IS NULL AND type = 'TvSeason') NOT VALID"),
        ("items_series_id_fkey", "FOREIGN KEY (series_id) REFERENCES items (id) ON DELETE CASCADE NOT VALID"),
        ("items_series_id_fkey", "FOREIGN KEY (id) REFERENCES items (id) NOT VALID"),
        ("chk_series_id", "UNIQUE (series_id)"),
    ):
        plant(f"ALTER TABLE items DROP CONSTRAINT {name}", f"ALTER TABLE items ADD CONSTRAINT {name} {body}")
        assert ("different_constraint", name) in found(target), body


def test_a_constraint_that_says_the_same_in_other_words_differs_only_in_not_being_validated(target, plant):
    plant(
        "ALTER TABLE items DROP CONSTRAINT chk_series_id",
        "ALTER TABLE items ADD CONSTRAINT chk_series_id "
        "CHECK ((((series_id) IS NULL) OR (type::text = ('TvSeason')::text))) NOT VALID",
    )
    assert found(target) == [("unvalidated_constraint", "chk_series_id")]


def test_another_primary_key_is_named(target, plant):
    plant(
        "ALTER TABLE items DROP CONSTRAINT items_pkey CASCADE",
        "ALTER TABLE items ADD PRIMARY KEY (id, type)",
    )
    assert found(target) == [("primary_key", "items"), ("missing_constraint", "items_series_id_fkey")]


def test_several_differences_are_all_named_with_both_sides(target, plant):
    plant("ALTER TABLE items DROP COLUMN rating", "ALTER TABLE items ALTER shelf TYPE text")
    assert [str(each) for each in drift(target, SYSTEM)][:2] == [
        "column_type items.shelf: expected character varying(50), found text",
        "missing_column items.rating: expected integer, found nothing",
    ]
    assert ("missing_index", "idx_type_rating") in found(target)


def test_a_table_of_the_same_name_in_another_schema_is_no_concern(target, plant):
    plant("CREATE SCHEMA elsewhere", "CREATE TABLE elsewhere.items (id int)")
    assert found(target) == []


@pytest.mark.parametrize("json_type", ["json", "text"])
def test_a_profile_with_another_json_type_migrates_without_drift(dsn, settings, json_type):
    with Target.open(dsn, settings, connections=2) as target:
        target.profile = replace(target.profile, json_type=json_type)
        assert all(result.ok for result in schema.up(target, SYSTEM))
        assert found(target) == []


def test_an_index_made_for_the_other_profile_is_drift(target, dsn, settings):
    other = {step.object: step for step in statements(SYSTEM, DSQL)}
    assert other["idx_type_rating"].sql.endswith('("type", "rating" NULLS FIRST)')
    if target.profile.name == "postgres":
        target.profile = DSQL
        kinds = {(each.kind, each.name) for each in drift(target, SYSTEM)}
        assert ("different_index", "idx_type_rating") in kinds
        assert ("different_index", "idx_type_title") not in kinds
