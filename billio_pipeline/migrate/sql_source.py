"""A PostgreSQL database as a source of rows: its tables copied in one snapshot, read back as the entities declare."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

from billio_pipeline.errors import ConfigurationError
from billio_pipeline.migrate.copied import Copied, Progress, Read, SourceFile
from billio_pipeline.migrate.joined import joined_rows
from billio_pipeline.model.entity import Entity, RowSystem
from billio_pipeline.settings import Settings
from billio_pipeline.stores.sql.snapshot import Snapshot, snapshot
from billio_pipeline.stores.sql.target import Target


@dataclass(frozen=True)
class SqlSource:
    """The tables of a system, those that are only archived included."""

    dsn: str
    system: RowSystem
    settings: Settings

    @property
    def read(self) -> Read:
        return joined_rows

    def copy(self, folder: Path, progress: Progress) -> Copied:
        """Take the snapshot. Raises ConfigurationError when a table's columns are not those declared: each needs a
        carrier."""
        carried = {entity.table.name: entity for entity in self.system.entities}
        with Target.open(self.dsn, self.settings, connections=1) as database:
            names = [*carried, *self.system.archived]
            taken = snapshot(database, names, folder, progress=lambda table, rows, of: progress(rows))
        for name, entity in carried.items():
            found = {column.name for column in taken[name].columns}
            declared = {column.name for column in entity.columns}
            if found != declared:
                raise ConfigurationError(
                    f"table {name}: columns {', '.join(sorted(found ^ declared))} are "
                    + ("not declared" if found - declared else "declared, but not there"),
                    remedy=f"Give each a Field in {entity.name}, or take it out: what has no carrier would be lost.",
                )
        return Copied(
            path=folder,
            id=taken.id,
            kind="snapshot",
            uri=taken.server,
            as_of=taken.as_of,
            files=_files(taken, folder, carried),
            about={
                "as_of": taken.as_of_iso,
                **{f"rows of {each.name}": each.rows for each in taken.tables},
                **{f"fingerprint of {each.name}": each.fingerprint for each in taken.tables},
            },
        )


def _files(taken: Snapshot, folder: Path, carried: Mapping[str, Entity]) -> tuple[SourceFile, ...]:
    found = []
    for table in taken.tables:
        entity = carried[table.name].name if table.name in carried else None
        for file in table.files:
            path = folder / file
            found.append(SourceFile(file, entity, pq.read_metadata(path).num_rows, path.stat().st_size))
    return tuple(found)
