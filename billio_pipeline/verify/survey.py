"""What the checks of indexes, hot keys and sizes need of every staged item, in few columns: all read once.

Read row group by row group, not by DuckDB, whose vectors of 2,048 items of up to 400 KB would not fit in its memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import duckdb
import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from billio_pipeline.model.size import sizer, text_size
from billio_pipeline.model.tables import DynamoTable, Gsi
from billio_pipeline.verify.reconcile import spool
from billio_pipeline.verify.sides import accepted_view

# `places` has the partition key the item has in its table and in each index in declared order, null where it is not in.
SURVEY = pa.schema(
    [
        ("_table", pa.string()),
        ("_key", pa.string()),
        ("_ttl", pa.int64()),
        ("_file", pa.int32()),
        ("_line", pa.int64()),
        ("size", pa.int32()),
        ("places", pa.list_(pa.string())),
    ]
)
_READ = ["_table", "_key", "_ttl", "_file", "_line", "_item"]

_size = sizer(text_size)


def survey(tables: Sequence[DynamoTable], staged: Mapping[str, Sequence[Path]], path: Path) -> int:
    """Write a row of SURVEY for every staged item (Parquet by entity) of these tables; how many that were.

    Dropped ones are in it: each check leaves them out. Sizes are in bytes, by DynamoDB's counting.
    """
    known: dict[str, Sequence[DynamoTable | Gsi]] = {table.name: (table, *table.indexes) for table in tables}
    return spool(_surveyed(known, chain.from_iterable(staged.values())), path, SURVEY)


def survey_view(db: duckdb.DuckDBPyConnection, surveyed: Path, dropped: Path) -> None:
    """View `source`: the surveyed items less those in `dropped`."""
    accepted_view(db, "source", SURVEY, {"": [surveyed]}, dropped)


def _surveyed(known: Mapping[str, Sequence[DynamoTable | Gsi]], paths: Iterable[Path]) -> Iterator[pa.Table]:
    for path in paths:
        with pq.ParquetFile(path) as file:
            for group in range(file.metadata.num_row_groups):
                columns = file.read_row_group(group, columns=_READ).select(_READ).columns
                rows = zip(*(column.to_pylist() for column in columns), strict=True)
                if found := [_row(row, known[row[0]]) for row in rows if row[0] in known]:
                    yield pa.table([list(column) for column in zip(*found, strict=True)], schema=SURVEY)


def _row(row: tuple[Any, ...], places: Sequence[DynamoTable | Gsi]) -> tuple[Any, ...]:
    *kept, canonical = row
    item = orjson.loads(canonical)
    return *kept, _size(item), [_partition(place, item) for place in places]


def _partition(place: DynamoTable | Gsi, item: Mapping[str, Mapping[str, Any]]) -> str | None:
    """The item's partition key there. It is there when it has each key attribute with the type that is declared."""
    for name, tag in (place.partition, place.sort) if place.sort else (place.partition,):
        if tag not in item.get(name, ()):
            return None
    name, tag = place.partition
    return item[name][tag]
