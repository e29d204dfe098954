"""Rows of a copied SQL table as the codec takes them, with the columns of other tables that lookups read."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from billio_pipeline.codec.items import looked_up, lookup_column
from billio_pipeline.duck import connect
from billio_pipeline.migrate.copied import SourceFile, SourceRow
from billio_pipeline.model.canonical import jsonb_text, parse_jsonb
from billio_pipeline.model.entity import Entity
from billio_pipeline.model.refusal import Reason, Refusal
from billio_pipeline.model.scalars import Json
from billio_pipeline.verify.sides import literal, name

_AT_ONCE = 2_000  # rows in memory


def joined_rows(copied: Path, file: SourceFile, entity: Entity) -> Iterator[SourceRow]:
    """The rows of one file of the copy, in its order, times as µs since 1970. The original is the row as JSON."""
    columns = [column.name for column in entity.columns]
    documents = [column.name for column in entity.columns if isinstance(column.type, Json)]
    line = 0
    with pq.ParquetFile(copied / file.name) as parquet, closing(_looked(copied, file, entity)) as looked:
        for group in range(parquet.num_row_groups):  # each of a few MiB, however large its rows are
            for row in _rows(parquet.read_row_group(group, columns=columns).combine_chunks()):
                line += 1
                row |= next(looked, {})
                original = jsonb_text({column: row[column] for column in columns}).encode(errors="surrogatepass")
                yield SourceRow(line, _respelt(row, documents) or row, original)


def _looked(copied: Path, file: SourceFile, entity: Entity) -> Generator[dict[str, Any], None, None]:
    """By row of the file, in its order, what lookups read of the rows it refers to. Only these columns are sorted:
    whole rows might not fit in memory. Nothing where no lookup reads anything."""
    select: list[str] = []
    joins = ""
    for lookup in entity.lookups:
        other = name(lookup.name)
        for field in looked_up(entity)[lookup.name]:
            select.append(f"{other}.{name(field.column or '')} AS {name(lookup_column(lookup.name, field))}")
        files = literal(str(copied / lookup.entity.table.name / "*.parquet"))
        joins += (
            f" LEFT JOIN read_parquet({files}) {other} ON {other}.{name(lookup.entity.table.key)} = r.{name(lookup.by)}"
        )
    if not select:
        return
    with connect() as db:
        query = (
            f"SELECT {', '.join(select)} "  # noqa: S608  names from the declaration
            f"FROM read_parquet({literal(str(copied / file.name))}, file_row_number = true) r{joins} "
            "ORDER BY r.file_row_number"
        )
        for batch in db.sql(query).to_arrow_reader(_AT_ONCE):
            yield from _rows(batch)


def _respelt(row: dict[str, Any], documents: list[str]) -> Refusal | None:
    """Give the row's documents their one spelling; or why one can't be had."""
    for column in documents:
        if row[column] is not None:
            try:
                row[column] = jsonb_text(parse_jsonb(row[column]))
            except RecursionError:
                return Refusal(Reason.OVER_DYNAMODB_LIMIT, f"{column}: nested far deeper than DynamoDB allows")
    return None


def _rows(batch: pa.RecordBatch | pa.Table) -> Iterator[dict[str, Any]]:
    lists = [_values(column) for column in batch.columns]
    for values in zip(*lists, strict=True):
        yield dict(zip(batch.schema.names, values, strict=True))


def _values(column: pa.Array | pa.ChunkedArray) -> list[Any]:
    return (column.cast(pa.int64()) if pa.types.is_timestamp(column.type) else column).to_pylist()
