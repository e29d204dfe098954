"""Where Dagster keeps runs and events: PostgreSQL when a URL is in the environment, else SQLite under DAGSTER_HOME.

Named in dagster_home/dagster.yaml. Each process reads the URL for itself: Dagster hands instance references to its
child processes on command lines, and a password has no business there.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from dagster import Field, StringSource
from dagster._config.config_schema import UserConfigSchema
from dagster._core.storage.base_storage import DagsterStorage
from dagster._core.storage.event_log import EventLogStorage
from dagster._core.storage.runs import RunStorage
from dagster._core.storage.schedules import ScheduleStorage
from dagster._serdes import ConfigurableClass, ConfigurableClassData

URL_VARIABLE = "BILLIO_DAGSTER_POSTGRES_URL"


class ChosenStorage(DagsterStorage, ConfigurableClass):
    """Delegates to dagster-postgres or to Dagster's SQLite storage; `base_dir` is for SQLite."""

    def __init__(self, base_dir: str, postgres_url: str | None, inst_data: ConfigurableClassData | None = None) -> None:
        self._inst_data = inst_data
        self._chosen: DagsterStorage
        if postgres_url:
            from dagster_postgres import DagsterPostgresStorage

            self._chosen = DagsterPostgresStorage(postgres_url)
        else:
            from dagster._core.storage.sqlite_storage import DagsterSqliteStorage

            self._chosen = DagsterSqliteStorage(base_dir)
        super().__init__()

    @property
    def inst_data(self) -> ConfigurableClassData | None:
        return self._inst_data

    @classmethod
    def config_type(cls) -> UserConfigSchema:
        return {"base_dir": Field(StringSource)}

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> ChosenStorage:
        return cls(config_value["base_dir"], os.environ.get(URL_VARIABLE), inst_data)

    @property
    def event_log_storage(self) -> EventLogStorage:
        return self._chosen.event_log_storage

    @property
    def run_storage(self) -> RunStorage:
        return self._chosen.run_storage

    @property
    def schedule_storage(self) -> ScheduleStorage:
        return self._chosen.schedule_storage
