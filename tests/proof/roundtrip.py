"""Row 7: item → row → item over all ten types, arbitrarily nested; fast path ≡ exact path; our reading ≡ boto3's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import hypothesis
import oracle_codec as oracle
import wire
from boto3.dynamodb.types import TypeDeserializer
from hypothesis import HealthCheck, Phase, given
from hypothesis import strategies as st

from assets.billio.model import SYSTEM
from billio_pipeline.codec.compile import Refused, compile
from billio_pipeline.codec.decode import Decoder
from billio_pipeline.codec.wire import parse
from billio_pipeline.model.natural import to_natural
from billio_pipeline.model.refusal import Refusal
from proof.outcome import Outcome, Workspace

TYPES = frozenset(("S", "N", "B", "BOOL", "NULL", "L", "M", "SS", "NS", "BS"))
# Lines decoded in one block by both paths: alone, few lines would share columns with others.
BLOCK = 20

_CODEC = compile(SYSTEM)
_FAST, _EXACT = Decoder(_CODEC), Decoder(_CODEC, fast=False)
_BOTO = TypeDeserializer()


def run(n: int, seed: int, workspace: Workspace) -> Outcome:
    """`n` items of the wire grammar, and as many lines for the two paths: half good, half damaged."""
    seen: Counter[str] = Counter()
    failures: list[str] = []
    _explore(n, seed, wire.items(), lambda item: _law(item, seen, failures))
    lines = st.lists(wire.lines() | wire.mutated(), min_size=BLOCK, max_size=BLOCK)
    _explore(-(-n // BLOCK), seed, lines, lambda block: _paths(block, seen, failures))
    if missing := TYPES - seen.keys():
        failures.append(f"never met: {sorted(missing)}")
    figure = (
        f"{seen['items']} items identical, {seen['boto3']} values as boto3 reads them, "
        f"{seen['lines']} lines alike on both paths ({seen['fast']} fast, {seen['refused']} refused)"
    )
    return Outcome.of(failures, seen["items"], figure, **{name: seen[name] for name in sorted(seen)})


def _explore(n: int, seed: int, strategy: st.SearchStrategy[Any], judge: Any) -> None:
    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=n, database=None, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
    )
    @given(strategy)
    def explore(drawn: Any) -> None:
        judge(drawn)

    explore()


def _law(item: dict[str, Any], seen: Counter[str], failures: list[str]) -> None:
    seen["items"] += 1
    read = parse(wire.written(item))
    loaded = read if isinstance(read, Refusal) else _CODEC.to_row(read)
    if isinstance(loaded, Refusal | Refused):
        failures.append(f"refused: {loaded}")
        return
    entity, row = loaded
    if oracle.item_meaning(_CODEC.to_item(entity, row)) != oracle.item_meaning(item):
        failures.append(f"not rebuilt: {wire.written(item)[:300]!r}")
    due = oracle.row_of(item)
    if oracle.document(row.pop("data")) != due.pop("data") or row != due:
        failures.append(f"another row: {wire.written(item)[:300]!r}")
    for value in item.values():
        seen.update(_types(value))
        if not {"B", "BS"} & set(_types(value)):  # boto3 takes bytes for these, which JSON doesn't have
            seen["boto3"] += 1
            ours = _exact(to_natural(parse(wire.written({"a": value}))["a"], "/a", {}))
            if ours != _exact(_BOTO.deserialize(value)):
                failures.append(f"boto3 reads otherwise: {value}")


def _paths(lines: list[bytes], seen: Counter[str], failures: list[str]) -> None:
    fast, exact = _FAST.block(lines, 1), _EXACT.block(lines, 1)
    seen["lines"] += fast.lines
    seen["fast"] += fast.fast
    seen["refused"] += len(fast.refused)
    tables = {name: table for name, table in fast.tables.items() if table.num_rows}
    alike = tables.keys() == exact.tables.keys() and all(
        table.schema == exact.tables[name].schema and table.to_pylist() == exact.tables[name].to_pylist()
        for name, table in tables.items()
    )
    if not alike or fast.refused != exact.refused:
        failures.append(f"the paths differ on {lines!r}"[:400])


def _types(value: dict[str, Any]) -> Iterator[str]:
    ((tag, held),) = value.items()
    yield tag
    for inner in held if tag == "L" else held.values() if tag == "M" else ():
        yield from _types(inner)


def _exact(value: Any) -> Any:
    """One form for a value of ours and of boto3's: sets as sorted lists, every number a Decimal."""
    if isinstance(value, set):
        return sorted(map(_exact, value))
    if isinstance(value, list):
        return [_exact(each) for each in value]
    if isinstance(value, dict):
        return {name: _exact(each) for name, each in value.items()}
    return Decimal(value) if isinstance(value, int) and not isinstance(value, bool) else value
