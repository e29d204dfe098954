"""What a system whose rows are the source has to say of itself, beside its declaration; nothing, if they are tables."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from billio_pipeline.errors import ConfigurationError
from billio_pipeline.migrate.copied import Copied, RowSource
from billio_pipeline.migrate.sql_source import SqlSource
from billio_pipeline.model.entity import RowSystem
from billio_pipeline.settings import Settings, dsn_variable
from resources.migration import MigrationResource


@dataclass(frozen=True)
class Source:
    """How the rows are reached: `open` gives the source a run is asked for. `stage` is the assets' name for its copy,
    `what` says in words what is copied; `parts` are the copy's assets, each with what it holds."""

    open: Callable[[MigrationResource, Settings], RowSource]
    stage: str
    what: str
    parts: Mapping[str, str]
    rows: Callable[[Copied, str], int]  # rows of a part
    kinds: frozenset[str] = field(default=frozenset({"parquet"}))


def sql_source(system: RowSystem) -> Source:
    """The system's tables in PostgreSQL, those that are only archived included, in one snapshot.

    The database is the one BILLIO_<SYSTEM>_DSN names; a run without it raises ConfigurationError.
    """
    variable = dsn_variable(system.name)

    def opened(_: MigrationResource, settings: Settings) -> SqlSource:
        dsn = settings.source_dsn(system.name)
        if not dsn:
            raise ConfigurationError(
                f"no source database of {system.name} is named",
                remedy=f"Set {variable} to its PostgreSQL, postgresql://…",
            )
        return SqlSource(dsn, system, settings)

    def rows(copied: Copied, table: str) -> int:
        return sum(file.rows for file in copied.files if file.name.startswith(f"{table}/"))

    return Source(
        opened,
        stage="snapshot",
        what="One REPEATABLE READ snapshot of all tables:",
        parts={entity.table.name: f"`{entity.table.name}`" for entity in system.entities}
        | {table: f"`{table}`, archived only" for table in system.archived},
        rows=rows,
    )
