"""SqlTargetResource: the SQL database a run loads into: Aurora DSQL, PostgreSQL, or the embedded one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dagster import ConfigurableResource
from pydantic import Field

from billio_pipeline.settings import Settings
from resources.checkup import CheckUp, examine

if TYPE_CHECKING:
    from billio_pipeline.stores.sql.target import Target


class SqlTargetResource(ConfigurableResource):
    """Opens the target. Give `dsn` through EnvVar: a literal value would show in the UI's resource page."""

    dsn: str | None = Field(
        default=None,
        repr=False,
        json_schema_extra={"dagster__is_secret": True},
        description="postgresql://… or dsql://endpoint. Unset: BILLIO_POSTGRES_DSN, else the embedded one.",
    )
    connections: int | None = Field(default=None, description="Most connections the pool opens.")

    def open(self) -> Target:
        """The target, to be used as a context manager. Raises ConfigurationError when it can't be reached."""
        from billio_pipeline.local.resolve import resolve_target
        from billio_pipeline.stores.sql.target import Target

        settings = Settings.from_env()
        return Target.open(resolve_target(settings, self.dsn), settings, connections=self.connections)

    def check(self) -> CheckUp:
        """Connects (starting the embedded server if that is meant) and reads the version; writes nothing."""

        def ask() -> str:
            with self.open() as target, target.connection() as connection:
                row = connection.execute("SELECT current_database(), split_part(version(), ' on ', 1)").fetchone()
                database, version = row or ("?", "?")
                return f"{target.name}: database {database}, {version}, profile {target.profile.name}"

        return examine(
            ask,
            what="SQL target",
            remedy="Check BILLIO_POSTGRES_DSN and that the server answers, or unset it to use the embedded one.",
            secrets=[self.dsn],
        )
