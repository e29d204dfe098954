"""The alert sensors: whatever became of a run, its failed checks and its own failure reach the Notifier, once each.

A failed check that doesn't block leaves its run a success, so a run-failure sensor alone would never fire for it.
"""

from __future__ import annotations

import logging
from logging import Logger

from dagster import (
    DagsterEventType,
    DagsterInstance,
    DagsterRun,
    DagsterRunStatus,
    DefaultSensorStatus,
    RunStatusSensorContext,
    SensorEvaluationContext,
    SkipReason,
    run_status_sensor,
    sensor,
)
from dagster._core.storage.tags import PARENT_RUN_ID_TAG, RETRY_NUMBER_TAG

from billio_pipeline.errors import BillioError, TransientError
from resources.delivery import Memory, deliver
from resources.evaluations import check_evaluations
from resources.messages import alerts_for
from resources.notifier import NotifierResource

SECONDS = 10  # between two looks at finished runs


def alert_run(instance: DagsterInstance, run: DagsterRun, notifier: NotifierResource, log: Logger | None = None) -> int:
    """Tell of everything that failed in the run and wasn't told yet; returns the number of failures found.

    An automatic retry shares the memory of the run it retries: the same failure isn't told again. Raises
    TransientError when a channel could not be told; the run then stays on the list of `alert_undelivered`.
    """
    log = log or logging.getLogger(__name__)
    memory = Memory(instance)
    memory.claim(run.run_id)
    alerts = alerts_for(
        check_evaluations(instance, run.run_id),
        run_id=run.run_id,
        job=run.job_name,
        failure=_failure(instance, run),
        warnings=notifier.warnings,
        ui_url=notifier.ui_url,
        secrets=notifier.secrets,
    )
    undelivered = deliver(alerts, notifier.channels(), memory, _first_try(instance, run), log)
    memory.release(run.run_id, delivered=not undelivered)
    if undelivered:
        raise TransientError(
            f"{len(undelivered)} alerts of run {run.run_id} not delivered: {', '.join(undelivered[:10])}",
            remedy="They are tried again every minute; the log says what each channel answered.",
        )
    return len(alerts)


def _first_try(instance: DagsterInstance, run: DagsterRun) -> str:
    """The run this one is an automatic retry of, or itself. A run someone started again by hand is news of its own."""
    run_id, tags = run.run_id, run.tags
    while RETRY_NUMBER_TAG in tags and PARENT_RUN_ID_TAG in tags:
        run_id = tags[PARENT_RUN_ID_TAG]
        parent = instance.get_run_by_id(run_id)
        tags = parent.tags if parent else {}  # deleted meanwhile
    return run_id


def _failure(instance: DagsterInstance, run: DagsterRun) -> str | None:
    """Why the run failed; None when it didn't, or when failed blocking checks (told on their own) explain it."""
    if run.status != DagsterRunStatus.FAILURE:
        return None
    kinds = {DagsterEventType.STEP_FAILURE, DagsterEventType.RUN_FAILURE}
    records = instance.get_records_for_run(run.run_id, of_type=kinds).records
    events = [record.event_log_entry.get_dagster_event() for record in records]
    steps = [event for event in events if event.event_type == DagsterEventType.STEP_FAILURE]
    for event in steps:
        error = event.step_failure_data.error
        if error is None or error.cls_name != "DagsterAssetCheckFailedError":
            cause = (error.cause or error) if error else None
            return f"step {event.step_key}: {cause.message if cause else event.message}"
    return None if steps else next((event.message for event in events if event.message), "no reason was recorded")


def _is_ours(context: RunStatusSensorContext) -> bool:
    """Whether the run is of this code location. A run of the command line has no location, so all are monitored."""
    run, repository = context.dagster_run, context.repository_def
    if run.remote_job_origin is None or repository is None:
        return True
    if run.asset_selection:
        ours = repository.asset_graph.get_all_asset_keys()
        return any(key in ours for key in run.asset_selection)
    return repository.has_job(run.job_name)


@run_status_sensor(
    run_status=DagsterRunStatus.SUCCESS,
    monitor_all_code_locations=True,
    minimum_interval_seconds=SECONDS,
    default_status=DefaultSensorStatus.RUNNING,
)
def alert_on_success(context: RunStatusSensorContext, notifier: NotifierResource) -> None:
    """Failed checks of runs that succeeded all the same."""
    if _is_ours(context):
        alert_run(context.instance, context.dagster_run, notifier, context.log)


@run_status_sensor(
    run_status=DagsterRunStatus.FAILURE,
    monitor_all_code_locations=True,
    minimum_interval_seconds=SECONDS,
    default_status=DefaultSensorStatus.RUNNING,
)
def alert_on_failure(context: RunStatusSensorContext, notifier: NotifierResource) -> None:
    """Failed checks of runs that failed, and the failure itself where no blocking check explains it."""
    if _is_ours(context):
        alert_run(context.instance, context.dagster_run, notifier, context.log)


@sensor(minimum_interval_seconds=30, default_status=DefaultSensorStatus.RUNNING)
def alert_undelivered(context: SensorEvaluationContext, notifier: NotifierResource) -> SkipReason:
    """Alerts whose channel didn't answer, or whose process was killed on the way: tried again for two days."""
    memory = Memory(context.instance)
    for run_id in memory.drop_older():
        context.log.error("alerts of run %s were never delivered; giving up", run_id)
    due = memory.due()[:5]
    failed: list[str] = []
    for run_id in due:
        run = context.instance.get_run_by_id(run_id)
        if run is None:  # deleted meanwhile
            memory.release(run_id, delivered=True)
            continue
        try:
            alert_run(context.instance, run, notifier, context.log)
        except BillioError as error:
            failed.append(run_id)
            context.log.error("%s", error)
    return SkipReason(f"sent the undelivered alerts of {len(due) - len(failed)} of {len(due)} runs")


SENSORS = [alert_on_success, alert_on_failure, alert_undelivered]
