"""Repaired items matched with the refused lines they repair: by the place they name, else by their keys."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson
import pyarrow.parquet as pq

from billio_pipeline.errors import InputError
from billio_pipeline.migrate.repairs import Repair
from billio_pipeline.migrate.stage import QUARANTINE, Stage
from billio_pipeline.model.entity import System

Place = tuple[str, int]  # data file, line


def mended(stage: Stage, path: Path) -> list[Repair]:
    """What each line of the file at `path` repairs in the stage's quarantine.

    A line is `{"Item": {…}}`, with "File" and "Line" where its keys don't tell which line it repairs. An item whose
    key several refused lines have repairs all of them: equal then, one is loaded and the rest are duplicates. Lines as
    `quarantine list --to` writes them, without an Item, are left as they are.
    Raises InputError for what is no such line, or repairs none.
    """
    by_key: dict[str, list[Place]] = {}
    places: set[Place] = set()
    for row in pq.read_table(stage.quarantine, schema=QUARANTINE).to_pylist():
        place = (row["file"], row["line"])
        places.add(place)
        for key in keys_of(row, stage.system):
            by_key.setdefault(key, []).append(place)
    found: dict[Place, bytes] = {}
    for number, line, entry in _entries(path):
        if "Line" in entry or "File" in entry:
            place = (str(entry.get("File")), entry.get("Line"))
            if place not in places:
                raise _unmatched(path, number, f"{place[0]} line {place[1]}")
            if "Item" in entry:
                found[place] = orjson.dumps({"Item": entry["Item"]})
            continue
        names = item_keys(entry["Item"], stage.system)
        repaired = {place for name in names for place in by_key.get(name, ())}
        if not repaired:
            raise _unmatched(path, number, " / ".join(sorted(names)) or "an item without keys")
        found.update(dict.fromkeys(repaired, line))
    return [Repair(file, line, item) for (file, line), item in found.items()]


def keys_of(row: Mapping[str, Any], system: System) -> set[str]:
    """What a quarantined row can be called by: the key found in it, and the keys its original line holds."""
    keys = {row["key"]} - {None}
    try:
        item = orjson.loads(row["original"])["Item"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return keys
    return keys | item_keys(item, system)


def item_keys(item: Any, system: System) -> set[str]:
    """An item's key in its table, and the attribute that becomes its row's key, where these are texts."""
    if not isinstance(item, dict):
        return set()
    fields = [field for entity in system.entities for field in entity.fields]
    names = {system.source.partition[0]} | {each.attribute for each in fields if each.column == system.target.key}
    wires = [item.get(name) for name in names]
    return {wire["S"] for wire in wires if isinstance(wire, dict) and isinstance(wire.get("S"), str)}


def _entries(path: Path) -> Iterator[tuple[int, bytes, dict[str, Any]]]:
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                line = line.rstrip(b"\r\n")
                if line.strip():
                    yield number, line, _entry(path, number, line)
    except OSError as error:
        raise InputError(f"can't read {path}: {error}", remedy="Name a file of repaired lines.") from error


def _entry(path: Path, number: int, line: bytes) -> dict[str, Any]:
    try:
        entry = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise InputError(f"{path} line {number} is no JSON: {error}", remedy="One item a line.") from error
    if not isinstance(entry, dict) or not ("Item" in entry or "Original" in entry):
        raise InputError(f"{path} line {number} has no Item", remedy='Write {"Item": {…}} in DynamoDB JSON.')
    return entry


def _unmatched(path: Path, number: int, what: str) -> InputError:
    return InputError(
        f"{path} line {number} repairs nothing: {what} is not in the quarantine",
        remedy='Name the line it repairs with "File" and "Line", as `billio quarantine list --to` writes them.',
    )
