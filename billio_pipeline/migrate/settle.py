"""What can only be decided once every file was read, in one DuckDB pass over keys and references.

Duplicates: identical ones are excluded, a key with different contents is refused in every version. References: a row
whose target is missing, of another entity, or itself refused, is refused too.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from billio_pipeline.codec.wire import parse
from billio_pipeline.duck import connect
from billio_pipeline.migrate.decode import FileCounts
from billio_pipeline.migrate.stage import QUARANTINE, UNKNOWN, Stage
from billio_pipeline.model.canonical import canonical_item, content_hash
from billio_pipeline.model.entity import Entity
from billio_pipeline.model.refusal import Reason, Refusal
from billio_pipeline.model.words import Rule

_AT_ONCE = 2_000  # lines in memory
DROPPED = "entity VARCHAR, key VARCHAR, file INTEGER, line BIGINT, outcome VARCHAR, reason VARCHAR, message VARCHAR"
NONE_PRESENT = pa.schema([("entity", pa.string()), ("key", pa.string())]).empty_table()


def settle(stage: Stage, files: list[FileCounts], present: pa.Table = NONE_PRESENT) -> dict[str, dict[str, int]]:
    """Write the stage's dropped.parquet and quarantine.parquet.

    `present` are rows (entity, key) that references may name beside the stage's own: what the target already holds.
    Returns per entity the counts known before any target is read: source, quarantined, excluded, accepted.
    """
    database = stage.path / "settle.duckdb"
    with connect(database) as db:
        _gather(db, stage)
        db.register("present", present)
        _duplicates(db, stage)
        _references(db, stage)
        _write(db, stage, files)
        dropped = db.sql("SELECT entity, outcome, count(*) FROM dropped GROUP BY ALL").fetchall()
    database.unlink()
    return _counts(stage, files, dropped)


def _gather(db: duckdb.DuckDBPyConnection, stage: Stage) -> None:
    """Tables `live` (one line per accepted row), `refused` (lines refused while decoding), `dropped` (none yet)."""
    references = sorted({r.column for e in stage.system.entities for r in e.rules if r.kind == "refers"})
    extra = "".join(f', "{name}" VARCHAR' for name in references)
    columns = "entity VARCHAR, key VARCHAR, source_key VARCHAR, file INTEGER, line BIGINT"
    db.execute(f"CREATE TABLE live ({columns}{extra})")
    for entity in stage.system.entities:
        if paths := [str(path) for path in stage.rows(entity.name)]:
            names = ", ".join([f'"{entity.table.key}"', "_key", "_file", "_line", *(f'"{n}"' for n in references)])
            db.execute(f"INSERT INTO live SELECT $1, {names} FROM read_parquet($2)", [entity.name, paths])  # noqa: S608
    refused = pa.concat_tables([_read(path) for path in stage.refused()]) if stage.refused() else None
    if refused is None:
        db.execute("CREATE TABLE refused (key VARCHAR, source_key VARCHAR)")
    else:
        db.execute("CREATE TABLE refused AS SELECT key, source_key FROM refused")
    db.execute(f"CREATE TABLE dropped ({DROPPED})")


def _read(path: Path) -> pa.Table:
    return pq.read_table(path, columns=["key", "source_key"])


def _drop(db: duckdb.DuckDBPyConnection, query: str, parameters: Iterable[object] = ()) -> int:
    """Move what `query` names (as columns of `dropped`) out of `live`; how many rows that were."""
    db.execute(f"CREATE OR REPLACE TEMP TABLE going AS {query}", list(parameters))
    db.execute("INSERT INTO dropped SELECT * FROM going")
    db.execute("DELETE FROM live USING going WHERE live.file = going.file AND live.line = going.line")
    return db.sql("SELECT count(*) FROM going").fetchall()[0][0]


def _duplicates(db: duckdb.DuckDBPyConnection, stage: Stage) -> None:
    db.execute("CREATE TABLE again AS SELECT key FROM live GROUP BY key HAVING count(*) > 1")
    _canonical(db, stage)
    db.execute(
        """
        CREATE TEMP TABLE twice AS
        SELECT key, count(*) AS times, count(DISTINCT hash) AS versions, min((file, line)) AS first
        FROM contents GROUP BY key
        """
    )
    _drop(
        db,
        f"""
        SELECT entity, key, file, line, 'quarantined', '{Reason.KEY_CONFLICT}',
               'the key ' || key || ' is seen ' || times || ' times, with ' || versions || ' different contents'
        FROM live JOIN twice USING (key) WHERE versions > 1
        """,  # noqa: S608  a constant of ours
    )
    _drop(
        db,
        f"""
        SELECT entity, key, file, line, 'quarantined', '{Reason.KEY_CONFLICT}',
               'the key ' || source_key || ' is seen again on a line that was refused'
        FROM live WHERE source_key IN (SELECT source_key FROM refused WHERE source_key IS NOT NULL)
        """,  # noqa: S608
    )
    _drop(
        db,
        """
        SELECT entity, key, file, line, 'excluded', 'duplicate', 'identical to an earlier item'
        FROM live JOIN twice USING (key) WHERE versions = 1 AND (file, line) > first
        """,
    )


def _canonical(db: duckdb.DuckDBPyConnection, stage: Stage) -> None:
    """Table `contents`: the canonical hash of every item whose key is seen again. Only those lines are read."""
    db.execute("CREATE TABLE contents (key VARCHAR, file INTEGER, line BIGINT, hash BLOB)")
    reader = db.cursor()
    for entity in stage.system.entities:
        if not (paths := [str(path) for path in stage.rows(entity.name)]):
            continue
        key = f'"{entity.table.key}"'
        query = f"SELECT {key}, _file, _line, _source FROM read_parquet($1) WHERE {key} IN (SELECT key FROM again)"  # noqa: S608
        reader.execute(query, [paths])
        while lines := reader.fetchmany(_AT_ONCE):
            hashed = [{"key": k, "file": f, "line": n, "hash": _content(source)} for k, f, n, source in lines]
            db.register("hashed", pa.Table.from_pylist(hashed))
            db.execute("INSERT INTO contents SELECT * FROM hashed")


def _content(line: bytes) -> bytes:
    item = parse(line)
    assert not isinstance(item, Refusal), "the line was accepted"
    return content_hash(canonical_item(item))


def _references(db: duckdb.DuckDBPyConnection, stage: Stage) -> None:
    rules = [(entity, rule) for entity in stage.system.entities for rule in entity.rules if rule.kind == "refers"]
    while sum([_unreferenced(db, stage, entity, rule) for entity, rule in rules]):
        pass  # a row dropped now may be what another one refers to


def _unreferenced(db: duckdb.DuckDBPyConnection, stage: Stage, entity: Entity, rule: Rule) -> int:
    allowed = [e.name for e in stage.system.entities if dict(rule.when).items() <= dict(e.when).items()]
    column = f'"{rule.column}"'
    return _drop(
        db,
        f"""
        WITH gone AS (
            SELECT key FROM refused WHERE key IS NOT NULL
            UNION SELECT key FROM dropped WHERE outcome = 'quarantined'
        ), known AS (
            SELECT entity, key FROM live
            UNION ALL SELECT entity, key FROM present ANTI JOIN live USING (key)
        )
        SELECT r.entity, r.key, r.file, r.line, 'quarantined',
               CASE WHEN other.key IS NOT NULL THEN '{Reason.REFERENCE_WRONG_TYPE}'
                    WHEN gone.key IS NOT NULL THEN '{Reason.REFERENCE_REFUSED}'
                    ELSE '{Reason.REFERENCE_MISSING}' END,
               '{rule.column} ' || r.{column} ||
               CASE WHEN other.key IS NOT NULL THEN ' is a ' || other.entity
                    WHEN gone.key IS NOT NULL THEN ' was refused'
                    ELSE ' is not in the export' END
        FROM live r
        LEFT JOIN known other ON other.key = r.{column}
        LEFT JOIN gone ON gone.key = r.{column}
        WHERE r.entity = $1 AND r.{column} IS NOT NULL AND (other.key IS NULL OR NOT list_contains($2, other.entity))
        """,  # noqa: S608  names from the declaration
        [entity.name, allowed],
    )


def _write(db: duckdb.DuckDBPyConnection, stage: Stage, files: list[FileCounts]) -> None:
    db.sql("SELECT * FROM dropped ORDER BY file, line").write_parquet(str(stage.dropped), compression="zstd")
    db.execute("CREATE TABLE quarantine AS SELECT * EXCLUDE outcome, ''::BLOB AS original FROM dropped LIMIT 0")
    if paths := [str(path) for path in stage.refused()]:
        db.execute(
            """
            INSERT INTO quarantine BY NAME
            SELECT reason, message, entity, key, file, line, original FROM read_parquet($1)
            """,
            [paths],
        )
    for entity in stage.system.entities:
        if paths := [str(path) for path in stage.rows(entity.name)]:
            db.execute(
                """
                INSERT INTO quarantine BY NAME
                SELECT d.reason, d.message, d.entity, d.key, d.file, d.line, r._source AS original
                FROM dropped d JOIN read_parquet($2) r ON r._file = d.file AND r._line = d.line
                WHERE d.entity = $1 AND d.outcome = 'quarantined'
                """,
                [entity.name, paths],
            )
    indexes, keys = [file.index for file in files], [file.key for file in files]
    names = pa.table({"file": pa.array(indexes, pa.int32()), "name": pa.array(keys, pa.string())})
    db.register("names", names)
    quarantine = db.sql(
        """
        SELECT reason, message, entity, key, names.name AS file, line, original
        FROM quarantine q JOIN names ON names.file = q.file ORDER BY q.file, line
        """
    ).to_arrow_table()
    pq.write_table(quarantine.cast(QUARANTINE), stage.quarantine, compression="zstd")


def _counts(stage: Stage, files: list[FileCounts], dropped: list[tuple[str, str, int]]) -> dict[str, dict[str, int]]:
    counts = {
        entity.name: {"source": 0, "quarantined": 0, "excluded": 0, "accepted": 0} for entity in stage.system.entities
    }
    for file in files:
        for name, number in file.accepted.items():
            counts[name]["source"] += number
            counts[name]["accepted"] += number
        for name, number in file.refused.items():
            entry = counts.setdefault(name, {"source": 0, "quarantined": 0, "excluded": 0, "accepted": 0})
            entry["source"] += number
            entry["quarantined"] += number
    for name, outcome, number in dropped:
        counts[name][outcome] += number
        counts[name]["accepted"] -= number
    return {name: entry for name, entry in counts.items() if name != UNKNOWN or entry["source"]}
