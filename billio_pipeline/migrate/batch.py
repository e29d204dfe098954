"""A batch: what one transaction commits, with its ledger row. Its id says what it holds, so a replay is recognised."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from billio_pipeline.migrate.stage import Stage


@dataclass(frozen=True)
class Batch:
    """Rows of one entity from one data file. `rows` has the target's columns and `_line`, `_hash`."""

    export_id: str
    entity: str
    file: str
    rows: pa.Table

    @property
    def first_line(self) -> int:
        return self.rows["_line"][0].as_py()

    @property
    def content_hash(self) -> str:
        """Stands for the items' contents, in order."""
        digest = hashlib.blake2b(digest_size=16)
        for each in self.rows["_hash"].to_pylist():
            digest.update(each)
        return digest.hexdigest()

    @property
    def id(self) -> str:
        """Export, entity, file, first line and content: equal only for the same rows of the same export."""
        parts = (self.export_id, self.entity, self.file, str(self.first_line), self.content_hash)
        return hashlib.blake2b("\0".join(parts).encode(), digest_size=16).hexdigest()

    def columns(self) -> pa.Table:
        """The rows as the target takes them."""
        return self.rows.select([name for name in self.rows.column_names if not name.startswith("_")])

    def halves(self) -> tuple[Batch, Batch]:
        """The batch cut in two. It must have more than one row."""
        middle = self.rows.num_rows // 2
        first, second = self.rows.slice(0, middle), self.rows.slice(middle)
        return (
            Batch(self.export_id, self.entity, self.file, first),
            Batch(self.export_id, self.entity, self.file, second),
        )


def batches(stage: Stage, entity: str, export_id: str) -> Iterator[Batch]:
    """One entity's batches, in the order of the export's files and lines."""
    files = stage.files()
    for index, rows in stage.batches(entity):
        yield Batch(export_id, entity, files[index], rows)


def compare(wanted: pa.Table, present: pa.Table, key: str) -> tuple[pa.Table, pa.Table]:
    """(rows of `wanted` whose key `present` lacks, rows whose contents `present` holds differently)."""
    at = pc.index_in(wanted[key], value_set=present[key].combine_chunks())
    missing = wanted.filter(pc.is_null(at))
    shared = wanted.filter(pc.is_valid(at))
    found = present.take(pc.drop_null(at))
    same = pa.chunked_array([pa.array([True] * shared.num_rows, pa.bool_())])
    for name in wanted.column_names:
        left, right = shared[name], found[name]
        equal = pc.or_kleene(pc.equal(left, right), pc.and_(pc.is_null(left), pc.is_null(right)))
        same = pc.and_(same, pc.fill_null(equal, False))
    return missing, shared.filter(pc.invert(same))
