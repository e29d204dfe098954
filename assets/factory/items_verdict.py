"""A run's verdict where the target is DynamoDB: every table read back and compared with the staged items."""

import time
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import orjson

from billio_pipeline import progress
from billio_pipeline.codec.items import ItemCodec
from billio_pipeline.duck import connect
from billio_pipeline.errors import ConfigurationError
from billio_pipeline.migrate.itemise import expiry
from billio_pipeline.migrate.stage import UNKNOWN, ItemStage
from billio_pipeline.model.entity import RowSystem
from billio_pipeline.room import room
from billio_pipeline.stores.dynamodb import tables
from billio_pipeline.stores.dynamodb.read_back import read_back
from billio_pipeline.verify.items import reconcile_items, spool_items
from billio_pipeline.verify.reconcile import Verdict

SPOTS = 20
# Items past their time when the source was copied: not staged, and the table has yet to remove them.
EXPIRED = "_expired"


def require_tables(client: Any, system: RowSystem) -> None:
    """Raise ConfigurationError when a table of the system is not there."""
    if missing := [table.name for table in system.tables if tables.live(client, table.name) is None]:
        raise ConfigurationError(
            f"there is no table {', '.join(missing)}",
            remedy="Check BILLIO_DYNAMODB_ENDPOINT and AWS_REGION, or load first: billio migrate.",
        )


def judge_items(stage: ItemStage, client: Any) -> Verdict:
    """Compare all tables with every staged item. Writes verdict.json into the stage."""
    require_tables(client, stage.system)
    with room(stage.path):
        return _judged(stage, client)


def staged_paths(stage: ItemStage) -> dict[str, list[Any]]:
    """The staged files by entity."""
    return {entity.name: stage.rows(entity.name) for entity in stage.system.entities}


def _judged(stage: ItemStage, client: Any) -> Verdict:
    system, folder = stage.system, stage.path / "verdict"
    folder.mkdir(parents=True, exist_ok=True)
    started, as_of = time.perf_counter(), stage.summary["as_of"] // 1_000_000
    codec = ItemCodec(system)

    def entity_of(item: dict[str, Any]) -> str:
        entity = codec.entity_of(item)
        if entity and entity.expires and (ends := expiry(entity, item)) is not None and ends <= as_of:
            return EXPIRED
        kind = item.get("EntityType", {}).get("S", UNKNOWN)
        return entity.name if entity else kind if kind in system.added else UNKNOWN

    back = {table.name: folder / f"{table.name}.parquet" for table in system.tables}
    items = 0
    for table in system.tables:
        items += spool_items(
            read_back(client, table.name),
            table,
            entity_of,
            back[table.name],
            lambda number: progress.tell("read back", number),
        )
    read = time.perf_counter()
    verdict = reconcile_items(
        system.tables,
        [entity.name for entity in system.entities],
        staged_paths(stage),
        stage.dropped,
        back,
        folder / "differences.parquet",
        now=int(time.time()),
        ignore_entities=[*system.added, EXPIRED],
    )
    verdict.seconds = {"read_back": round(read - started, 3), "compare": round(time.perf_counter() - read, 3)}
    values = {
        **asdict(verdict),
        "path": str(verdict.path),
        "rows": items,
        "spot_check": list(_spots(stage, [str(path) for path in back.values()])),
        "target": client.meta.endpoint_url,
        "profile": "dynamodb",
    }
    (folder / "verdict.json").write_bytes(orjson.dumps(values, default=str))
    for path in back.values():
        path.unlink()
    return verdict


def _spots(stage: ItemStage, back: list[str]) -> Iterator[dict[str, Any]]:
    """Some items, chosen by a hash of their keys, as they were staged and as they were read back."""
    staged = [(name, str(path)) for name, paths in staged_paths(stage).items() for path in paths]
    if not staged:
        return
    with connect() as db:
        chosen = db.execute(
            """
            WITH s AS (
                SELECT _table, _key, _item, _file, _line FROM read_parquet($1, union_by_name = true)
                ANTI JOIN (SELECT file AS _file, line AS _line FROM read_parquet($2)) USING (_file, _line)
                ORDER BY hash(_key) LIMIT $4
            )
            SELECT s._key, s._item, t.item, t.entity FROM s
            LEFT JOIN read_parquet($3) t ON t."table" = s._table AND t.key = s._key
            """,
            [[path for _, path in staged], str(stage.dropped), back, SPOTS],
        ).fetchall()
    codec = ItemCodec(stage.system)
    for key, item, found, _ in chosen:
        wire = orjson.loads(item)
        entity = codec.entity_of(wire)
        row = {name: _text(value) for name, value in orjson.loads(found).items()} if found else None
        yield {"entity": entity.name if entity else UNKNOWN, "key": key, "source": wire, "row": row}


def _text(wire: dict[str, Any]) -> str:
    ((tag, held),) = wire.items()
    return held if tag in ("S", "N") else orjson.dumps(wire).decode()
