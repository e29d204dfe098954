"""What a row of the proof found, and where a row works: its own folder, a real PostgreSQL, fresh databases."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from servers import TestPostgres

from billio_pipeline.settings import Settings

SHOWN = 20


@dataclass(frozen=True)
class Outcome:
    """`figure` is the row's sentence in the table; `failures` say what went wrong, one line each; `runs` were made."""

    passed: bool
    figure: str
    runs: int
    failures: tuple[str, ...] = ()
    details: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, failures: list[str], runs: int, figure: str, **details: Any) -> Outcome:
        """Passed when nothing failed; the first failures go with the figure."""
        if failures:
            figure = f"{len(failures)} failed: {failures[0]}; {figure}"
        return cls(not failures, figure, runs, tuple(failures[:SHOWN]), details)


@dataclass(frozen=True)
class Workspace:
    """One row's own folder on a disk with room, and a PostgreSQL whose databases it may make and drop."""

    folder: Path
    postgres: TestPostgres

    def home(self) -> Path:
        """A fresh folder for one run's stages."""
        home = self.folder / f"home-{secrets.token_hex(6)}"
        home.mkdir(parents=True)
        return home

    def settings(self, **more: str) -> Settings:
        """Settings with a home of their own; `more` are environment variables."""
        return Settings.from_env({"BILLIO_HOME": str(self.home()), "BILLIO_WORKERS": "1", **more})

    @contextmanager
    def database(self, *, guarded: bool = True) -> Iterator[str]:
        """DSN of a fresh database, in DSQL mode unless not `guarded`; dropped afterwards."""
        name = self.postgres.create("template_dsql" if guarded else "template_plain")
        try:
            yield self.postgres.dsn(name)
        finally:
            self.postgres.drop(name)
