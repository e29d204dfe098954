"""What can only be decided once every row has its item: keys that several items have, in one DuckDB pass."""

from __future__ import annotations

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from billio_pipeline.duck import connect
from billio_pipeline.migrate.itemise import FileItems
from billio_pipeline.migrate.settle import DROPPED
from billio_pipeline.migrate.stage import QUARANTINE, ItemStage
from billio_pipeline.model.entity import Entity
from billio_pipeline.model.refusal import Reason
from billio_pipeline.model.words import Lookup
from billio_pipeline.verify.sides import name


def settle_items(stage: ItemStage, files: list[FileItems], names: list[str]) -> dict[str, dict[str, int]]:
    """Write the stage's dropped.parquet and quarantine.parquet; `names` are the copy's files by index.

    Identical items under one key are one, the others excluded; differing ones are all refused, and so is what looks up
    a row that was. Returns per entity the
    counts known before any target is read.
    """
    database = stage.path / "settle.duckdb"
    with connect(database) as db:
        db.execute(f"CREATE TABLE dropped ({DROPPED})")
        staged = [str(path) for entity in stage.system.entities for path in stage.rows(entity.name)]
        if staged:
            _conflicts(db, stage)
            while sum([_unreferenced(db, stage, entity, lookup) for entity, lookup in _lookups(stage)]):
                pass  # what is refused now may be what another row refers to
        db.sql("SELECT * FROM dropped ORDER BY file, line").write_parquet(str(stage.dropped), compression="zstd")
        _quarantine(db, stage, staged, names)
        dropped = db.sql("SELECT entity, outcome, count(*) FROM dropped GROUP BY ALL").fetchall()
    database.unlink()
    counts = {
        entity.name: {"source": 0, "quarantined": 0, "excluded": 0, "accepted": 0} for entity in stage.system.entities
    }
    for file in files:
        entry = counts[file.entity]
        entry["source"] += file.rows
        entry["quarantined"] += file.refused
        entry["excluded"] += file.expired
        entry["accepted"] += file.accepted
    for entity, outcome, number in dropped:
        counts[entity][outcome] += number
        counts[entity]["accepted"] -= number
    return counts


def _conflicts(db: duckdb.DuckDBPyConnection, stage: ItemStage) -> None:
    """Fill `dropped` with what shares its key with another item. `source` is the source's own key of a row."""
    db.execute(
        "CREATE TABLE live (entity VARCHAR, source VARCHAR, place VARCHAR, key VARCHAR, hash BLOB, file INTEGER, "
        "line BIGINT)"
    )
    for entity in stage.system.entities:
        if paths := [str(path) for path in stage.rows(entity.name)]:
            row = name(entity.table.key)
            db.execute(
                f"INSERT INTO live SELECT $1, {row}::VARCHAR, _table, _key, _hash, _file, _line FROM read_parquet($2)",  # noqa: S608
                [entity.name, paths],
            )
    db.execute(
        """
        CREATE TABLE twice AS
        SELECT place, key, count(*) AS times, count(DISTINCT hash) AS versions, min((file, line)) AS first
        FROM live GROUP BY ALL HAVING count(*) > 1
        """
    )
    db.execute(
        f"""
        INSERT INTO dropped
        SELECT entity, key, file, line, 'quarantined', '{Reason.KEY_CONFLICT}',
               'the key ' || key || ' in ' || place || ' has ' || times || ' items, with ' || versions || ' contents'
        FROM live JOIN twice USING (place, key) WHERE versions > 1
        UNION ALL
        SELECT entity, key, file, line, 'excluded', 'duplicate', 'identical to an earlier item'
        FROM live JOIN twice USING (place, key) WHERE versions = 1 AND (file, line) > first
        """  # noqa: S608  a constant of ours
    )


def _lookups(stage: ItemStage) -> list[tuple[Entity, Lookup]]:
    return [(entity, lookup) for entity in stage.system.entities for lookup in entity.lookups]


def _unreferenced(db: duckdb.DuckDBPyConnection, stage: ItemStage, entity: Entity, lookup: Lookup) -> int:
    """Add to `dropped` the rows that refer to a refused one: their items would name what isn't there. How many."""
    paths = [str(path) for path in stage.rows(entity.name)]
    if not paths:
        return 0
    refused = [str(path) for path in stage.refused()]
    found = db.execute(
        f"""
        INSERT INTO dropped
        WITH gone AS (
            SELECT source_key AS source FROM read_parquet($3) WHERE entity = $2
            UNION SELECT source FROM live JOIN dropped USING (entity, file, line)
            WHERE entity = $2 AND outcome = 'quarantined'
        )
        SELECT $1, r._key, r._file, r._line, 'quarantined', '{Reason.REFERENCE_REFUSED}',
               '{lookup.by} ' || r.{name(lookup.by)} || ' was refused'
        FROM read_parquet($4) r JOIN gone ON gone.source = r.{name(lookup.by)}::VARCHAR
        ANTI JOIN dropped d ON d.file = r._file AND d.line = r._line
        """,  # noqa: S608  names from the declaration
        [entity.name, lookup.entity.name, refused, paths],
    ).fetchall()
    return int(found[0][0])


def _quarantine(db: duckdb.DuckDBPyConnection, stage: ItemStage, staged: list[str], names: list[str]) -> None:
    db.execute("CREATE TABLE quarantine AS SELECT * EXCLUDE outcome, ''::BLOB AS original FROM dropped LIMIT 0")
    if paths := [str(path) for path in stage.refused()]:
        db.execute(
            "INSERT INTO quarantine BY NAME "
            "SELECT reason, message, entity, key, file, line, original FROM read_parquet($1)",
            [paths],
        )
    if staged:
        db.execute(
            """
            INSERT INTO quarantine BY NAME
            SELECT d.reason, d.message, d.entity, d.key, d.file, d.line, r._source AS original
            FROM dropped d JOIN read_parquet($1, union_by_name = true) r ON r._file = d.file AND r._line = d.line
            WHERE d.outcome = 'quarantined'
            """,
            [staged],
        )
    known = pa.table({"file": pa.array(range(len(names)), pa.int32()), "name": pa.array(names, pa.string())})
    db.register("names", known)
    found = db.sql(
        """
        SELECT reason, message, entity, key, names.name AS file, line, original
        FROM quarantine q JOIN names ON names.file = q.file ORDER BY q.file, line
        """
    ).to_arrow_table()
    pq.write_table(found.cast(QUARANTINE), stage.quarantine, compression="zstd")
