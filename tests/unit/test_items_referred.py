"""A row that looks up a refused one is refused with it: its item would name what isn't there."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pyarrow.parquet as pq
from item_rows import fixture, staged_rows

from assets.algoitny.model import PLAN, PROBLEM, SYSTEM, TEST_CASE, USAGE, USER
from billio_pipeline.migrate.stage import ItemStage


def refused(stage: ItemStage) -> set[tuple[str, str]]:
    rows = pq.read_table(stage.quarantine, columns=["entity", "reason"]).to_pylist()
    return {(row["entity"], row["reason"]) for row in rows}


def test_what_refers_to_a_row_no_table_holds_is_refused_with_it(settings: Any) -> None:
    problem = fixture(PROBLEM, 1, metadata={"n": Decimal("1" * 39)})
    rows = {
        "Problem": [problem, fixture(PROBLEM, 2)],
        "TestCase": [fixture(TEST_CASE, 11)],
        "UsageLog": [fixture(USAGE, 9001), fixture(USAGE, 9002)],  # the second is of no problem
    }
    stage = staged_rows(settings, SYSTEM, rows)
    assert refused(stage) == {
        ("Problem", "over_dynamodb_limit"), ("TestCase", "reference_refused"), ("UsageLog", "reference_refused"),
    }  # fmt: skip
    counts = {name: (each["quarantined"], each["accepted"]) for name, each in stage.summary["counts"].items()}
    assert (counts["Problem"], counts["TestCase"], counts["UsageLog"]) == ((1, 1), (1, 0), (1, 1))


def test_what_refers_to_rows_that_share_a_key_is_refused_with_them(settings: Any) -> None:
    plans = [fixture(PLAN, 2), fixture(PLAN, 2, id=3)]  # of one name: one key
    stage = staged_rows(settings, SYSTEM, {"SubscriptionPlan": plans, "User": [fixture(USER, 7), fixture(USER, 8)]})
    assert refused(stage) == {("SubscriptionPlan", "key_conflict"), ("User", "reference_refused")}
    assert stage.summary["counts"]["User"]["accepted"] == 1
