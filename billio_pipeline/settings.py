"""Where things are, read from the environment once: endpoints, folders, target. Secrets come from nowhere else.

Names start with BILLIO_; the names the seed documents used are accepted as aliases. Nothing here connects.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from billio_pipeline.errors import ConfigurationError

CHECKOUT = Path(__file__).resolve().parent.parent
_TARGET = "BILLIO_POSTGRES_DSN"
_SOURCE = "BILLIO_[A-Z0-9_]+_DSN"


def _home(env: Mapping[str, str]) -> Path:
    """State (stack, staged files, reports): $BILLIO_HOME, else .billio in a checkout, else ~/.billio."""
    if configured := env.get("BILLIO_HOME"):
        return Path(configured).expanduser().absolute()
    return (CHECKOUT if (CHECKOUT / "pyproject.toml").exists() else Path.home()) / ".billio"


def _dagster_home(env: Mapping[str, str], home: Path) -> Path:
    """Dagster's own state: $DAGSTER_HOME, else dagster_home/ in a checkout, else below our home."""
    if configured := env.get("DAGSTER_HOME"):
        return Path(configured).expanduser().absolute()
    shipped = CHECKOUT / "dagster_home"
    return shipped if (shipped / "dagster.yaml").exists() else home / "dagster_home"


def _rate(env: Mapping[str, str], name: str) -> float | None:
    raw = env.get(name)
    if not raw:
        return None
    try:
        rate = float(raw)
    except ValueError:
        rate = -1.0
    if not 0.0 <= rate <= 1.0:
        raise ConfigurationError(f"{name} is {raw!r}", remedy=f"Set {name} to a rate from 0 to 1, or unset it.")
    return rate


@dataclass(frozen=True)
class Settings:
    """One reading of the environment. `target` is None when the embedded stack is meant; `sources` are DSNs of source
    databases, by the variable each was named in.

    `postgres_port` and `dynamodb_port` fix where the embedded stack listens; None: any free port.
    """

    home: Path
    dagster_home: Path
    target: str | None
    dynamodb_endpoint: str | None
    s3_endpoint: str | None
    region: str
    dsql_occ_rate: float | None
    loaders: int
    workers: int
    postgres_port: int | None = None
    dynamodb_port: int | None = None
    fast_path: bool = True
    algoitny_archive: str | None = None
    thrivecalc_aliases: str | None = None
    sources: Mapping[str, str] = field(default_factory=dict, repr=False)

    @classmethod
    def from_env(cls, env: Mapping[str, str] | None = None) -> Settings:
        """Read the environment. Raises ConfigurationError naming the variable that can't be used."""
        env = os.environ if env is None else env
        home = _home(env)
        endpoint = env.get("BILLIO_DSQL_ENDPOINT")
        return cls(
            home=home,
            dagster_home=_dagster_home(env, home),
            target=env.get(_TARGET)
            or env.get("DSQL_CONNECTION_STRING")
            or env.get("DSQL_CONNECTION_URL")
            or (f"dsql://{endpoint}" if endpoint else None),
            dynamodb_endpoint=env.get("BILLIO_DYNAMODB_ENDPOINT"),
            s3_endpoint=env.get("BILLIO_S3_ENDPOINT"),
            region=env.get("AWS_REGION") or env.get("AWS_DEFAULT_REGION") or "us-east-1",
            dsql_occ_rate=_rate(env, "BILLIO_DSQL_OCC_RATE"),
            loaders=_count(env, "BILLIO_LOADERS", 4, most=32),
            workers=_count(env, "BILLIO_WORKERS", os.cpu_count() or 1, most=256),
            postgres_port=_port(env, "BILLIO_POSTGRES_PORT"),
            dynamodb_port=_port(env, "BILLIO_DYNAMODB_PORT"),
            fast_path=env.get("BILLIO_FAST_PATH") != "0",
            algoitny_archive=env.get("BILLIO_ALGOITNY_ARCHIVE"),
            thrivecalc_aliases=env.get("BILLIO_THRIVECALC_ALIASES"),
            sources={name: dsn for name, dsn in env.items() if re.fullmatch(_SOURCE, name) and name != _TARGET and dsn},
        )

    def source_dsn(self, system: str) -> str | None:
        """The source database that is configured for a system."""
        return self.sources.get(dsn_variable(system))


def dsn_variable(system: str) -> str:
    """The variable that names a system's source database."""
    return f"BILLIO_{re.sub('[^A-Z0-9]', '_', system.upper())}_DSN"


def _count(env: Mapping[str, str], name: str, default: int, most: int) -> int:
    raw = env.get(name) or str(default)
    if not raw.isascii() or not raw.isdigit() or not 1 <= int(raw) <= most:
        raise ConfigurationError(f"{name} is {raw!r}", remedy=f"Set {name} to a whole number from 1 to {most}.")
    return int(raw)


def _port(env: Mapping[str, str], name: str) -> int | None:
    return _count(env, name, 0, most=65_535) if env.get(name) else None
