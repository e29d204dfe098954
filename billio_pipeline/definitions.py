"""The composition root: what Dagster loads. Systems are found, with their assets and checks; the rest is listed."""

import os
from typing import Any

import dagster as dg

from assets.alerts import alert_on_failure, alert_on_success, alert_undelivered
from assets.declared import declared
from assets.factory.jobs import migrate_job, verify_job
from assets.reports import report_sensors
from resources.dynamodb import DynamoDBResource
from resources.migration import MigrationResource
from resources.notifier import BOOLEAN_VARIABLES, INTEGER_VARIABLES, TEXT_VARIABLES, NotifierResource
from resources.sql import SqlTargetResource

PACKAGES = [package for package, _ in declared().values()]
SYSTEMS = tuple(system for _, system in declared().values())

# Only what is set: Dagster refuses to start a run with an EnvVar that isn't.
_notifier: dict[str, Any] = {
    **{name: dg.EnvVar(variable) for name, variable in TEXT_VARIABLES.items() if variable in os.environ},
    **{name: dg.EnvVar.int(variable) for name, variable in INTEGER_VARIABLES.items() if variable in os.environ},
    **{name: os.environ[v].lower() in ("1", "true", "yes") for name, v in BOOLEAN_VARIABLES.items() if v in os.environ},
}

defs = dg.Definitions(
    assets=[each for package in PACKAGES for each in dg.load_assets_from_package_module(package)],
    asset_checks=[each for package in PACKAGES for each in dg.load_asset_checks_from_package_module(package)],
    jobs=[job(system) for system in SYSTEMS for job in (migrate_job, verify_job)],
    sensors=[alert_on_success, alert_on_failure, alert_undelivered, *report_sensors(SYSTEMS)],
    resources={
        "migration": MigrationResource.configure_at_launch(),
        "target": SqlTargetResource(),
        "dynamodb": DynamoDBResource(),
        "notifier": NotifierResource(**_notifier),
    },
)
