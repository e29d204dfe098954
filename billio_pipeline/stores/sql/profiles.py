"""What each kind of SQL target can do and how SQL is written for it. Profiles emit; DSQL mode's guard only refuses.

Facts about Aurora DSQL change monthly, so a profile is dated; docs/dsql.md says where each one comes from.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Literal

KIB = 1024
MIB = 1024 * KIB


@dataclass(frozen=True)
class Profile:
    """Capabilities of one kind of target. None means: no limit that a migration could meet."""

    name: Literal["postgres", "dsql"]
    as_of: date
    async_ddl: bool
    """Indexes and constraint validation are jobs: `CREATE INDEX ASYNC`, `ALTER TABLE ASYNC … VALIDATE CONSTRAINT`."""
    index_sort_order: bool
    """ASC and DESC are accepted in index keys. Where not, keys ascend and a backward scan serves descending order."""
    json_type: Literal["jsonb", "json", "text"]
    """The type of JSON columns; all three hold the same canonical text."""
    json_index_keys: bool
    """jsonb, or an expression that yields it, may be an index key."""
    savepoints: bool
    transactional_ddl: bool
    """DDL may share a transaction with other DDL and with rows."""
    max_rows: int | None
    """Rows one transaction may change."""
    max_bytes: int | None
    """Bytes one transaction may write, index entries included."""
    max_seconds: int | None
    """Age at which a transaction is cut off."""
    key_bytes: int
    """Bytes of one index entry's key, the primary key included where the target adds it (`keys_include_primary`)."""
    keys_include_primary: bool
    value_bytes: int
    row_bytes: int | None
    indexes_per_table: int | None
    """Indexes on one table, the primary key's included."""
    max_parameters: int
    connection_seconds: int | None
    """Lifetime after which the target closes a connection."""
    connections_per_second: int | None


# Limits of PostgreSQL 13 and later with 8 KiB pages: a B-tree entry is at most 2,704 bytes, a field 1 GiB.
POSTGRES = Profile(
    name="postgres",
    as_of=date(2026, 11, 21),
    async_ddl=False,
    index_sort_order=True,
    json_type="jsonb",
    json_index_keys=True,
    savepoints=True,
    transactional_ddl=True,
    max_rows=None,
    max_bytes=None,
    max_seconds=None,
    key_bytes=2704,
    keys_include_primary=False,
    value_bytes=1024 * MIB,
    row_bytes=None,
    indexes_per_table=None,
    max_parameters=65_535,
    connection_seconds=None,
    connections_per_second=None,
)

# Quotas of the Aurora DSQL user guide. jsonb columns since June 2026, json since May; before: json_type="text".
DSQL = Profile(
    name="dsql",
    as_of=date(2026, 11, 21),
    async_ddl=True,
    index_sort_order=False,
    json_type="jsonb",
    json_index_keys=False,
    savepoints=False,
    transactional_ddl=False,
    max_rows=3_000,
    max_bytes=10 * MIB,
    max_seconds=300,
    key_bytes=KIB,
    keys_include_primary=True,
    value_bytes=MIB,
    row_bytes=2 * MIB,
    indexes_per_table=24,
    max_parameters=65_535,
    connection_seconds=3_600,
    connections_per_second=100,
)

PROFILES: dict[str, Profile] = {profile.name: profile for profile in (POSTGRES, DSQL)}
