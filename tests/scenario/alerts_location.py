"""A tiny code location whose checks fail on purpose, with the real alert sensors; runs start when a file appears."""

import os
from pathlib import Path

import dagster as dg

from assets.alerts import SENSORS
from resources.notifier import NotifierResource

BOOK = dg.AssetKey(["billio", "loaded", "Book"])
SEASON = dg.AssetKey(["billio", "loaded", "TvSeason"])
GAME = dg.AssetKey(["billio", "loaded", "VideoGame"])
SHORT = {"source": 10, "loaded": 7, "quarantined": 0, "missing": 3, "extra": 1, "different": 2, "target": 8}
NONE_LOADED = {"source": 4, "loaded": 0, "quarantined": 0, "excluded": 0, "missing": 4, "extra": 0, "target": 0}


@dg.asset(
    key=BOOK,
    group_name="billio",
    check_specs=[
        dg.AssetCheckSpec("shelves_known", asset=BOOK),
        dg.AssetCheckSpec("rows_equal", asset=BOOK),
        dg.AssetCheckSpec("count", asset=BOOK),
    ],
)
def book():
    """Loaded with three rows missing; nothing blocks, so its run succeeds."""
    warn = dg.AssetCheckSeverity.WARN
    yield dg.MaterializeResult(
        check_results=[
            dg.AssetCheckResult(check_name="shelves_known", passed=False, severity=warn, metadata={"unknown": 5}),
            dg.AssetCheckResult(check_name="rows_equal", passed=False, metadata={"different": 2}),
            dg.AssetCheckResult(check_name="count", passed=False, metadata=SHORT),
        ]
    )


@dg.asset(key=SEASON, group_name="billio", check_specs=[dg.AssetCheckSpec("count", asset=SEASON, blocking=True)])
def season():
    """Nothing loaded; its check blocks, so its run fails, and so does the retry."""
    yield dg.MaterializeResult(
        check_results=[dg.AssetCheckResult(check_name="count", passed=False, metadata=NONE_LOADED)]
    )


@dg.asset(key=GAME, group_name="billio", deps=[SEASON])
def game():
    """Fails without a check."""
    raise RuntimeError("no route to postgresql://billio:hunter2@db.example/items")


jobs = [
    dg.define_asset_job("load_books", selection=[BOOK]),
    dg.define_asset_job("load_seasons", selection=[SEASON], tags={"dagster/max_retries": "1"}),
]


@dg.sensor(jobs=jobs, minimum_interval_seconds=1, default_status=dg.DefaultSensorStatus.RUNNING)
def start_when_told(context: dg.SensorEvaluationContext):
    """One run of each job once the file exists."""
    if not Path(os.environ["ALERTS_TEST_GO"]).exists():
        return dg.SkipReason("not told yet")
    return [dg.RunRequest(run_key=job.name, job_name=job.name) for job in jobs]


webhook = {"webhook_url": dg.EnvVar("BILLIO_ALERT_WEBHOOK_URL")} if os.environ.get("BILLIO_ALERT_WEBHOOK_URL") else {}
defs = dg.Definitions(
    assets=[book, season, game],
    jobs=jobs,
    sensors=[*SENSORS, *([start_when_told] if "ALERTS_TEST_GO" in os.environ else [])],
    resources={"notifier": NotifierResource(ui_url="http://ui.example", console=False, **webhook)},
)
