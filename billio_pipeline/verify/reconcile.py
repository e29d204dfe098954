"""The full comparison: every staged row against every target row, every column, in one out-of-core join.

Counts, per entity: `loaded` = source keys present in the target, whatever their content; `missing` are not;
`extra` = target keys no accepted item has; `different` ⊆ loaded.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from billio_pipeline.duck import connect
from billio_pipeline.model.entity import System

SHOWN = 100  # differences named in JSON, metadata and report; the Parquet file has all
UNKNOWN = "_unknown"

DIFFERENCES = pa.schema([(name, pa.string()) for name in ("entity", "key", "column", "source", "target")])


@dataclass
class Verdict:
    """What the comparison found. `counts[entity]` has source-side rows, loaded, missing, extra, different, target."""

    counts: dict[str, dict[str, int]] = field(default_factory=dict)
    differences: list[dict[str, Any]] = field(default_factory=list)
    path: Path | None = None
    columns: dict[str, int] = field(default_factory=dict)

    def total(self, count: str) -> int:
        return sum(each[count] for each in self.counts.values())


def spool(tables: Iterable[pa.Table], path: Path, schema: pa.Schema) -> int:
    """Write a target's pages to one Parquet file, so that several verdicts can read them; how many rows that was."""
    rows = 0
    path.parent.mkdir(parents=True, exist_ok=True)
    with pq.ParquetWriter(path, schema, compression="zstd", compression_level=1) as writer:
        for table in tables:
            rows += table.num_rows
            writer.write_table(table.select(schema.names).cast(schema))
    return rows


def reconcile(system: System, staged: Mapping[str, Sequence[Path]], dropped: Path, target: Path, out: Path) -> Verdict:
    """Compare staged rows (Parquet by entity, less `dropped`) with the spooled `target`; differences go to `out`."""
    out.parent.mkdir(parents=True, exist_ok=True)
    database = out.with_suffix(".duckdb")
    database.unlink(missing_ok=True)
    with connect(database) as db:
        _views(db, system, staged, dropped, target)
        _join(db, system)
        verdict = _counts(db, system)
        _differences(db, system)
        db.sql("SELECT * FROM differences ORDER BY entity, key, position").project(
            'entity, key, "column", source, target'
        ).write_parquet(str(out), compression="zstd")
        shown = db.sql(f'SELECT entity, key, "column", source, target FROM differences ORDER BY ALL LIMIT {SHOWN}')  # noqa: S608
        verdict.differences = shown.to_arrow_table().to_pylist()
        by_column = 'SELECT "column", count(*) FROM differences WHERE "column" IS NOT NULL GROUP BY ALL ORDER BY ALL'
        verdict.columns = dict(db.sql(by_column).fetchall())
    database.unlink()
    verdict.path = out
    return verdict


def entity_of_row(system: System, alias: str) -> str:
    """SQL that tells a target row's entity from its columns, `_unknown` when none fits."""
    cases = []
    for entity in system.entities:
        column = {f.attribute: f.column for f in entity.fields}
        tests = " AND ".join([f"{alias}.{_name(column[a] or a)} = {_literal(text)}" for a, text in entity.when.items()])
        cases.append(f"WHEN {tests} THEN {_literal(entity.name)}")
    return f"CASE {' '.join(cases)} ELSE {_literal(UNKNOWN)} END"


def _views(
    db: duckdb.DuckDBPyConnection, system: System, staged: Mapping[str, Sequence[Path]], dropped: Path, target: Path
) -> None:
    names = ", ".join([_name(column.name) for column in system.columns])
    schema = system.arrow_schema()
    db.register("no_rows", schema.empty_table())
    parts = [f"SELECT {_literal(system.entities[0].name)} AS _entity, {names} FROM no_rows"]  # noqa: S608
    for entity, paths in staged.items():
        if paths:
            listed = ", ".join([_literal(str(path)) for path in paths])
            parts.append(
                f"SELECT {_literal(entity)} AS _entity, {names} FROM read_parquet([{listed}]) r "  # noqa: S608
                f"ANTI JOIN (SELECT file, line FROM read_parquet({_literal(str(dropped))})) d "
                "ON d.file = r._file AND d.line = r._line"
            )
    db.execute(f"CREATE TEMP VIEW source AS {' UNION ALL BY NAME '.join(parts)}")
    db.execute(f"CREATE TEMP VIEW target AS SELECT {names} FROM read_parquet({_literal(str(target))})")  # noqa: S608


def _join(db: duckdb.DuckDBPyConnection, system: System) -> None:
    """Table `unequal`: pairs that differ, with both sides' columns; table `sides`: rows per entity and outcome."""
    key = _name(system.target.key)
    others = [_name(column.name) for column in system.columns if column.name != system.target.key]
    differs = " OR ".join([f"s.{name} IS DISTINCT FROM t.{name}" for name in others])
    both = ", ".join(
        [
            f"s.{_name(c.name)} AS {_name('s_' + c.name)}, t.{_name(c.name)} AS {_name('t_' + c.name)}"
            for c in system.columns
        ]
    )
    db.execute(
        f"""
        CREATE TABLE unequal AS
        SELECT coalesce(s._entity, {entity_of_row(system, "t")}) AS entity, coalesce(s.{key}, t.{key}) AS key,
               t.{key} IS NULL AS missing, s.{key} IS NULL AS extra, {both}
        FROM source s FULL JOIN target t ON s.{key} = t.{key}
        WHERE s.{key} IS NULL OR t.{key} IS NULL OR {differs}
        """  # noqa: S608  names from the declaration
    )


def _counts(db: duckdb.DuckDBPyConnection, system: System) -> Verdict:
    source = dict(db.sql("SELECT _entity, count(*) FROM source GROUP BY ALL").fetchall())
    verdict = Verdict()
    found = db.sql(
        """
        SELECT entity, count(*) FILTER (missing), count(*) FILTER (extra),
               count(*) FILTER (NOT missing AND NOT extra)
        FROM unequal GROUP BY ALL
        """
    ).fetchall()
    unequal = {entity: tuple(numbers) for entity, *numbers in found}
    for entity in dict.fromkeys([*(e.name for e in system.entities), *source, *unequal]):
        missing, extra, different = unequal.get(entity, (0, 0, 0))
        loaded = source.get(entity, 0) - missing
        verdict.counts[entity] = {
            "loaded": loaded,
            "missing": missing,
            "extra": extra,
            "different": different,
            "target": loaded + extra,
        }
    return verdict


def _differences(db: duckdb.DuckDBPyConnection, system: System) -> None:
    """Table `differences`: one line per differing column; a missing or extra row is one line with column null."""
    db.execute(
        'CREATE TABLE differences (entity VARCHAR, key VARCHAR, "column" VARCHAR, source VARCHAR, target VARCHAR, '
        "position INTEGER)"
    )
    db.execute(
        """
        INSERT INTO differences
        SELECT entity, key, NULL, CASE WHEN missing THEN 'present' END, CASE WHEN extra THEN 'present' END, 0
        FROM unequal WHERE missing OR extra
        """
    )
    for position, column in enumerate(system.columns, 1):
        left, right = _name("s_" + column.name), _name("t_" + column.name)
        db.execute(
            f"""
            INSERT INTO differences
            SELECT entity, key, $1, {left}::VARCHAR, {right}::VARCHAR, {position}
            FROM unequal WHERE NOT missing AND NOT extra AND {left} IS DISTINCT FROM {right}
            """,  # noqa: S608
            [column.name],
        )


def _name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
