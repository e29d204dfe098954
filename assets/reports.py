"""The report sensors: a run made in the UI or by a schedule leaves the same report as one from the command line."""

from __future__ import annotations

from dagster import (
    DagsterRunStatus,
    DefaultSensorStatus,
    RunStatusSensorContext,
    RunStatusSensorDefinition,
    SkipReason,
    run_status_sensor,
)

from billio_pipeline.model.entity import AnySystem
from billio_pipeline.settings import Settings
from resources.run_report import write_run_report


def report_sensors(systems: tuple[AnySystem, ...]) -> list[RunStatusSensorDefinition]:
    """One sensor for runs that ended well, one for those that failed; both write home/reports/<system>-<run>.html."""

    def report(context: RunStatusSensorContext) -> SkipReason | None:
        written = [
            path
            for system in systems
            if (path := write_run_report(context.instance, context.dagster_run.run_id, system, Settings.from_env()))
        ]
        for path in written:
            context.log.info(f"report: {path}")
        return None if written else SkipReason("the run decoded no export")

    return [
        run_status_sensor(
            run_status=status,
            name=f"report_on_{word}",
            description="Writes the HTML report of a run from its check evaluations, whether they passed or not.",
            default_status=DefaultSensorStatus.RUNNING,
        )(report)
        for status, word in ((DagsterRunStatus.SUCCESS, "success"), (DagsterRunStatus.FAILURE, "failure"))
    ]
