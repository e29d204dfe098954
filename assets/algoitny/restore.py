"""AlgoItny's PostgreSQL rebuilt: from the archive's newest snapshot alone, or from the tables as they are now.

From the tables come the rows of seven of the eight; the archive adds what has no home there, the eighth, and the usage
logs that expiry has taken. Either way the result is copied as a source is, and compared with the archive's snapshot.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from assets.algoitny.archived import Archived, fetch_snapshot, with_expired
from assets.algoitny.model import SYSTEM, USAGE
from assets.algoitny.repository.counters import SEQUENCES
from assets.algoitny.source import TABLES
from billio_pipeline import progress
from billio_pipeline.duck import connect
from billio_pipeline.migrate.refill import Blocks, Layout, check_vacant, layout_of, refill
from billio_pipeline.migrate.rows_back import RowsBack, check_unique, rows_back
from billio_pipeline.model.entity import RowSystem
from billio_pipeline.room import room
from billio_pipeline.stores.objects import ObjectStore
from billio_pipeline.stores.sql.snapshot import snapshot
from billio_pipeline.stores.sql.target import Target
from billio_pipeline.verify.copies import Compared, compare_copies

_AT_ONCE = 1_000  # rows in memory


@dataclass(frozen=True)
class Restored:
    """What a restore did and how the result compares with the archive's snapshot, by table.

    `invalid` are foreign keys left NOT VALID; `back` is what was read of the tables, None from the archive.
    """

    snapshot: str
    as_of: str
    rows: dict[str, int]
    compared: dict[str, Compared]
    invalid: list[str]
    back: RowsBack | None

    @property
    def equal(self) -> bool:
        """Whether the database holds what the archived snapshot does, and nothing was left out on the way."""
        whole = self.back is None or not self.back.refused
        return whole and not self.invalid and all(each.equal for each in self.compared.values())


def layout() -> Layout:
    """The source's tables as Django makes them."""
    text = Path(__file__).with_name("django.sql").read_text(encoding="utf-8")
    return layout_of(text, TABLES, "-- Behind the rows")


def restore(
    target: Target,
    archive: ObjectStore,
    work: Path,
    client: Any = None,
    *,
    system: RowSystem = SYSTEM,
    now: datetime | None = None,
) -> Restored:
    """Fill the target, which must hold no row of the tables. With a DynamoDB `client` from the tables, else from the
    archive. `work` is an empty folder with room for the archive and the tables.

    Raises ConfigurationError or InputError, nothing having changed, when the target isn't vacant or the archive has no
    snapshot; TargetError, likewise, when the target refuses a row.
    """
    made = layout()
    check_vacant(target, made)
    with room(work):
        archived = fetch_snapshot(archive, work / "archive")
        rows: dict[str, Blocks] = {table: _archived(archived, table) for table in TABLES}
        back, highest = None, dict[str, int]()
        if client is not None:
            back, highest = _read(client, system, work / "rows")
            for entity in system.entities:
                check_unique(entity, back.files[entity.name])
                rows[entity.table.name] = _file(back.files[entity.name])
            query = with_expired(back.files[USAGE.name], archived.files(USAGE.table.name), now or datetime.now(UTC))
            rows[USAGE.table.name] = _queried(query, work / "usage.duckdb")
        done = refill(target, made, rows, highest=highest, progress=lambda n: progress.tell("fill", n))
        compared = _prove(target, archived, work, exact=client is None)
    return Restored(archived.snapshot.id, archived.snapshot.as_of_iso, done.rows, compared, done.invalid, back)


def _read(client: Any, system: RowSystem, folder: Path) -> tuple[RowsBack, dict[str, int]]:
    """The tables' rows, and the highest id that was ever given, by source table, as the counters have it."""
    tables = {SEQUENCES[entity.name]: entity.table.name for entity in system.entities}
    highest: dict[str, int] = {}

    def counted(item: Mapping[str, Any]) -> None:
        counter, _, name = item["PK"]["S"].partition("#")
        if counter == "COUNTER" and name in tables:
            highest[tables[name]] = int(item["Count"]["N"])

    back = rows_back(
        client, system, folder, added=counted, progress=lambda items: progress.tell("read the tables", items)
    )
    return back, highest


def _archived(archived: Archived, table: str) -> Blocks:
    def blocks() -> Iterator[pa.Table]:
        for file in archived.files(table):
            yield from _file(file)()

    return blocks


def _file(path: Path) -> Callable[[], Iterator[pa.Table]]:
    def blocks() -> Iterator[pa.Table]:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(_AT_ONCE):
                yield pa.Table.from_batches([batch])

    return blocks


def _queried(query: str, work: Path) -> Blocks:
    def blocks() -> Iterator[pa.Table]:
        with connect(work) as db:
            for batch in db.sql(query).to_arrow_reader(_AT_ONCE):
                yield pa.Table.from_batches([batch])

    return blocks


def _prove(target: Target, archived: Archived, work: Path, *, exact: bool) -> dict[str, Compared]:
    """The target copied as a source is, and compared table by table; fingerprints first. `exact`: documents as texts,
    else by value, for DynamoDB keeps no number's spelling."""
    folder = work / "restored"
    taken = snapshot(target, TABLES, folder, progress=lambda table, rows, of: progress.tell("read back", rows))
    found = {}
    for table in archived.snapshot.tables:
        again = taken[table.name]
        if again.fingerprint == table.fingerprint:
            found[table.name] = Compared(table.rows, again.rows)
            continue
        documents = {column.name for column in table.columns if column.sql in ("json", "jsonb") and not exact}
        files = [folder / name for name in again.files]
        (key,) = table.key
        found[table.name] = compare_copies(archived.files(table.name), files, key, documents, work / "compare.duckdb")
        progress.tell("compare", 1)
    return found
