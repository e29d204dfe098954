"""What a run of the bench works with: server, data, venvs, and how a child process is started for it."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import finish
from benchmarks.data import Data
from benchmarks.measure import Run, watch
from benchmarks.order import DSN, Order
from benchmarks.servers import Server
from benchmarks.stages import Stages
from benchmarks.venvs import Venv
from billio_pipeline.settings import CHECKOUT

# What must not leak into a child from the shell the bench was started in.
_OURS = ("BILLIO_", "DSQL_", "PG", "AWS_", "DAGSTER_")


@dataclass
class Bench:
    """`data` has the size asked for, `small` at most the size that slow peers are run at."""

    folder: Path
    server: Server
    data: Data
    small: Data
    venvs: dict[str, Venv] = field(default_factory=dict)

    @property
    def home(self) -> Path:
        """Where one run keeps its files; another one's are gone by then."""
        return self.folder / "home"

    def environment(self, dsn: str, **more: str) -> dict[str, str]:
        """A child's environment."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
        path = os.pathsep.join([str(CHECKOUT), *filter(None, [kept.get("PYTHONPATH")])])
        ours = {"BILLIO_HOME": str(self.home), "PYTHONPATH": path, "TMPDIR": str(self.folder / "tmp"), DSN: dsn}
        return kept | ours | more

    def child(
        self, module: str, dsn: str, data: Data, *, export: Path | None = None, items: int = 0, venv: str = "",
        options: dict[str, Any] | None = None, environment: Mapping[str, str] | None = None,
    ) -> Run:  # fmt: skip
        """Run `benchmarks.<module>` on `data` in our venv or a peer's."""
        answer = self.folder / "answer.json"
        order = Order(str(export or data.export), str(answer), self.server.pid, options or {})
        python = self.venvs[venv].python if venv else Path(sys.executable)
        return watch(
            [python, *order.arguments(module)], items=items or data.items, postmaster=self.server.pid,
            log=self.folder / f"{module}.log", environment=self.environment(dsn, **(environment or {})), answer=answer,
        )  # fmt: skip

    def finished(self, run: Run, dsn: str) -> Run:
        """The run with its table counted and, unless it failed, its indexes built as one more stage."""
        if run.error is None:
            stages = Stages(self.server.pid)
            with stages("indexes"):
                finish.finish(dsn)
            run.stages += stages.done
        return counted(run, dsn)


def counted(run: Run, dsn: str) -> Run:
    """A run that didn't bring every item has failed, whatever it said."""
    if run.error is None:
        run.facts["rows"] = finish.count(dsn)
        refused = run.facts.get("quarantined", 0)
        if run.facts["rows"] + refused != run.items:
            run.error = f"{run.facts['rows']} rows of {run.items} items"
    return run
