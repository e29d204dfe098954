"""A spot check for people: a few items as they were exported, beside their rows as they were read back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from billio_pipeline.duck import connect
from billio_pipeline.model.entity import System

ITEMS = 20


def spot_check(
    system: System,
    staged: Mapping[str, Sequence[Path]],
    dropped: Path,
    read: Callable[[list[str]], pa.Table],
    seed: str = "0",
) -> list[dict[str, Any]]:
    """`ITEMS` accepted items chosen by a seeded hash of their keys: entity, key, source line, target row or None.

    `read` gives the target's rows of these keys, those that are there.
    """
    chosen: list[dict[str, Any]] = []
    key = system.target.key
    with connect() as db:
        db.execute("CREATE TEMP TABLE dropped AS SELECT file, line FROM read_parquet($1)", [str(dropped)])
        db.execute("CREATE TEMP TABLE picked (entity VARCHAR, key VARCHAR, file INTEGER, line BIGINT, rank UBIGINT)")
        for entity, paths in staged.items():
            if paths:
                db.execute(
                    f"""
                    INSERT INTO picked
                    SELECT $1, "{key}", _file, _line, hash("{key}" || $2)
                    FROM read_parquet($3) r ANTI JOIN dropped d ON d.file = r._file AND d.line = r._line
                    ORDER BY 5 LIMIT {ITEMS}
                    """,  # noqa: S608  names from the declaration
                    [entity, seed, [str(path) for path in paths]],
                )
        db.execute(f"CREATE TEMP TABLE final AS SELECT * FROM picked ORDER BY rank LIMIT {ITEMS}")  # noqa: S608
        for entity, paths in staged.items():
            if not paths:
                continue
            lines = db.execute(
                "SELECT f.key, f.rank, r._source FROM final f "
                "JOIN read_parquet($2) r ON r._file = f.file AND r._line = f.line WHERE f.entity = $1",
                [entity, [str(path) for path in paths]],
            ).fetchall()
            chosen.extend({"entity": entity, "key": k, "rank": rank, "source": source} for k, rank, source in lines)
        db.register("found", read([each["key"] for each in chosen]))
        # As text: a row altered by hand may hold a time that Python can't.
        rows = {row[key]: row for row in db.sql("SELECT COLUMNS(*)::VARCHAR FROM found").to_arrow_table().to_pylist()}
    chosen.sort(key=lambda each: each.pop("rank"))
    return [{**each, "row": rows.get(each["key"])} for each in chosen]
