"""The fast path: blocks of ordinary lines to columns. It accepts or defers; only the exact path refuses.

A line is taken when re-encoding its parsed form gives as many bytes as it has (so no name stands twice and nothing is
escaped oddly), all its attributes are plainly written, and every logical type's `fast` accepts. All else is deferred
to `Codec.to_row`, which decides. The two agree by test, and by a sample of every production file (`decode.py`).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from billio_pipeline.codec.compile import Codec, template
from billio_pipeline.codec.wire import MAX_DEPTH, MAX_ITEM_BYTES
from billio_pipeline.model.canonical import content_hash
from billio_pipeline.model.entity import RESERVED, Entity, Field

_WRAPPER = len(b'{"Item":}')
_json = json.JSONEncoder(ensure_ascii=False).encode
_INTEGER_CHARACTERS = 17  # of a number that is surely an exact 64-bit integer, its sign included


class _Deferred(Exception):
    """This line is for the exact path."""


@dataclass
class _Columns:
    """What one entity's accepted lines of a block hold so far, column by column."""

    texts: list[list[str | None]]
    inside: list[list[str | None]]
    documents: list[str] = field(default_factory=list)
    hashes: list[bytes] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)


class _Plan:
    """An entity's declaration, flattened for the loop over lines."""

    def __init__(self, entity: Entity, key: str) -> None:
        self.entity = entity
        self.columns = [f for f in entity.fields if f.column is not None]
        slot = {f.attribute: index for index, f in enumerate(self.columns)}
        self.whole = [
            (f.attribute, f.type.tag, f.optional, slot[f.attribute]) for f in self.columns if len(f.path) == 1
        ]
        self.parts: dict[str, list[tuple[str, str, int]]] = {}
        for f in self.columns:
            if len(f.path) == 2:
                self.parts.setdefault(f.path[0], []).append((f.path[1], f.type.tag, slot[f.attribute]))
        self.exact_only = any(len(f.path) > 2 or (len(f.path) == 2 and not f.optional) for f in self.columns)
        self.inside: list[Field] = [f for f in entity.fields if f.inside]
        self.held = [(f.attribute, f.type.tag) for f in self.inside]
        self.derived = [(d.attribute, *template(d)) for d in entity.derived]
        self.absent = [slot[f.attribute] for f in self.columns for r in entity.rules if r == r.absent(f.column or "")]
        self.key = key

    def take(self, item: dict[str, Any], canonical: bytes, number: int, into: _Columns) -> None:
        """Add one parsed item to the columns, or raise _Deferred having added nothing."""
        source_key = item[self.key]["S"]
        pop = item.pop
        for attribute, pattern, inputs in self.derived:
            if pop(attribute, None) != {"S": pattern % tuple([item[name]["S"] for name in inputs])}:
                raise _Deferred
        texts: list[str | None] = [None] * len(self.columns)
        for attribute, tag, optional, slot in self.whole:
            wire = pop(attribute, None)
            if wire is not None:
                texts[slot] = _held(wire, tag)
            elif not optional:
                raise _Deferred
        for name, parts in self.parts.items():
            if (wire := item.get(name)) is not None:
                if len(wire) != 1 or not (held := wire["M"]):
                    raise _Deferred
                for part, tag, slot in parts:
                    if (inner := held.pop(part, None)) is not None:
                        texts[slot] = _held(inner, tag)
                if not held:
                    del item[name]
        for slot in self.absent:
            if texts[slot] is not None:
                raise _Deferred
        if RESERVED in item:
            raise _Deferred
        inside = [_held(item[attribute], tag) for attribute, tag in self.held]
        into.documents.append(_document({name: _natural(wire, 0) for name, wire in item.items()}))
        for column, text in zip(into.texts, texts, strict=True):
            column.append(text)
        for column, text in zip(into.inside, inside, strict=True):
            column.append(text)
        into.hashes.append(content_hash(canonical))
        into.keys.append(source_key)
        into.numbers.append(number)


class FastPath:
    """Decodes blocks of lines for one codec; see `block`."""

    def __init__(self, codec: Codec) -> None:
        self.system = codec.system
        key = codec.system.source.partition[0]
        self._plans: dict[str, _Plan] = {}
        discriminators = {name for entity in self.system.entities for name in entity.when}
        if len(discriminators) == 1:
            (self._discriminator,) = discriminators
            for entity in self.system.entities:
                plan = _Plan(entity, key)
                if not plan.exact_only:
                    self._plans[entity.when[self._discriminator]] = plan

    def block(self, lines: list[bytes], first: int) -> tuple[dict[str, pa.Table], list[int]]:
        """Per entity the lines taken (target columns, `_line`, `_hash`, `_key`), and the numbers of those deferred.

        `first` is the number of the first line. Blank lines are neither taken nor deferred.
        """
        taken: dict[str, _Columns] = {}
        deferred: list[int] = []
        for number, line in enumerate(lines, first):
            if not line or line.isspace():
                continue
            try:
                self._take(line, number, taken)
            except (_Deferred, ValueError, KeyError, TypeError, AttributeError):
                deferred.append(number)
        tables: dict[str, pa.Table] = {}
        for discriminator, columns in taken.items():
            plan = self._plans[discriminator]
            table, accepted = self._table(plan, columns)
            deferred.extend(table.filter(pc.invert(accepted))["_line"].to_pylist())
            tables[plan.entity.name] = table.filter(accepted)
        return tables, sorted(deferred)

    def _take(self, line: bytes, number: int, taken: dict[str, _Columns]) -> None:
        if len(line) > MAX_ITEM_BYTES or b"\\u0000" in line:
            raise _Deferred
        item = orjson.loads(line)["Item"]
        canonical = orjson.dumps(item, option=orjson.OPT_SORT_KEYS)
        if len(canonical) + _WRAPPER != len(line):
            raise _Deferred
        plan = self._plans[item[self._discriminator]["S"]]
        columns = taken.get(plan.entity.when[self._discriminator])
        if columns is None:
            columns = taken[plan.entity.when[self._discriminator]] = _Columns(
                [[] for _ in plan.columns], [[] for _ in plan.inside]
            )
        plan.take(item, canonical, number, columns)

    def _table(self, plan: _Plan, columns: _Columns) -> tuple[pa.Table, pa.Array]:
        """The block's columns through each type's `fast`, and which rows every one of them accepted."""
        accepted = pa.array([True] * len(columns.numbers), pa.bool_())
        arrays: dict[str, pa.Array] = {}
        for each, texts in zip(plan.columns, columns.texts, strict=True):
            array, mask = each.type.fast(pa.array(texts, pa.string()))
            arrays[each.column or ""] = array
            accepted = pc.and_(accepted, mask)
        for each, held in zip(plan.inside, columns.inside, strict=True):
            accepted = pc.and_(accepted, each.type.fast(pa.array(held, pa.string()))[1])
        arrays[plan.entity.rest.column] = pa.array(columns.documents, pa.string())
        for column in self.system.columns:
            if column.name not in arrays:
                arrays[column.name] = pa.nulls(len(columns.numbers), column.type.arrow)
        table = pa.table([arrays[c.name] for c in self.system.columns], schema=self.system.arrow_schema())
        table = table.append_column("_line", pa.array(columns.numbers, pa.int64()))
        table = table.append_column("_hash", pa.array(columns.hashes, pa.binary(16)))
        return table.append_column("_key", pa.array(columns.keys, pa.string())), accepted


def _held(wire: dict[str, Any], tag: str) -> str:
    held = wire[tag]
    if len(wire) != 1 or type(held) is not str:
        raise _Deferred
    return held


def _natural(wire: dict[str, Any], depth: int) -> Any:
    """Natural JSON of a plainly written value; sets, binary, any but short integers, and great depth are deferred."""
    ((tag, held),) = wire.items()
    if tag == "S" and type(held) is str:
        return held
    if tag == "BOOL" and type(held) is bool:
        return held
    if tag == "N":
        number = int(held) if len(held) <= _INTEGER_CHARACTERS else None
        if number is None or str(number) != held:
            raise _Deferred
        return number
    if depth < MAX_DEPTH:
        if tag == "L" and type(held) is list:
            return [_natural(each, depth + 1) for each in held]
        if tag == "M" and type(held) is dict:
            return {name: _natural(each, depth + 1) for name, each in held.items()}
    if tag == "NULL" and held is True:
        return None
    raise _Deferred


def _document(document: dict[str, Any]) -> str:
    """`document` as jsonb prints it; values are what `_natural` makes."""
    return _json(_ordered(document))


def _ordered(value: Any) -> Any:
    if type(value) is dict:
        ascii_names = all(map(str.isascii, value))
        order = _by_length if ascii_names else _by_bytes
        return {name: _ordered(value[name]) for name in sorted(value, key=order)}
    if type(value) is list:
        return [_ordered(each) for each in value]
    return value


def _by_length(name: str) -> tuple[int, str]:
    return len(name), name


def _by_bytes(name: str) -> tuple[int, bytes]:
    encoded = name.encode()
    return len(encoded), encoded
