"""Two tables to compare, `reference` and `items`, that differ in sixty rows of twelve kinds; five rows of each kind."""

from __future__ import annotations

import psycopg

EACH = 5
# A change of some rows of `items`, named by what it does.
CHANGES = {
    "1 ms later": "UPDATE items SET moved_at = moved_at + interval '1 ms' WHERE {rows}",
    "1 µs later": "UPDATE items SET added_at = added_at + interval '1 microsecond' WHERE {rows}",
    "trailing space": "UPDATE items SET title = title || ' ' WHERE {rows}",
    "letter case": "UPDATE items SET shelf = upper(shelf) WHERE {rows}",
    "null to empty": "UPDATE items SET notes = CASE WHEN notes IS NULL THEN '' END WHERE {rows}",
    "value to null": "UPDATE items SET external_id = CASE WHEN external_id IS NULL THEN 'x' END WHERE {rows}",
    "number by one": "UPDATE items SET rating = coalesce(rating, 0) + 1 WHERE {rows}",
    "width to null": "UPDATE items SET image_width = CASE WHEN image_width IS NULL THEN 1 END WHERE {rows}",
    "json key added": "UPDATE items SET data = jsonb_set(data, '{{changed}}', '1') WHERE {rows}",
    "json deep": 'UPDATE items SET data = data || \'{{"deep": {{"er": [1, 2]}}}}\' WHERE {rows}',
    "row missing": "DELETE FROM items WHERE {rows}",
    "row extra": "INSERT INTO items SELECT {extra} FROM items WHERE {rows}",
}
PLANTED = EACH * len(CHANGES)
# Rows no other row refers to, in an order that has nothing to do with where they lie.
_ORDER = "SELECT id FROM reference WHERE type NOT LIKE 'Tv%' ORDER BY md5(id::text)"


def plant(dsn: str) -> None:
    """Copy `items` to `reference`, change `items`. Both are analysed, as autovacuum would have by then."""
    names = ["gen_random_uuid()", *_columns(dsn)[1:]]
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("CREATE TABLE reference (LIKE items INCLUDING ALL)")
        connection.execute("INSERT INTO reference SELECT * FROM items")
        for place, change in enumerate(CHANGES.values()):
            chosen = f"id IN ({_ORDER} OFFSET {place * EACH} LIMIT {EACH})"
            done = connection.execute(change.format(rows=chosen, extra=", ".join(names)).encode())
            if done.rowcount != EACH:
                raise RuntimeError(f"{change} changed {done.rowcount} rows, {EACH} were meant")
        connection.execute("ANALYZE")


def _columns(dsn: str) -> list[str]:
    with psycopg.connect(dsn) as connection:
        found = connection.execute(
            "SELECT attname FROM pg_attribute WHERE attrelid = 'items'::regclass AND attnum > 0 ORDER BY attnum"
        )
        return [name for (name,) in found.fetchall()]
