"""Both sides of a comparison as DuckDB views: `source`, the accepted staged rows, and `target`, what was read back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import duckdb
import pyarrow as pa

from billio_pipeline.model.entity import System
from billio_pipeline.model.tables import DynamoTable

UNKNOWN = "_unknown"

# A staged item: its table, its key as model/keys.py writes it, its canonical bytes and their hash (model/canonical.py),
# and the epoch second after which it expires, null for never.
ITEMS = pa.schema(
    [
        ("_table", pa.string()),
        ("_key", pa.string()),
        ("_hash", pa.binary(16)),
        ("_item", pa.binary()),
        ("_ttl", pa.int64()),
    ]
)
# Where DuckDB found a row of a Parquet file.
PLACE = pa.schema([("filename", pa.string()), ("file_row_number", pa.int64())])


def source_view(
    db: duckdb.DuckDBPyConnection, system: System, staged: Mapping[str, Sequence[Path]], dropped: Path
) -> None:
    """View `source`: every staged row (Parquet by entity) less those in `dropped`, and its `_entity`."""
    accepted_view(db, "source", system.arrow_schema(), staged, dropped)


def items_view(
    db: duckdb.DuckDBPyConnection, tables: Iterable[DynamoTable], staged: Mapping[str, Sequence[Path]], dropped: Path
) -> None:
    """View `source`: every staged item (Parquet by entity) of these tables less those in `dropped`, as ITEMS, its
    `_entity`, and where it is: `filename`, `file_row_number`."""
    accepted_view(
        db, "staged", pa.schema([*ITEMS, *PLACE]), staged, dropped, ", filename = true, file_row_number = true"
    )
    names = ", ".join([literal(table.name) for table in tables])
    db.execute(f"CREATE TEMP VIEW source AS SELECT * FROM staged WHERE _table IN ({names})")  # noqa: S608


def accepted_view(
    db: duckdb.DuckDBPyConnection,
    view: str,
    schema: pa.Schema,
    staged: Mapping[str, Sequence[Path]],
    dropped: Path,
    options: str = "",
) -> None:
    """View `view`: `_entity` and the columns of `schema` of every staged row (Parquet by entity, with `_file` and
    `_line`) less those in `dropped`. `options` are more for read_parquet."""
    names = ", ".join([name(column) for column in schema.names])
    db.register("no_rows", schema.empty_table())
    parts = [f"SELECT '' AS _entity, {names} FROM no_rows"]  # noqa: S608
    for entity, paths in staged.items():
        if paths:
            listed = ", ".join([literal(str(path)) for path in paths])
            parts.append(
                f"SELECT {literal(entity)} AS _entity, {names} FROM read_parquet([{listed}]{options}) r "  # noqa: S608
                f"ANTI JOIN (SELECT file, line FROM read_parquet({literal(str(dropped))})) d "
                "ON d.file = r._file AND d.line = r._line"
            )
    db.execute(f"CREATE TEMP VIEW {view} AS {' UNION ALL BY NAME '.join(parts)}")


def target_view(db: duckdb.DuckDBPyConnection, system: System, target: Path) -> None:
    """View `target`: the rows that were read back into one Parquet file."""
    db.execute(f"CREATE TEMP VIEW target AS SELECT {columns(system)} FROM read_parquet({literal(str(target))})")  # noqa: S608


def columns(system: System) -> str:
    """The target's columns, quoted, in declared order."""
    return ", ".join([name(column.name) for column in system.columns])


def entity_of_row(system: System, alias: str) -> str:
    """SQL that tells a target row's entity from its columns, `_unknown` when none fits."""
    cases = []
    for entity in system.entities:
        column = {f.attribute: f.column for f in entity.fields}
        tests = " AND ".join([f"{alias}.{name(column[a] or a)} = {literal(text)}" for a, text in entity.when.items()])
        cases.append(f"WHEN {tests or 'TRUE'} THEN {literal(entity.name)}")
    return f"CASE {' '.join(cases)} ELSE {literal(UNKNOWN)} END"


def name(text: str) -> str:
    """`text` as a quoted SQL name."""
    return '"' + text.replace('"', '""') + '"'


def literal(text: str) -> str:
    """`text` as a SQL literal."""
    return "'" + text.replace("'", "''") + "'"
