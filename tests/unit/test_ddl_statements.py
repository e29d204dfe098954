"""The statements a declaration becomes, per profile: order, names, index keys, identifiers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from assets.billio.model import SYSTEM
from billio_pipeline.model.tables import SqlIndex
from billio_pipeline.model.words import DeclarationError
from billio_pipeline.stores.sql.ddl import Key, index_for, statements, tables
from billio_pipeline.stores.sql.profiles import DSQL, POSTGRES, PROFILES

# The seed document's indexes; on DSQL the same without order, and NULLs where a backward scan wants them.
SEED = {
    "idx_type_moved": ('("type", "moved_at" DESC)', '("type", "moved_at")'),
    "idx_type_added": ('("type", "added_at" DESC)', '("type", "added_at")'),
    "idx_type_shelf_moved": ('("type", "shelf", "moved_at" DESC)', '("type", "shelf", "moved_at")'),
    "idx_type_shelf_added": ('("type", "shelf", "added_at" DESC)', '("type", "shelf", "added_at")'),
    "idx_type_title": ('("type", "title")', '("type", "title")'),
    "idx_external_id": ('("external_id") WHERE external_id IS NOT NULL',) * 2,
    "idx_series_id": (
        '("series_id", "moved_at" DESC) WHERE series_id IS NOT NULL',
        '("series_id", "moved_at") WHERE series_id IS NOT NULL',
    ),
    "idx_type_rating": ('("type", "rating" DESC NULLS LAST)', '("type", "rating" NULLS FIRST)'),
    "idx_type_shelf_rating": ('("type", "shelf", "rating" DESC NULLS LAST)', '("type", "shelf", "rating" NULLS FIRST)'),
}


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_all_nine_indexes_are_emitted_with_the_seeds_names_and_meaning(profile):
    emitted = {step.object: step.sql for step in statements(SYSTEM, profile) if step.kind == "index"}
    how = "ASYNC " if profile.async_ddl else ""
    place = 1 if profile is DSQL else 0
    assert emitted == {
        name: f'CREATE INDEX {how}IF NOT EXISTS "{name}" ON "public"."items" {keys[place]}'
        for name, keys in SEED.items()
    }


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_steps_are_numbered_and_ordered_tables_constraints_validation_indexes(profile):
    steps = statements(SYSTEM, profile)
    assert [step.name[:4] for step in steps] == [f"{number:04}" for number in range(1, 17)]
    assert [step.kind for step in steps] == ["table"] * 3 + ["constraint"] * 2 + ["validate"] * 2 + ["index"] * 9
    assert [step.phase for step in steps] == ["tables"] * 3 + ["finish"] * 13
    assert len({step.slug for step in steps}) == len({step.checksum for step in steps}) == len(steps)


def test_constraints_are_added_not_valid_and_validated_as_jobs_only_on_dsql():
    for profile, how in ((DSQL, "ASYNC "), (POSTGRES, "")):
        steps = {step.slug: step.sql for step in statements(SYSTEM, profile)}
        assert steps["chk_series_id"] == (
            'ALTER TABLE "public"."items" ADD CONSTRAINT "chk_series_id" '
            "CHECK (series_id IS NULL OR type = 'TvSeason') NOT VALID"
        )
        assert steps["items_series_id_fkey"] == (
            'ALTER TABLE "public"."items" ADD CONSTRAINT "items_series_id_fkey" '
            'FOREIGN KEY ("series_id") REFERENCES "public"."items" ("id") NOT VALID'
        )
        assert steps["validate_items_series_id_fkey"] == (
            f'ALTER TABLE {how}"public"."items" VALIDATE CONSTRAINT "items_series_id_fkey"'
        )


def test_a_step_keeps_its_identity_when_an_index_is_declared_before_it():
    grown = _with_indexes(SqlIndex("idx_new", ("shelf",)), *SYSTEM.target.indexes)
    before, after = statements(SYSTEM, DSQL), statements(grown, DSQL)
    assert {step.slug: step.checksum for step in before}.items() <= {step.slug: step.checksum for step in after}.items()


def test_the_json_column_takes_the_type_the_profile_says():
    for json_type in ("jsonb", "json", "text"):
        rows = tables(SYSTEM, replace(DSQL, json_type=json_type))[-1]
        assert (rows.column("data").type, rows.column("data").default) == (json_type, "'{}'")


@pytest.mark.parametrize(
    ("declared", "emitted"),
    [
        ("a", Key("a")),
        ("a ASC", Key("a")),
        ("a NULLS FIRST", Key("a", nulls_first=True)),
        ("a DESC", Key("a")),  # descending starts with NULLs; ascending ends with them: backward they agree
        ("a DESC NULLS FIRST", Key("a")),
        ("a DESC NULLS LAST", Key("a", nulls_first=True)),
    ],
)
def test_a_key_is_written_so_that_a_backward_scan_has_the_declared_order(declared, emitted):
    assert index_for(SqlIndex("i", (declared,)), DSQL).keys == (emitted,)


def test_an_ascending_key_behind_a_descending_one_is_refused_where_keys_have_no_order():
    mixed = SqlIndex("i", ("a DESC", "b"))
    with pytest.raises(DeclarationError, match="i: b ascends behind a descending key"):
        index_for(mixed, DSQL)
    assert [key.descending for key in index_for(mixed, POSTGRES).keys] == [True, False]


def test_a_key_that_is_not_a_column_is_refused():
    with pytest.raises(DeclarationError, match="is not a column"):
        index_for(SqlIndex("i", ("a); DROP TABLE items; --",)), POSTGRES)


def test_identifiers_are_quoted_whatever_they_hold():
    hostile = _with_indexes(SqlIndex('x" ON items (id); --', ("type",)))
    assert statements(hostile, POSTGRES)[-1].sql == (
        'CREATE INDEX IF NOT EXISTS "x"" ON items (id); --" ON "public"."items" ("type")'
    )


def _with_indexes(*indexes):
    target = replace(SYSTEM.target, indexes=indexes)
    return replace(SYSTEM, target=target, entities=tuple(replace(each, table=target) for each in SYSTEM.entities))
