"""A run of a migration as the command line prints it: counts, quarantine, differences, checks, timings."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import pyarrow.parquet as pq
from dagster import DagsterEventType, DagsterInstance, DagsterRun, DagsterRunStatus

from billio_pipeline.migrate.stage import Stage, stage_at
from billio_pipeline.model.entity import AnySystem
from billio_pipeline.verify.reconcile import entity_counts
from resources.evaluations import CheckRow, check_evaluations, plain


@dataclass(frozen=True)
class Failure:
    """The step failure that ended a run: its message, and what our errors say of themselves."""

    step: str
    message: str
    metadata: dict[str, Any] = field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        return int(self.metadata.get("exit_code", 1))

    @property
    def expected(self) -> bool:
        """Raised on purpose, with a code and a remedy; anything else is a defect."""
        return "code" in self.metadata


@dataclass(frozen=True)
class RunResult:
    """What a run did. `stage` and `verdict` are None when the run ended before there was one."""

    system: AnySystem
    run: DagsterRun
    checks: list[CheckRow]
    failure: Failure | None
    stage: Stage | None
    verdict: dict[str, Any] | None
    seconds: dict[str, float]

    @property
    def quarantined(self) -> int:
        return sum(counts["quarantined"] for counts in self.entities().values())

    @property
    def failed(self) -> list[CheckRow]:
        """Failed checks of severity ERROR."""
        return [check for check in self.checks if not check.passed and check.severity == "ERROR"]

    def exit_code(self, allow_quarantine: bool) -> int:
        """0 fine; 1 a failed ERROR check, a conflict or quarantined items; 2 bad input or configuration."""
        if self.failure and self.failure.exit_code == 2:
            return 2
        if self.failure or self.failed or self.run.status != DagsterRunStatus.SUCCESS:
            return 1
        return 1 if self.quarantined and not allow_quarantine else 0

    def entities(self) -> dict[str, dict[str, int]]:
        """Counts per entity, as docs/guarantees.md defines them. Nothing compared yet: accepted items are missing."""
        if self.stage is None:
            return {}
        return entity_counts(self.stage.summary["counts"], self.verdict["counts"] if self.verdict else {})

    def reasons(self) -> dict[str, int]:
        """Quarantined items by reason code."""
        if self.stage is None:
            return {}
        found = pq.read_table(self.stage.quarantine, columns=["reason"])["reason"].to_pylist()
        return dict(sorted(Counter(found).items()))

    def as_dict(self, report: str | None) -> dict[str, Any]:
        """The JSON of migrate and verify."""
        answer: dict[str, Any] = {
            "system": self.system.name,
            "export": {k: v for k, v in self.stage.summary["export"].items() if k != "id"} if self.stage else None,
            "entities": self.entities(),
            "quarantine": {"path": str(self.stage.quarantine) if self.stage else None, "reasons": self.reasons()},
            "differences": self.verdict["differences"] if self.verdict else [],
            "differences_path": self.verdict["path"] if self.verdict else None,
            "checks": [
                {"asset": c.asset, "check": c.check, "passed": c.passed, "severity": c.severity, "metadata": c.metadata}
                for c in self.checks
            ],
            "seconds": self.seconds,
            "report": report,
            "run_id": self.run.run_id,
        }
        if self.failure:
            named = {k: v for k, v in self.failure.metadata.items() if k != "exit_code"}
            answer["error"] = {"message": self.failure.message, "step": self.failure.step, **named}
        return answer


def run_result(instance: DagsterInstance, run_id: str, system: AnySystem) -> RunResult:
    """Everything a finished run left behind, read from its events and its stage."""
    run = instance.get_run_by_id(run_id)
    if run is None:
        raise LookupError(f"no run {run_id}")
    stage = _stage(instance, run_id, system)
    verdict_path = stage.path / "verdict" / "verdict.json" if stage else Path("/nonexistent")
    return RunResult(
        system=system,
        run=run,
        checks=check_evaluations(instance, run_id),
        failure=_failure(instance, run_id),
        stage=stage,
        verdict=orjson.loads(verdict_path.read_bytes()) if verdict_path.exists() else None,
        seconds=_seconds(instance, run_id),
    )


def _stage(instance: DagsterInstance, run_id: str, system: AnySystem) -> Stage | None:
    for entry in instance.all_logs(run_id, of_type=DagsterEventType.ASSET_MATERIALIZATION):
        event = entry.get_dagster_event()
        metadata = event.step_materialization_data.materialization.metadata
        if event.asset_key and event.asset_key.path == [system.name, "quarantine"] and "stage" in metadata:
            return stage_at(Path(str(plain(metadata["stage"]))), system)
    return None


def _failure(instance: DagsterInstance, run_id: str) -> Failure | None:
    """The step failure to tell of: one raised on purpose before a defect, the first of its kind."""
    failures = list(_failures(instance, run_id))
    return next((each for each in failures if each.expected), failures[0] if failures else None)


def _failures(instance: DagsterInstance, run_id: str) -> Iterator[Failure]:
    """Step failures that aren't merely a failed blocking check."""
    for entry in instance.all_logs(run_id, of_type=DagsterEventType.STEP_FAILURE):
        event = entry.get_dagster_event()
        data = event.step_failure_data
        if data.user_failure_data:
            metadata = {name: plain(value) for name, value in data.user_failure_data.metadata.items()}
            yield Failure(event.step_key or "", data.user_failure_data.description or "", metadata)
        elif data.error and data.error.cls_name != "DagsterAssetCheckFailedError":
            cause = data.error.cause or data.error
            yield Failure(event.step_key or "", cause.message.strip())


def _seconds(instance: DagsterInstance, run_id: str) -> dict[str, float]:
    """Wall seconds per step, in the order they ran."""
    steps = [each for each in instance.get_run_step_stats(run_id) if each.start_time and each.end_time]
    steps.sort(key=lambda each: each.start_time or 0)
    return {each.step_key: round((each.end_time or 0) - (each.start_time or 0), 3) for each in steps}
