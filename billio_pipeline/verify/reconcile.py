"""The full comparison: every staged row against every target row, every column, in an out-of-core hash join.

Counts, per entity: `loaded` = source keys present in the target, whatever their content; `missing` are not;
`extra` = target keys no accepted item has; `different` ⊆ loaded. Large tables are first parted by a hash of their keys
and joined part by part, so that memory is bounded whatever their size.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from billio_pipeline.duck import connect
from billio_pipeline.model.entity import System
from billio_pipeline.verify.fingerprint import Buckets
from billio_pipeline.verify.sides import columns, entity_of_row, literal, name, source_view, target_view

SHOWN = 100  # differences named in JSON, metadata and report; the Parquet file has all
MEMORY = "256MB"  # DuckDB's share: beyond, it spills beside its database
PART_ROWS = 2_000_000  # rows of one side joined at a time; what does not fit is spilled
_FLUSH_ROWS, _GROUP_ROWS = 32_768, 2_048  # while parting: rows gathered per thread, rows per row group

DIFFERENCES = pa.schema([(each, pa.string()) for each in ("entity", "key", "column", "source", "target")])


@dataclass
class Verdict:
    """What the comparison found. `counts[entity]` has loaded, missing, extra, different, target; where a target may
    drop items or hold ones of its own (items.py), also expired and added.

    `mode` is "full", or "fingerprint" when only buckets whose fingerprints differ were compared row by row: `buckets`
    of them, `compared` target rows. `seconds` are wall seconds per step.
    """

    counts: dict[str, dict[str, int]] = field(default_factory=dict)
    differences: list[dict[str, Any]] = field(default_factory=list)
    path: Path | None = None
    columns: dict[str, int] = field(default_factory=dict)
    mode: str = "full"
    buckets: int = 0
    compared: int = 0
    seconds: dict[str, float] = field(default_factory=dict)

    def total(self, count: str) -> int:
        return sum(each.get(count, 0) for each in self.counts.values())

    @property
    def equal(self) -> bool:
        """No row is missing, extra or different."""
        return not any(self.total(count) for count in ("missing", "extra", "different"))


def entity_counts(
    staged: Mapping[str, Mapping[str, int]], found: Mapping[str, Mapping[str, int]]
) -> dict[str, dict[str, int]]:
    """Counts per entity as docs/guarantees.md defines them, from a stage's and a verdict's.

    An entity that nothing was compared of yet has all its accepted items missing. Items that expired are excluded.
    """
    entities = {}
    for entity in dict.fromkeys([*staged, *(e for e in found if e in staged or found[e]["extra"])]):
        known = staged.get(entity, {"source": 0, "quarantined": 0, "excluded": 0, "accepted": 0})
        target = found.get(entity, {"loaded": 0, "missing": known["accepted"], "extra": 0, "different": 0})
        entities[entity] = {
            "source": known["source"],
            "loaded": target["loaded"],
            "quarantined": known["quarantined"],
            "excluded": known["excluded"] + target.get("expired", 0),
            "missing": target["missing"],
            "extra": target["extra"],
            "different": target["different"],
        }
    return entities


def spool(tables: Iterable[pa.Table], path: Path, schema: pa.Schema) -> int:
    """Write a target's pages to one Parquet file, so that several verdicts can read them; how many rows that was."""
    rows = 0
    path.parent.mkdir(parents=True, exist_ok=True)
    with pq.ParquetWriter(path, schema, compression="zstd", compression_level=1) as writer:
        for table in tables:
            rows += table.num_rows
            writer.write_table(table.select(schema.names).cast(schema))
    return rows


def reconcile(
    system: System,
    staged: Mapping[str, Sequence[Path]],
    dropped: Path,
    target: Path,
    out: Path,
    *,
    only: Buckets | None = None,
    part_rows: int = PART_ROWS,
) -> Verdict:
    """Compare staged rows (Parquet by entity, less `dropped`) with the spooled `target`; differences go to `out`.

    `only`: buckets that `target` holds the rows of; all others were found equal.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    database, parts = out.with_suffix(".duckdb"), out.with_suffix(".parts")
    _clear(database, parts)
    with connect(database, MEMORY) as db:
        source_view(db, system, staged, dropped)
        target_view(db, system, target)
        db.execute(_DIFFERENCES)
        db.execute("CREATE TABLE found (entity VARCHAR, missing BIGINT, extra BIGINT, different BIGINT)")
        for left, right in _parts(db, system, only, parts, part_rows):
            _join(db, system, left, right)
            _differences(db, system)
        verdict = _counts(db, system)
        db.sql("SELECT * FROM differences ORDER BY entity, key, position").project(
            'entity, key, "column", source, target'
        ).write_parquet(str(out), compression="zstd")
        shown = db.sql(f'SELECT entity, key, "column", source, target FROM differences ORDER BY ALL LIMIT {SHOWN}')  # noqa: S608
        verdict.differences = shown.to_arrow_table().to_pylist()
        by_column = 'SELECT "column", count(*) FROM differences WHERE "column" IS NOT NULL GROUP BY ALL ORDER BY ALL'
        verdict.columns = dict(db.sql(by_column).fetchall())
    _clear(database, parts)
    verdict.path = out
    return verdict


# One line per differing column; a missing or extra row is one line with column null.
_DIFFERENCES = (
    'CREATE TABLE differences (entity VARCHAR, key VARCHAR, "column" VARCHAR, source VARCHAR, target VARCHAR, '
    "position INTEGER)"
)


def _clear(database: Path, parts: Path) -> None:
    database.unlink(missing_ok=True)
    shutil.rmtree(parts, ignore_errors=True)


def _parts(
    db: duckdb.DuckDBPyConnection, system: System, only: Buckets | None, folder: Path, part_rows: int
) -> Iterator[tuple[str, str]]:
    """Pairs of relations that together are both sides, and of which no key of one is in another's other side."""
    key = name(system.target.key)
    source = "source"
    if only is not None:
        db.register("starts", pa.table({"start": pa.array(sorted(only.starts), pa.string())}))
        source = f"(SELECT * FROM source WHERE {key}[1:{only.length}] IN (SELECT start FROM starts))"  # noqa: S608
    larger = f"SELECT greatest((SELECT count(*) FROM {source}), (SELECT count(*) FROM target))"  # noqa: S608
    number = math.ceil(db.sql(larger).fetchall()[0][0] / part_rows)
    if number <= 1:
        yield source, "target"
        return
    empty = {"source": "(SELECT * FROM source LIMIT 0)", "target": "(SELECT * FROM target LIMIT 0)"}
    # A writer keeps a row group of every part in memory, per thread: small ones, or many parts wouldn't fit.
    db.execute(f"SET partitioned_write_flush_threshold = {_FLUSH_ROWS}")
    for side, relation in (("source", source), ("target", "target")):
        folder.mkdir(parents=True, exist_ok=True)
        db.execute(
            f"COPY (SELECT *, hash({key}) % {number} AS _part FROM {relation}) TO {literal(str(folder / side))} "  # noqa: S608
            f"(FORMAT parquet, COMPRESSION lz4, ROW_GROUP_SIZE {_GROUP_ROWS}, PARTITION_BY (_part))"
        )
    for part in range(number):
        pair = []
        for side in ("source", "target"):
            files = folder / side / f"_part={part}"
            listed = f"read_parquet({literal(str(files / '*.parquet'))}, hive_partitioning = false)"
            pair.append(listed if files.is_dir() else empty[side])
        yield pair[0], pair[1]
        for side in ("source", "target"):
            shutil.rmtree(folder / side / f"_part={part}", ignore_errors=True)


def _join(db: duckdb.DuckDBPyConnection, system: System, source: str, target: str) -> None:
    """Table `unequal`: pairs that differ, with both sides' columns; its counts are added to `found`."""
    key = name(system.target.key)
    others = [name(column.name) for column in system.columns if column.name != system.target.key]
    differs = " OR ".join([f"s.{column} IS DISTINCT FROM t.{column}" for column in others])
    both = ", ".join(
        [
            f"s.{name(c.name)} AS {name('s_' + c.name)}, t.{name(c.name)} AS {name('t_' + c.name)}"
            for c in system.columns
        ]
    )
    db.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE unequal AS
        SELECT coalesce(s._entity, {entity_of_row(system, "t")}) AS entity, coalesce(s.{key}, t.{key}) AS key,
               t.{key} IS NULL AS missing, s.{key} IS NULL AS extra, {both}
        FROM (SELECT _entity, {columns(system)} FROM {source}) s
        FULL JOIN (SELECT {columns(system)} FROM {target}) t ON s.{key} = t.{key}
        WHERE s.{key} IS NULL OR t.{key} IS NULL OR {differs}
        """  # noqa: S608  names from the declaration
    )
    db.execute(
        """
        INSERT INTO found
        SELECT entity, count(*) FILTER (missing), count(*) FILTER (extra), count(*) FILTER (NOT missing AND NOT extra)
        FROM unequal GROUP BY ALL
        """
    )


def _counts(db: duckdb.DuckDBPyConnection, system: System) -> Verdict:
    source = dict(db.sql("SELECT _entity, count(*) FROM source GROUP BY ALL").fetchall())
    verdict = Verdict()
    totals = "SELECT entity, sum(missing)::BIGINT, sum(extra)::BIGINT, sum(different)::BIGINT FROM found GROUP BY ALL"
    unequal = {entity: tuple(numbers) for entity, *numbers in db.sql(totals).fetchall()}
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
    """Append what `unequal` holds to `differences`."""
    db.execute(
        """
        INSERT INTO differences
        SELECT entity, key, NULL, CASE WHEN missing THEN 'present' END, CASE WHEN extra THEN 'present' END, 0
        FROM unequal WHERE missing OR extra
        """
    )
    for position, column in enumerate(system.columns, 1):
        left, right = name("s_" + column.name), name("t_" + column.name)
        db.execute(
            f"""
            INSERT INTO differences
            SELECT entity, key, $1, {left}::VARCHAR, {right}::VARCHAR, {position}
            FROM unequal WHERE NOT missing AND NOT extra AND {left} IS DISTINCT FROM {right}
            """,  # noqa: S608
            [column.name],
        )
