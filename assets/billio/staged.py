"""The staged rows, asked with DuckDB for what parity needs: a seeded sample, and the few items a question is about."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import duckdb
import orjson
import pyarrow as pa

from billio_pipeline.stores.dynamodb.client_form import Item

Row = dict[str, Any]
_SAMPLED = (
    "id, type, shelf, title, external_id, series_id, epoch_us(moved_at) AS moved_at, epoch_us(added_at) AS added_at"
)


class Staged:
    """Staged Parquet without the quarantined keys. Reads columns as they are asked for; `_source` of few rows only."""

    def __init__(self, files: str | Sequence[str], quarantined: Collection[str]) -> None:
        self._duck = duckdb.connect(config={"autoinstall_known_extensions": "false"})
        self._duck.register("refused", pa.table({"id": pa.array(list(quarantined), pa.string())}))
        given = files if isinstance(files, str) else list(files)
        self._duck.read_parquet(given, union_by_name=True).create_view("rows")
        self._duck.execute("CREATE VIEW staged AS SELECT * FROM rows ANTI JOIN refused USING (id)")

    def __enter__(self) -> Staged:
        return self

    def __exit__(self, *_: object) -> None:
        self._duck.close()

    def sample(self, count: int, seed: str, where: str = "true") -> list[Row]:
        """`count` rows chosen by their key and the seed; `where` is ours. Fewer when there are fewer."""
        sql = f"SELECT {_SAMPLED} FROM staged WHERE {where} ORDER BY md5(id || ?), id LIMIT ?"  # noqa: S608
        return self._rows(sql, [seed, count])

    def items(self, where: str, *values: Any) -> list[Item]:
        """The source items of the rows for which `where` (ours, with ? for values) holds; duplicates once."""
        found = self._duck.execute(f"SELECT id, _source FROM staged WHERE {where}", list(values)).fetchall()  # noqa: S608
        return [orjson.loads(line)["Item"] for line in dict(found).values()]

    def count(self, where: str, *values: Any) -> int:
        """How many keys hold for `where`."""
        sql = f"SELECT count(DISTINCT id) AS n FROM staged WHERE {where}"  # noqa: S608
        return int(self._rows(sql, list(values))[0]["n"])

    def shelves(self) -> list[Row]:
        """type, shelf and n: the keys on each shelf."""
        return self._rows("SELECT type, shelf, count(DISTINCT id) AS n FROM staged GROUP BY ALL ORDER BY ALL", [])

    def window(self, column: str, items: int, end: int, where: str, *values: Any) -> tuple[int, int]:
        """Start of a window of a time (µs) that ends at `end` and holds `items` keys, more with ties; how many."""
        sql = f"""
            WITH reached AS (SELECT epoch_us({column}) AS micros FROM staged WHERE micros <= ? AND {where}),
                 low AS (SELECT min(micros) AS low FROM (FROM reached ORDER BY micros DESC LIMIT ?))
            SELECT any_value(low) AS low, count(*) AS n FROM reached, low WHERE micros >= low"""  # noqa: S608
        (found,) = self._rows(sql, [end, *values, items])
        return found["low"], found["n"]

    def _rows(self, sql: str, values: list[Any]) -> list[Row]:
        found = self._duck.execute(sql, values)
        names = [column[0] for column in found.description or ()]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]
