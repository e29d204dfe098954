"""AlgoItny's counters, seeded from the snapshot once the tables hold its items; and parity, asked of both sides."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import dagster as dg
import psycopg
import pyarrow.parquet as pq

from assets.algoitny.model import SYSTEM, USAGE
from assets.algoitny.parity import parity
from assets.algoitny.repository import Repository, seed_counters, source_counts
from assets.factory.assets import OWNERS
from assets.factory.checks import check_spec, parity_outcome
from assets.factory.items import table_key
from assets.factory.run import explained, staged_items
from billio_pipeline.duck import connect
from billio_pipeline.errors import ConfigurationError
from billio_pipeline.migrate import copied as copies
from billio_pipeline.migrate.copied import Copied
from billio_pipeline.migrate.stage import ItemStage
from billio_pipeline.model.canonical import parse_jsonb
from billio_pipeline.settings import Settings
from resources.dynamodb import DynamoDBResource

SAMPLES = 5  # of each pattern's arguments
_AT_ONCE = 10_000
_KEY = dg.AssetKey([SYSTEM.name, "counters"])


@dg.asset(
    key=_KEY,
    deps=[[SYSTEM.name, "loaded", table_key(table)] for table in SYSTEM.tables],
    kinds={"dynamodb"},
    description="What rate limits and new ids count with: seeded where absent, never reset, never lowered.",
    group_name=SYSTEM.name,
    owners=OWNERS,
    tags={"system": SYSTEM.name},
)
def counters(context: dg.AssetExecutionContext, dynamodb: DynamoDBResource) -> dg.MaterializeResult:
    settings = Settings.from_env()
    with explained():
        taken = copies.find(settings.home, SYSTEM.name, context.run.run_id)
        counts = source_counts({entity.name: _rows(taken, entity.name) for entity in SYSTEM.entities}, taken.as_of)
        written = seed_counters(dynamodb.client(), counts)
    return dg.MaterializeResult(
        metadata={"usage": len(counts.usage), "sequences": len(counts.highest), "written": written}
    )


def _rows(taken: Copied, entity: str) -> Iterator[dict[str, Any]]:
    """What is counted of the snapshot's rows, those that were refused included: their ids were given, too."""
    files = [str(taken.path / file.name) for file in taken.files if file.entity == entity]
    if not files:
        return
    columns = "id, user_id, action, epoch_us(created_at) AS created_at" if entity == USAGE.name else "id"
    with connect() as db:
        found = db.sql(f"SELECT {columns} FROM read_parquet($1)", params=[files])  # noqa: S608
        for batch in found.to_arrow_reader(_AT_ONCE):
            yield from batch.to_pylist()


@dg.multi_asset_check(
    name=f"{SYSTEM.name}_counters_checks", specs=[check_spec("parity", _KEY, blocking=True)], can_subset=True
)
def counters_checks(
    context: dg.AssetCheckExecutionContext, dynamodb: DynamoDBResource
) -> Iterator[dg.AssetCheckResult]:
    """The source is asked as it is now: rows written to it since the snapshot are told as differences."""
    settings = Settings.from_env()
    with explained():
        stage = staged_items(context, SYSTEM)
        taken = copies.find(settings.home, SYSTEM.name, context.run.run_id)
        as_of = datetime.fromtimestamp(taken.as_of / 1_000_000, UTC)
        repository = Repository(dynamodb.client(), clock=lambda: as_of)
        with closing(_connected(settings)) as connection:
            cases = parity(repository, connection, samples=SAMPLES, dropped=_dropped(stage))
    passed, told = parity_outcome(cases)
    yield dg.AssetCheckResult(asset_key=_KEY, check_name="parity", passed=passed, metadata=told)


def _connected(settings: Settings) -> psycopg.Connection[Any]:
    dsn = settings.source_dsn(SYSTEM.name)
    if not dsn:
        raise ConfigurationError("no source database is named", remedy="Set BILLIO_ALGOITNY_DSN.")
    connection = psycopg.connect(dsn)
    connection.read_only = True
    connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    return connection


def _dropped(stage: ItemStage) -> dict[str, list[int]]:
    """By table the ids of rows that were refused; what expired both sides leave out by its time."""
    found: dict[str, list[int]] = {}
    for each in pq.read_table(stage.quarantine, columns=["entity", "original"]).to_pylist():
        table = stage.system.by_name[each["entity"]].table.name
        found.setdefault(table, []).append(parse_jsonb(each["original"])["id"])
    return found
