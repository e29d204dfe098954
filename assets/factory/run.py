"""What one run of a migration is made of, gathered for its assets and checks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import dagster as dg

from billio_pipeline.errors import BillioError
from billio_pipeline.migrate import copied as copies
from billio_pipeline.migrate import stage as stages
from billio_pipeline.migrate.stage import ItemStage, Stage
from billio_pipeline.model.entity import RowSystem, System
from billio_pipeline.settings import Settings
from resources.migration import MigrationResource


def stage_of(context: Any, system: System, migration: MigrationResource) -> Stage:
    """The stage this run made of its export, else the newest complete one of the same export."""
    return stages.find(Settings.from_env().home, system, migration.open(system).id, context.run.run_id)


def staged_items(context: Any, system: RowSystem) -> ItemStage:
    """The stage this run made of its copy, else the newest complete one of the newest copy."""
    home = Settings.from_env().home
    return stages.find(home, system, copies.find(home, system.name, context.run.run_id).id, context.run.run_id)


def refuse(error: BillioError) -> NoReturn:
    """Fail the step with the error's own words; its exit code and details travel as metadata."""
    metadata: dict[str, Any] = {"code": error.code, "exit_code": error.exit_code, "remedy": error.remedy}
    metadata |= {name: str(value) for name, value in error.details.items()}
    raise dg.Failure(error.message, metadata=metadata, allow_retries=False) from error


@contextmanager
def explained() -> Iterator[None]:
    """Turn errors raised on purpose into Dagster failures that keep their words; others stay what they are."""
    try:
        yield
    except BillioError as error:
        refuse(error)


def markdown(columns: list[str], rows: list[list[Any]]) -> dg.MarkdownMetadataValue:
    """A table as metadata."""
    import pandas as pd

    frame = pd.DataFrame(rows, columns=columns, dtype=object)
    return dg.MetadataValue.md(frame.to_markdown(index=False, missingval=""))


def schema_metadata(system: System) -> dg.TableSchemaMetadataValue:
    """The target table's columns as metadata."""
    return dg.MetadataValue.table_schema(
        dg.TableSchema(
            [
                dg.TableColumn(c.name, c.sql, constraints=dg.TableColumnConstraints(nullable=c.nullable))
                for c in system.columns
            ]
        )
    )
