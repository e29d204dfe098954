"""The staged rows, asked with DuckDB for what parity needs: a seeded sample, and the few items questions are about.

Questions are asked many at a time: each takes a pass over columns of the whole stage, of which there may be millions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from billio_pipeline.duck import connect
from billio_pipeline.stores.dynamodb.client_form import Item

Row = dict[str, Any]
_SAMPLED = {name: name for name in ("id", "type", "shelf", "title", "external_id", "series_id")}
_SAMPLED |= {name: f"epoch_us({name})" for name in ("moved_at", "added_at")}
_PLACE = "s.id, s.filename, s.file_row_number"


@dataclass(frozen=True)
class Within:
    """A partition of an index up to a time (µs): rows of these types, and on this shelf if there is one."""

    types: tuple[str, ...]
    shelf: str | None
    end: int


@dataclass(frozen=True)
class Window:
    """The items of a partition from `low` (µs) to its end."""

    low: int
    items: list[Item]


class Staged:
    """Staged Parquet less the rows dropped since. Reads columns as they are asked for; `_source` of few rows only."""

    def __init__(self, files: str | Sequence[str], dropped: str) -> None:
        self._duck = connect()
        given = files if isinstance(files, str) else list(files)
        rows = self._duck.read_parquet(given, union_by_name=True, filename=True, file_row_number=True)
        rows.create_view("rows")
        self._duck.execute("CREATE TEMP TABLE dropped AS SELECT file, line FROM read_parquet($1)", [dropped])
        self._duck.execute(
            "CREATE VIEW staged AS SELECT * FROM rows r ANTI JOIN dropped d ON d.file = r._file AND d.line = r._line"
        )

    def __enter__(self) -> Staged:
        return self

    def __exit__(self, *_: object) -> None:
        self._duck.close()

    def samples(self, wanted: Mapping[str, str], count: int, seed: str) -> dict[str, list[Row]]:
        """For each name of `wanted`, `count` of the rows its condition (ours) holds for, chosen by key and seed."""
        picked = ", ".join(f"{name} := {value}" for name, value in _SAMPLED.items())
        chosen = ", ".join(f"min_by(picked, hash(id, ?), {count}) FILTER (WHERE {where})" for where in wanted.values())
        sql = f"SELECT {chosen} FROM (SELECT *, struct_pack({picked}) AS picked FROM staged)"  # noqa: S608
        found = self._rows(sql, [f"{seed} {name}" for name in wanted])[0]
        return {name: rows or [] for name, rows in zip(wanted, found, strict=True)}

    def having(self, column: str, values: Iterable[str]) -> dict[str, list[Item]]:
        """The source items by their row's text in `column` (ours), for each of `values`."""
        asked = dict.fromkeys(values)
        self._ask(q=pa.array(list(asked), pa.string()))
        found = self._rows(f"SELECT a.q, {_PLACE} FROM staged s JOIN asked a ON s.{column} = a.q")  # noqa: S608
        return {value: [] for value in asked} | _items(found)

    def containing(self, wanted: Sequence[tuple[str, str]]) -> list[int]:
        """For each (type, text): how many rows of the type have the text in their title, whatever its case."""
        self._ask_texts(wanted)
        found = dict(
            self._rows(
                "SELECT a.q, count(*) FROM staged s JOIN asked a "
                "ON s.type = a.type AND contains(lower(s.title), lower(a.text)) GROUP BY ALL"
            )
        )
        return [found.get(index, 0) for index in range(len(wanted))]

    def starting(self, wanted: Sequence[tuple[str, str]]) -> list[list[Item]]:
        """For each (type, text): the source items of the type's rows whose title starts with the text."""
        self._ask_texts(wanted)
        on = "s.type = a.type AND starts_with(s.title, a.text)"
        found = _items(self._rows(f"SELECT a.q, {_PLACE} FROM staged s JOIN asked a ON {on}"))  # noqa: S608
        return [found.get(index, []) for index in range(len(wanted))]

    def windows(self, column: str, wanted: Sequence[Within], items: int, most: int) -> list[Window | None]:
        """For each: the window that ends at its time and holds `items` rows, more with ties; None with over `most`.

        `column` (ours) is a time.
        """
        asked = [(index, each, name) for index, each in enumerate(wanted) for name in each.types]
        self._ask(
            q=pa.array([index for index, _, _ in asked], pa.int64()),
            type=pa.array([name for _, _, name in asked], pa.string()),
            shelf=pa.array([each.shelf for _, each, _ in asked], pa.string()),
            until=pa.array([each.end for _, each, _ in asked], pa.int64()),
        )
        micros = f"epoch_us(s.{column})"
        on = f"s.type = a.type AND (a.shelf IS NULL OR s.shelf = a.shelf) AND {micros} <= a.until"
        latest = f"SELECT a.q, list_min(max({micros}, {items})) FROM staged s JOIN asked a ON {on} GROUP BY ALL"  # noqa: S608
        low: dict[int, int] = dict(self._rows(latest))
        starts = pa.table({"q": pa.array(low.keys(), pa.int64()), "low": pa.array(low.values(), pa.int64())})
        self._duck.register("starts", starts)
        inside = f"FROM staged s JOIN asked a ON {on} JOIN starts USING (q) WHERE {micros} >= low"
        small = {q for q, rows in self._rows(f"SELECT q, count(*) {inside} GROUP BY ALL") if rows <= most}
        self._duck.register("starts", starts.filter(pa.array([q in small for q in low], pa.bool_())))
        found = _items(self._rows(f"SELECT q, {_PLACE} {inside}"))
        return [Window(low[index], found[index]) if index in small else None for index in range(len(wanted))]

    def shelves(self) -> list[Row]:
        """type, shelf and n: the rows on each shelf."""
        found = self._rows("SELECT type, shelf, count(*) FROM staged GROUP BY ALL ORDER BY ALL")
        return [dict(zip(("type", "shelf", "n"), row, strict=True)) for row in found]

    def _ask(self, **columns: pa.Array) -> None:
        """The table `asked` that the next query joins."""
        self._duck.register("asked", pa.table(columns))

    def _ask_texts(self, wanted: Sequence[tuple[str, str]]) -> None:
        self._ask(
            q=pa.array(range(len(wanted)), pa.int64()),
            type=pa.array([name for name, _ in wanted], pa.string()),
            text=pa.array([text for _, text in wanted], pa.string()),
        )

    def _rows(self, sql: str, values: Sequence[Any] = ()) -> list[Any]:
        return self._duck.execute(sql, list(values)).fetchall()


def _items(places: Iterable[tuple[Any, str, str, int]]) -> dict[Any, list[Item]]:
    """(question, id, file, row in the file) → the questions' source items, an id once for each."""
    found: dict[Any, dict[str, Item]] = {}
    for file, inside in groupby(sorted(places, key=lambda place: place[2:]), key=lambda place: place[2]):
        for (question, key, _, _), line in _lines(file, list(inside)):
            found.setdefault(question, {})[key] = orjson.loads(line)["Item"]
    return {question: list(items.values()) for question, items in found.items()}


def _lines(path: str, places: list[tuple[Any, str, str, int]]) -> Iterable[tuple[tuple[Any, str, str, int], bytes]]:
    """Each place, ordered by row, with its source line. Holds one row group at a time."""
    with pq.ParquetFile(path) as file:
        groups = [file.metadata.row_group(index).num_rows for index in range(file.num_row_groups)]
        ends = np.cumsum(groups)
        for group, inside in groupby(places, key=lambda place: int(np.searchsorted(ends, place[3], side="right"))):
            table = file.read_row_group(group, columns=["_source"])
            first = int(ends[group]) - groups[group]
            for place in inside:
                yield place, table["_source"][place[3] - first].as_py()
