"""Whether a secondary index holds exactly the staged items that have its keys. Knows no store: it is given the keys."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa

from billio_pipeline.duck import connect
from billio_pipeline.model.tables import DynamoTable, Gsi
from billio_pipeline.verify.reconcile import MEMORY, spool
from billio_pipeline.verify.sides import literal
from billio_pipeline.verify.survey import survey_view

SHOWN = 20
# Seconds between looks at an index that differs. It follows its table in far less than a second, as a rule, but
# DynamoDB promises no time: about ten seconds in all.
PAUSES = (0.25, 0.75, 2.0, 3.0, 4.0)

_KEYS = pa.schema([("key", pa.string())])

Scan = Callable[[], Iterable[Sequence[str]]]  # the keys an index holds now, page by page


@dataclass(frozen=True)
class Membership:
    """What an index should hold and holds, in items. `expired` ones may have left it; the first 20 keys are named."""

    table: str
    index: str
    expected: int
    found: int
    expired: int
    missing: int
    extra: int
    missing_keys: tuple[str, ...]
    extra_keys: tuple[str, ...]

    @property
    def equal(self) -> bool:
        return not self.missing and not self.extra


def gsi_difference(
    table: DynamoTable,
    index: Gsi,
    surveyed: Path,
    dropped: Path,
    scan: Scan,
    folder: Path,
    *,
    now: int,
    pauses: Sequence[float] = PAUSES,
    wait: Callable[[float], object] = time.sleep,
) -> Membership:
    """Compare the surveyed items, less `dropped`, that belong in the index with the keys `scan` gives.

    As long as they differ, `scan` is asked again after each of `pauses`, in seconds. `now` is in epoch seconds: an item
    that expired by then and is not there is not missing. `folder` is for what doesn't fit in memory.
    """
    own = folder / f"{table.name}.{index.name}"
    shutil.rmtree(own, ignore_errors=True)
    own.mkdir(parents=True)
    found = own / "found.parquet"
    with connect(own / "members.duckdb", MEMORY) as db:
        survey_view(db, surveyed, dropped)
        db.execute(
            """
            CREATE TABLE expected AS SELECT _key AS key, coalesce(_ttl <= $1, false) AS expired
            FROM source WHERE _table = $2 AND places[$3] IS NOT NULL
            """,
            [now, table.name, 2 + table.indexes.index(index)],
        )
        left = list(pauses)
        while True:
            spool((pa.table([pa.array(page, pa.string())], _KEYS) for page in scan()), found, _KEYS)
            membership = _compared(db, table, index, found)
            if membership.equal or not left:
                break
            wait(left.pop(0))
    shutil.rmtree(own)
    return membership


def _compared(db: duckdb.DuckDBPyConnection, table: DynamoTable, index: Gsi, found: Path) -> Membership:
    held = f"read_parquet({literal(str(found))})"
    db.execute(f"CREATE OR REPLACE TEMP TABLE gone AS SELECT * FROM expected ANTI JOIN {held} USING (key)")  # noqa: S608
    db.execute(f"CREATE OR REPLACE TEMP TABLE extra AS SELECT key FROM {held} ANTI JOIN expected USING (key)")  # noqa: S608
    ((expected, there, expired, missing, extra),) = db.sql(
        f"""
        SELECT (SELECT count(*) FROM expected), (SELECT count(*) FROM {held}),
               (SELECT count(*) FROM gone WHERE expired), (SELECT count(*) FROM gone WHERE NOT expired),
               (SELECT count(*) FROM extra)
        """  # noqa: S608  a path of ours
    ).fetchall()
    first = f"ORDER BY key LIMIT {SHOWN}"
    missing_keys = db.sql(f"SELECT key FROM gone WHERE NOT expired {first}").fetchall()  # noqa: S608
    extra_keys = db.sql(f"SELECT key FROM extra {first}").fetchall()  # noqa: S608
    return Membership(
        table.name,
        index.name,
        expected,
        there,
        expired,
        missing,
        extra,
        tuple(key for (key,) in missing_keys),
        tuple(key for (key,) in extra_keys),
    )
