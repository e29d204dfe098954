"""AlgoItny's archive: the whole source once more, and the usage logs that expiry takes, before it takes them.

<archive>/source/<snapshot>/<table>/<file>.parquet   every table of a snapshot; snapshot.json has counts, fingerprints
<archive>/usage/<snapshot>.parquet                   usage logs old enough to be about to go; each is kept for good
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from assets.algoitny.archived import archive_location
from assets.algoitny.model import SYSTEM, USAGE
from assets.factory.assets import OWNERS
from assets.factory.checks import check_spec
from assets.factory.run import explained, markdown
from billio_pipeline.duck import connect
from billio_pipeline.migrate import copied as copies
from billio_pipeline.migrate.copied import Copied
from billio_pipeline.settings import Settings
from billio_pipeline.stores.objects import ObjectStore, open_store

SHOWN = 20

_SOURCE, _USAGE = (dg.AssetKey([SYSTEM.name, "archive", part]) for part in ("source", "usage"))


def archive_of(settings: Settings) -> ObjectStore:
    """The archive, to write to: a folder that isn't there is made."""
    location = archive_location(settings)
    if "://" not in location:
        Path(location).mkdir(parents=True, exist_ok=True)
    return open_store(location, settings)


def archive_source(copied: Copied, store: ObjectStore) -> list[str]:
    """Copy every file of the snapshot; the keys written. Writing the same snapshot again changes nothing."""
    names = [*(file.name for file in copied.files), "snapshot.json"]
    keys = [f"source/{copied.id}/{name}" for name in names]
    for name, key in zip(names, keys, strict=True):
        with (copied.path / name).open("rb") as file:
            store.write(key, file)
    return keys


def old_usage(copied: Copied, now: datetime) -> pa.Table:
    """The snapshot's usage logs that are older than the archive's days, by id."""
    assert USAGE.expires is not None
    files = [str(copied.path / file.name) for file in copied.files if file.entity == USAGE.name]
    if not files:
        return pa.table({"id": pa.array([], pa.int64())})
    with connect() as db:
        return db.sql(
            "SELECT * FROM read_parquet($1) WHERE created_at < $2 ORDER BY id",
            params=[files, now - timedelta(days=USAGE.expires.archived_days)],
        ).to_arrow_table()


def archive_usage(copied: Copied, store: ObjectStore, now: datetime) -> int:
    """Write the old usage logs of the snapshot; how many they are."""
    rows = old_usage(copied, now)
    sink = pa.BufferOutputStream()
    pq.write_table(rows, sink, compression="zstd")
    store.write(f"usage/{copied.id}.parquet", sink.getvalue().to_pybytes())
    return rows.num_rows


def unarchived(copied: Copied, store: ObjectStore, now: datetime) -> list[int]:
    """Ids of old usage logs that no file of the archive holds."""
    left = old_usage(copied, now)["id"]
    for info in store.list("usage"):
        if len(left) == 0:
            break
        held = pq.read_table(pa.BufferReader(store.read(info.key)), columns=["id"])["id"]
        left = left.filter(pc.invert(pc.is_in(left, held.combine_chunks())))
    return left.to_pylist()


@dg.multi_asset(
    name=f"{SYSTEM.name}_archive",
    specs=[
        dg.AssetSpec(
            key,
            deps=[[SYSTEM.name, "snapshot", entity.table.name] for entity in SYSTEM.entities],
            kinds={"parquet", "s3"},
            description=text,
            group_name=SYSTEM.name,
            owners=OWNERS,
            tags={"system": SYSTEM.name},
        )
        for key, text in (
            (_SOURCE, "Every table of the snapshot, with counts and fingerprints: what decommissioning keeps."),
            (_USAGE, "Usage logs that expiry takes from the table, kept for good."),
        )
    ],
)
def archive(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult]:
    """Both parts, from this run's snapshot."""
    settings, now = Settings.from_env(), datetime.now(UTC)
    with explained():
        taken, store = copies.find(settings.home, SYSTEM.name, context.run.run_id), archive_of(settings)
        keys = archive_source(taken, store)
        rows = archive_usage(taken, store, now)
    yield dg.MaterializeResult(
        asset_key=_SOURCE,
        metadata={
            "dagster/row_count": sum(file.rows for file in taken.files),
            "files": len(keys),
            "path": f"{store.uri}/source/{taken.id}",
            **{name: str(value) for name, value in taken.about.items()},
        },
    )
    yield dg.MaterializeResult(
        asset_key=_USAGE, metadata={"dagster/row_count": rows, "path": f"{store.uri}/usage/{taken.id}.parquet"}
    )


@dg.multi_asset_check(name=f"{SYSTEM.name}_archive_checks", specs=[check_spec("archived", _USAGE, blocking=True)])
def archive_checks(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
    settings = Settings.from_env()
    with explained():
        taken = copies.find(settings.home, SYSTEM.name, context.run.run_id)
        left = unarchived(taken, archive_of(settings), datetime.now(UTC))
    yield dg.AssetCheckResult(
        asset_key=_USAGE,
        check_name="archived",
        passed=not left,
        metadata={"unarchived": len(left), "first": markdown(["id"], [[each] for each in left[:SHOWN]])},
    )
