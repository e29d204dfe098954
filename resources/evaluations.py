"""A run's asset check evaluations as plain rows: the one source of CLI JSON, report and alerts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, cast

from dagster import (
    AssetCheckEvaluation,
    AssetKey,
    DagsterEvent,
    DagsterEventType,
    DagsterInstance,
    JsonMetadataValue,
    MarkdownMetadataValue,
    MetadataValue,
    NullMetadataValue,
    TableMetadataValue,
)

PAGE = 200  # events per query: one event holds one check's metadata, which may carry a table

Severity = Literal["ERROR", "WARN"]


@dataclass(frozen=True)
class CheckRow:
    """One check's last outcome within one run. `asset` is the key joined by "/"; `metadata` holds plain values."""

    asset: str
    check: str
    passed: bool
    severity: Severity
    blocking: bool | None
    metadata: dict[str, object] = field(default_factory=dict)
    description: str | None = None
    partition: str | None = None

    @property
    def name(self) -> str:
        """`asset:check`, or `asset:check[partition]`."""
        return f"{self.asset}:{self.check}" + (f"[{self.partition}]" if self.partition else "")


def check_evaluations(instance: DagsterInstance, run_id: str) -> list[CheckRow]:
    """What the run's checks said, in the order they were first evaluated; a retried step's last word counts.

    Works while the run is under way, after it, and on an ephemeral instance. An unknown run has no rows.
    """
    rows: dict[str, CheckRow] = {}
    for event in _events(instance, run_id, DagsterEventType.ASSET_CHECK_EVALUATION):
        row = _row(cast(AssetCheckEvaluation, event.event_specific_data))
        rows[row.name] = row
    return list(rows.values())


def unevaluated_checks(instance: DagsterInstance, run_id: str) -> list[tuple[str, str]]:
    """(asset, check) of the checks this run planned and never evaluated: skipped behind a failure, or cut short."""
    planned = {
        (key.asset_key.to_user_string(), key.name): None
        for event in _events(instance, run_id, DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED)
        for key in [event.asset_check_planned_data.asset_check_key]
    }
    evaluated = {(row.asset, row.check) for row in check_evaluations(instance, run_id)}
    return [check for check in planned if check not in evaluated]


def _events(instance: DagsterInstance, run_id: str, kind: DagsterEventType) -> Iterator[DagsterEvent]:
    cursor = None
    while True:
        page = instance.get_records_for_run(run_id, cursor=cursor, of_type=kind, limit=PAGE)
        for record in page.records:
            yield record.event_log_entry.get_dagster_event()
        if not page.has_more:
            return
        cursor = page.cursor


def _row(evaluation: AssetCheckEvaluation) -> CheckRow:
    return CheckRow(
        asset=evaluation.asset_key.to_user_string(),
        check=evaluation.check_name,
        passed=evaluation.passed,
        severity="WARN" if evaluation.severity.value == "WARN" else "ERROR",
        blocking=evaluation.blocking,
        metadata={name: plain(value) for name, value in evaluation.metadata.items()},
        description=evaluation.description,
        partition=evaluation.partition,
    )


def plain(value: MetadataValue) -> object:
    """A metadata value as what json can hold: int, float, bool, str, list, dict or None."""
    if isinstance(value, JsonMetadataValue):
        return value.data
    if isinstance(value, MarkdownMetadataValue):
        return value.md_str
    if isinstance(value, NullMetadataValue):
        return None
    if isinstance(value, TableMetadataValue):
        return [dict(record.data) for record in value.records]
    inner = value.value
    if isinstance(inner, AssetKey):
        return inner.to_user_string()
    return inner if isinstance(inner, int | float | str | bool | None) else str(inner)
