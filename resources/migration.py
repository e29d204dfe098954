"""MigrationResource: what a run is asked to do — which export, and what to do with rows that are there already."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from dagster import ConfigurableResource
from pydantic import Field

from billio_pipeline.settings import Settings
from resources.checkup import CheckUp, examine

if TYPE_CHECKING:
    from billio_pipeline.model.entity import System
    from billio_pipeline.stores.dynamodb.source import Source


class MigrationResource(ConfigurableResource):
    """A run's configuration, shown and editable in the launchpad. Holds no secret."""

    export: str = Field(
        default="",
        description="Folder or s3:// URI of the source: a table export, backup arrays, or a tree of records. "
        "Empty: the newest export made here, or what the system's own settings name.",
    )
    policy: Literal["insert", "replace"] = Field(
        default="insert",
        description="A row that is there already and differs: keep it and report (insert), or replace.",
    )
    parity_table: str = Field(
        default="", description="Ask this live DynamoDB table for parity, instead of the export's own items."
    )

    live: bool = Field(
        default=False,
        description="Load into DynamoDB tables others write to: put only what is absent there, or no newer.",
    )
    max_wcu: float = Field(
        default=0.0, description="Write units per second a load into DynamoDB may use at most. 0: what the table takes."
    )

    def location(self, system: str) -> str:
        """Where the export is."""
        return self.export or str(Settings.from_env().home / "exports" / system)

    def open(self, system: System) -> Source:
        """The export, its manifest checked. Raises ExportError, InputError."""
        from billio_pipeline.stores.dynamodb.source import open_source

        return open_source(self.location(system.name), system, Settings.from_env())

    def check(self) -> CheckUp:
        """Looks whether the configured export is there; reads no item."""
        from billio_pipeline.stores.objects import open_store

        def ask() -> str:
            store = open_store(self.export, Settings.from_env())
            store.check()
            return f"{store.uri} can be listed"

        return examine(ask, what="export", remedy="Set `export` to a folder or s3:// URI that can be listed.")
