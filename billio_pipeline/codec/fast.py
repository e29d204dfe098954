"""The fast path: blocks of ordinary lines to columns. It accepts or defers; only the exact path refuses.

A line is taken when it fits the shape learned from its neighbours, has no more names than its item (so none stands
twice), and every logical type's `fast` accepts. All else is deferred to `Codec.to_row`, which decides. The two agree by
test, and by a sample of every production file.
"""

from __future__ import annotations

from itertools import compress
from typing import Any

import numpy as np
import pyarrow as pa

from billio_pipeline.codec.compile import Codec
from billio_pipeline.codec.layout import Layout
from billio_pipeline.codec.rest import RestTexts
from billio_pipeline.codec.rows import Rows
from billio_pipeline.codec.shape import Learner
from billio_pipeline.model.canonical import content_hash
from billio_pipeline.model.types import LogicalType

# Share of a block's lines that must not fit before their names are learned: a few odd items are no new shape.
_LEARN_FROM = 0.02


class FastPath:
    """Decodes blocks of lines for one codec; see `block`. Remembers the shape of the lines it has seen."""

    def __init__(self, codec: Codec) -> None:
        self.system = codec.system
        self._learner = Learner(codec.system)
        self._texts = (RestTexts(depth=0), RestTexts(depth=1))
        discriminators = {name for entity in self.system.entities for name in entity.when}
        self._discriminator = next(iter(discriminators)) if len(discriminators) == 1 else None
        self._lay()

    def _lay(self) -> None:
        """Lay the declaration anew over what is learned by now."""
        self._shape = self._learner.shape()
        self._layout = Layout(self.system, self._shape, self._discriminator) if self._discriminator else None

    def block(self, lines: list[bytes], first: int) -> tuple[dict[str, pa.Table], list[int]]:
        """Per entity the lines taken (target columns and `_line`, `_hash`, `_key`, `_source`), the numbers of the rest.

        `first` is the number of the first line. Blank lines are neither taken nor deferred.
        """
        wanted = [index for index, line in enumerate(lines) if line and not line.isspace()]
        if self._layout is None or not self._layout.kinds:
            return {}, [first + index for index in wanted]
        indexes, items, left = self._decoded(lines, wanted)
        if len(left) > _LEARN_FROM * len(wanted) and self._learner.learn(lines[index] for index in left):
            self._lay()
            indexes, items, left = self._decoded(lines, wanted)
        if not items:
            return {}, [first + index for index in left]
        rows = Rows(self._layout, items, [lines[index] for index in indexes], self._discriminator or "")
        rows.check_fields()
        rows.check_derived()
        arrays = rows.arrays | {("", None): rows.documents(self._texts)}
        common = {
            "_line": pa.array(np.array(indexes, np.int64) + first),
            "_hash": pa.array(list(map(content_hash, rows.lines)), pa.binary(16)),
            "_key": rows.texts[self.system.source.partition[0]],
            "_source": rows.source,
        }
        tables = self._tables(rows, arrays, common)
        left.extend(compress(indexes, ~rows.accepted))
        return tables, sorted(first + index for index in left)

    def _decoded(self, lines: list[bytes], wanted: list[int]) -> tuple[list[int], list[Any], list[int]]:
        """Lines that fit the shape: indexes and items; and indexes of the others."""
        decode = self._shape.decode
        indexes: list[int] = []
        items: list[Any] = []
        left: list[int] = []
        for index in wanted:
            try:
                items.append(decode(lines[index]).Item)
                indexes.append(index)
            except (ValueError, RecursionError):  # msgspec's errors are ValueErrors
                left.append(index)
        return indexes, items, left

    def _tables(
        self, rows: Rows, arrays: dict[tuple[str, LogicalType | None], pa.Array], common: dict[str, pa.Array]
    ) -> dict[str, pa.Table]:
        schema = self.system.arrow_schema()
        tables: dict[str, pa.Table] = {}
        for index, entity in enumerate(self.system.entities):
            taken = np.flatnonzero(rows.accepted & (rows.kinds == index))
            if not len(taken):
                continue
            at: dict[str, tuple[str, LogicalType | None]] = {entity.rest.column: ("", None)}
            at |= {field.column: (field.attribute, field.type) for field in entity.fields if field.column}
            columns = {
                c.name: arrays[at[c.name]] if c.name in at else pa.nulls(len(rows.lines), c.type.arrow)
                for c in self.system.columns
            }
            table = pa.table(columns, schema=schema)
            for name, array in common.items():
                table = table.append_column(name, array)
            tables[entity.name] = table if len(taken) == len(rows.lines) else table.take(pa.array(taken))
        return tables
