"""check_evaluations: what a run's checks said, as plain rows, whatever became of the run."""

import json

import dagster as dg
import pytest

from resources import evaluations
from resources.evaluations import check_evaluations, unevaluated_checks

BOOK = dg.AssetKey(["billio", "loaded", "Book"])
METADATA = {"source": 10, "missing": 3, "share": 0.5, "ok": True, "table": dg.MetadataValue.md("| a |")}


@dg.asset(
    key=BOOK,
    check_specs=[
        dg.AssetCheckSpec("count", asset=BOOK, blocking=True),
        dg.AssetCheckSpec("shelves_known", asset=BOOK),
    ],
)
def book():
    yield dg.MaterializeResult(
        check_results=[
            dg.AssetCheckResult(check_name="count", passed=False, metadata=METADATA),
            dg.AssetCheckResult(check_name="shelves_known", passed=False, severity=dg.AssetCheckSeverity.WARN),
        ]
    )


@dg.asset(key=["billio", "items"], deps=[BOOK], check_specs=[dg.AssetCheckSpec("parity", asset=["billio", "items"])])
def items():
    yield dg.MaterializeResult(check_results=[dg.AssetCheckResult(check_name="parity", passed=True)])


@pytest.fixture(scope="module")
def failed_run():
    with dg.instance_for_test() as instance:
        result = dg.materialize([book, items], instance=instance, raise_on_error=False)
        assert not result.success
        yield instance, result.run_id


def test_evaluations_are_read_from_a_failed_run(failed_run):
    count, shelves = check_evaluations(*failed_run)
    assert (count.asset, count.check, count.passed) == ("billio/loaded/Book", "count", False)
    assert (count.severity, count.blocking) == ("ERROR", True)
    assert count.metadata == {"source": 10, "missing": 3, "share": 0.5, "ok": True, "table": "| a |"}
    assert type(count.metadata["missing"]) is int
    assert (shelves.check, shelves.severity, shelves.blocking) == ("shelves_known", "WARN", False)
    json.dumps([count.metadata, shelves.metadata])


def test_a_check_behind_a_failure_is_named_as_unevaluated(failed_run):
    assert unevaluated_checks(*failed_run) == [("billio/items", "parity")]


def test_all_pages_are_read(failed_run, monkeypatch):
    monkeypatch.setattr(evaluations, "PAGE", 1)
    assert [row.check for row in check_evaluations(*failed_run)] == ["count", "shelves_known"]


def test_an_unknown_run_has_no_rows(failed_run):
    assert check_evaluations(failed_run[0], "00000000-0000-0000-0000-000000000000") == []


def test_a_retried_step_counts_once_with_its_last_word():
    @dg.asset(check_specs=[dg.AssetCheckSpec("count", asset="flaky")], retry_policy=dg.RetryPolicy(max_retries=1))
    def flaky(context: dg.AssetExecutionContext):
        second = context.retry_number == 1
        yield dg.AssetCheckResult(check_name="count", passed=second)
        if not second:
            raise RuntimeError("first try")
        yield dg.MaterializeResult()

    instance = dg.DagsterInstance.ephemeral()
    result = dg.materialize([flaky], instance=instance, raise_on_error=False)
    assert result.success
    rows = check_evaluations(instance, result.run_id)
    assert [(row.check, row.passed) for row in rows] == [("count", True)]
