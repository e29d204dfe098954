"""Every statement emitted is lint-clean for its profile; planted bad ones are caught, by dsql-lint or by our rules."""

from __future__ import annotations

from dataclasses import replace

import pytest

from assets.billio.model import SYSTEM
from billio_pipeline.stores.sql import lint as linting
from billio_pipeline.stores.sql.ddl import drop_index
from billio_pipeline.stores.sql.lint import columns_of, lint, lint_system, linter_version
from billio_pipeline.stores.sql.lint_rules import read_index
from billio_pipeline.stores.sql.profiles import DSQL, POSTGRES, PROFILES


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_every_emitted_statement_is_lint_clean(profile):
    assert [finding for finding in lint_system(SYSTEM, profile) if finding.level == "error"] == []


@pytest.mark.parametrize("json_type", ["json", "text"])
def test_statements_for_older_clusters_are_lint_clean(json_type):
    assert [f for f in lint_system(SYSTEM, replace(DSQL, json_type=json_type)) if f.level == "error"] == []


def test_dropping_an_index_is_lint_clean():
    assert lint({"drop": drop_index("idx_type_moved").as_string(None)}, DSQL, {}) == ()


def test_what_postgres_gets_is_caught_for_dsql():
    from billio_pipeline.stores.sql.ddl import statements

    named = {step.name: step.sql for step in statements(SYSTEM, POSTGRES)}
    rules = {(finding.statement[5:], finding.rule) for finding in lint(named, DSQL, columns_of(SYSTEM, DSQL))}
    assert {("idx_type_moved", "index_async"), ("idx_type_moved", "index_sort_direction")} <= rules
    assert ("validate_chk_series_id", "validate_constraint_async") in rules
    assert ("idx_type_rating", "nulls_order") in rules


@pytest.mark.parametrize(
    ("rule", "statement"),
    [
        ("nulls_order", "CREATE INDEX ASYNC i ON items (type, rating NULLS LAST)"),
        (
            "nulls_order",
            'CREATE INDEX ASYNC "i" ON public."items" ("type", "rating" nulls  last) WHERE id IS NULL',
        ),
        ("json_index_key", "CREATE INDEX ASYNC i ON items (data)"),
        ("json_index_key", "CREATE INDEX ASYNC i ON items ((data -> 'platforms'))"),
        ("json_index_key", "CREATE INDEX ASYNC IF NOT EXISTS i ON public.items (type, (data #> '{a,b}'))"),
        ("json_index_key", "CREATE INDEX ASYNC i ON items ((notes::jsonb))"),
        ("index_using", "CREATE INDEX ASYNC i ON items USING gin (data)"),
        ("serial_type", "CREATE TABLE t (id bigserial PRIMARY KEY)"),
        ("temp_table", "CREATE TEMP TABLE t (id int)"),
        ("truncate", "TRUNCATE items"),
        ("unsupported_savepoint", "SAVEPOINT s"),
        ("parse_error", "CREATE GARBAGE g"),
        ("check_not_valid", "ALTER TABLE items ADD CONSTRAINT c CHECK (rating > 0)"),
    ],
)
def test_a_planted_bad_statement_is_caught_and_named(rule, statement):
    named = {"good": "SELECT 1", "planted": statement, "after": "DELETE FROM items WHERE id = %s AND title LIKE '%%x'"}
    findings = lint(named, DSQL, columns_of(SYSTEM, DSQL))
    errors = [finding for finding in findings if finding.level == "error"]
    assert {(finding.statement, finding.rule) for finding in errors} >= {("planted", rule)}
    assert {finding.statement for finding in errors} == {"planted"}
    assert all(finding.suggestion for finding in errors)


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE INDEX ASYNC i ON items ((data->>'seasonNumber'), type)",
        "CREATE INDEX ASYNC i ON items ((data->'a'->>'b'))",
        "CREATE INDEX ASYNC i ON items (type, rating NULLS FIRST)",
        "CREATE INDEX ASYNC i ON items (type) INCLUDE (data)",
    ],
)
def test_what_dsql_accepts_is_not_caught(statement):
    assert [f for f in lint({"s": statement}, DSQL, columns_of(SYSTEM, DSQL)) if f.level == "error"] == []


def test_a_key_that_may_outgrow_its_limit_is_a_warning_with_the_sum():
    found = {finding.statement[5:]: finding for finding in lint_system(SYSTEM, DSQL)}
    assert set(found) == {"idx_type_title", "idx_external_id"}
    title = found["idx_type_title"]
    assert (title.rule, title.level) == ("index_key_bytes", "warning")
    assert "2216 bytes (type varchar(50) 200 + title varchar(500) 2000 + id uuid 16), dsql holds 1,024" in title.message
    assert "1036 bytes (external_id varchar(255) 1020 + id uuid 16)" in found["idx_external_id"].message


def test_a_key_without_upper_bound_is_a_warning():
    (finding,) = lint({"s": "CREATE INDEX i ON items (notes)"}, POSTGRES, columns_of(SYSTEM, POSTGRES))
    assert (finding.rule, finding.level) == ("index_key_bytes", "warning")
    assert "no upper bound (notes text unbounded)" in finding.message


def test_an_absent_linter_is_an_error_and_not_a_pass(monkeypatch):
    monkeypatch.setattr(linting, "linter", lambda: None)
    (finding,) = lint({"s": "SELECT 1"}, DSQL, {})
    assert (finding.rule, finding.level, finding.by) == ("not_linted", "error", "dsql-lint")
    assert "not installed" in finding.message


def test_a_linter_that_fails_is_an_error_and_not_a_pass(monkeypatch):
    monkeypatch.setattr(linting, "linter", lambda: "/bin/false")
    monkeypatch.setattr(linting, "_ISSUES", 7)
    (finding,) = lint({"s": "SELECT 1"}, DSQL, {})
    assert finding.rule == "not_linted"
    assert "ended with 1" in finding.message


def test_dsql_lint_tells_its_version():
    assert linter_version() is not None
    assert linter_version()[0].isdigit()


def test_an_index_statement_is_read_into_keys():
    index = read_index(
        "create unique index i on only a.t using btree (lower(x || ','), \"y,z\" desc nulls last) where (q)"
    )
    assert index is not None
    assert index.table == "t"
    assert [(key.text, key.order, key.nulls) for key in index.keys] == [
        ("lower(x || ',')", "", ""),
        ('"y,z"', "DESC", "LAST"),
    ]
    assert read_index("CREATE TABLE t (a int)") is None
