"""Blocks of lines to tables and refusals: the fast path, the exact path for what it deferred, a sample by both."""

from __future__ import annotations

from dataclasses import dataclass, field

import pyarrow as pa

from billio_pipeline.codec.compile import Codec, Refused
from billio_pipeline.codec.fast import FastPath
from billio_pipeline.codec.wire import glimpse, parse
from billio_pipeline.errors import TerminalError
from billio_pipeline.model.canonical import content_hash
from billio_pipeline.model.refusal import Refusal

# One line in this many, chosen by its content's hash, is decoded both ways; a difference fails the file.
AUDIT_ONE_IN = 1000


class CodecError(TerminalError):
    """The two decoding paths disagree: a defect of ours, never of the data. Nothing is loaded."""

    code = "codec_mismatch"
    remedy = "Report the lines named; until it is mended, BILLIO_FAST_PATH=0 decodes by the exact path alone."


@dataclass
class Block:
    """One block, decoded: per entity the target columns and `_line`, `_hash`, `_key`, `_source`, ordered by line."""

    tables: dict[str, pa.Table] = field(default_factory=dict)
    refused: list[tuple[int, Refused, bytes]] = field(default_factory=list)  # line number, why, the line
    lines: int = 0
    fast: int = 0


class Decoder:
    """Decodes one system's lines. Holds no state between blocks."""

    def __init__(self, codec: Codec, *, fast: bool = True) -> None:
        self.codec = codec
        self._fast = FastPath(codec) if fast else None
        self._schema = codec.system.arrow_schema()

    def block(self, lines: list[bytes], first: int) -> Block:
        """Decode lines numbered from `first` (blank ones skipped). Raises CodecError if the two paths disagree."""
        numbers = [first + index for index, line in enumerate(lines) if line and not line.isspace()]
        block = Block(lines=len(numbers))
        deferred = numbers
        if self._fast:
            block.tables, deferred = self._fast.block(lines, first)
            block.fast = block.lines - len(deferred)
            self._audit(block.tables, lines, first)
        exact = self._exact(deferred, lines, first, block)
        for name, table in exact.items():
            if name in block.tables:
                table = pa.concat_tables([block.tables[name], table]).sort_by("_line")
            block.tables[name] = table
        return block

    def _exact(self, numbers: list[int], lines: list[bytes], first: int, block: Block) -> dict[str, pa.Table]:
        """The lines of these numbers by the exact path; refusals go to `block`."""
        rows: dict[str, list[dict[str, object]]] = {}
        for number in numbers:
            line = lines[number - first]
            item = parse(line)
            if isinstance(item, Refusal):
                block.refused.append((number, self.codec.refused(item, glimpse(line)), line))
                continue
            decoded = self.codec.to_row(item)
            if isinstance(decoded, Refused):
                block.refused.append((number, decoded, line))
                continue
            entity, row = decoded
            key = item[self.codec.system.source.partition[0]]["S"]
            row |= {"_line": number, "_hash": content_hash(line), "_key": key, "_source": line}
            rows.setdefault(entity.name, []).append(row)
        schema = self._schema
        for name, kind in (
            ("_line", pa.int64()),
            ("_hash", pa.binary(16)),
            ("_key", pa.string()),
            ("_source", pa.binary()),
        ):
            schema = schema.append(pa.field(name, kind))
        return {name: pa.Table.from_pylist(each, schema) for name, each in rows.items()}

    def _audit(self, tables: dict[str, pa.Table], lines: list[bytes], first: int) -> None:
        limit = (1 << 32) // AUDIT_ONE_IN
        for name, table in tables.items():
            picked = [i for i, h in enumerate(table["_hash"].to_pylist()) if int.from_bytes(h[:4]) < limit]
            if not picked:
                continue
            sample = table.take(pa.array(picked))
            numbers = sample["_line"].to_pylist()
            again = self._exact(numbers, lines, first, Block()).get(name)
            if again is None or not sample.equals(again):
                raise CodecError(f"the fast and the exact path differ on {name}", lines=str(numbers[:10]))
