"""Where ThriveCalc's data is, by its own variables: the names the seed documents used are accepted as aliases."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

LAKE_DATABASE = "thrivecalc_db"
LAKE_TABLE = "user_financial_data"


@dataclass(frozen=True)
class Places:
    """One reading of the environment. `table` and `location` are None where no variable names them; the lake's names
    are those of the Parquet or Iceberg form."""

    table: str | None
    location: str | None
    lake_database: str = LAKE_DATABASE
    lake_table: str = LAKE_TABLE

    @classmethod
    def from_env(cls, env: Mapping[str, str] | None = None) -> Places:
        """Read the environment. An empty variable is an unset one; our own name wins over its alias."""
        env = os.environ if env is None else env
        bucket = env.get("DATA_BUCKET_NAME")
        return cls(
            table=env.get("BILLIO_THRIVECALC_TABLE") or env.get("DYNAMODB_TABLE_NAME") or None,
            location=env.get("BILLIO_THRIVECALC_LOCATION") or (f"s3://{bucket}" if bucket else None),
            lake_database=env.get("BILLIO_THRIVECALC_LAKE_DATABASE") or env.get("GLUE_DATABASE_NAME") or LAKE_DATABASE,
            lake_table=env.get("BILLIO_THRIVECALC_LAKE_TABLE") or env.get("GLUE_TABLE_NAME") or LAKE_TABLE,
        )
