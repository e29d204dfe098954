"""The composition root: what Dagster loads. Assets and checks are found; jobs, sensors and resources are listed."""

import os
from typing import Any

import dagster as dg

import assets.billio
from assets.alerts import alert_on_failure, alert_on_success, alert_undelivered
from assets.billio.model import SYSTEM as BILLIO
from assets.factory.jobs import migrate_job, verify_job
from assets.reports import report_sensors
from resources.dynamodb import DynamoDBResource
from resources.migration import MigrationResource
from resources.notifier import BOOLEAN_VARIABLES, INTEGER_VARIABLES, TEXT_VARIABLES, NotifierResource
from resources.sql import SqlTargetResource

SYSTEMS = (BILLIO,)

# Only what is set: Dagster refuses to start a run with an EnvVar that isn't.
_notifier: dict[str, Any] = {
    **{name: dg.EnvVar(variable) for name, variable in TEXT_VARIABLES.items() if variable in os.environ},
    **{name: dg.EnvVar.int(variable) for name, variable in INTEGER_VARIABLES.items() if variable in os.environ},
    **{name: os.environ[v].lower() in ("1", "true", "yes") for name, v in BOOLEAN_VARIABLES.items() if v in os.environ},
}

defs = dg.Definitions(
    assets=dg.load_assets_from_package_module(assets.billio),
    asset_checks=dg.load_asset_checks_from_package_module(assets.billio),
    jobs=[job(system) for system in SYSTEMS for job in (migrate_job, verify_job)],
    sensors=[alert_on_success, alert_on_failure, alert_undelivered, *report_sensors(SYSTEMS)],
    resources={
        "migration": MigrationResource.configure_at_launch(),
        "target": SqlTargetResource(),
        "dynamodb": DynamoDBResource(),
        "notifier": NotifierResource(**_notifier),
    },
)
