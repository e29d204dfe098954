"""What the lines are run with: data, endpoints, venvs; and one run of a line, counted where it arrives."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import servers
from benchmarks.dynamodb import data, endpoints
from benchmarks.dynamodb.data import Data
from benchmarks.dynamodb.endpoints import WHILE_MS, Endpoint
from benchmarks.dynamodb.lines import SMALL, Line, Where
from benchmarks.measure import Run, watch
from benchmarks.order import DSN, Order
from benchmarks.venvs import Venv
from billio_pipeline.local.dynamodb import CREDENTIALS
from billio_pipeline.settings import CHECKOUT

_OURS = ("BILLIO_", "DSQL_", "PG", "AWS_", "DAGSTER_")  # what must not leak into a child from the bench's shell
_ACCOUNT = {**CREDENTIALS, "AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1"}


@dataclass
class Bench:
    """`small` is what the embedded DynamoDB is given."""

    folder: Path
    data: Data
    small: Data
    endpoints: dict[Where, Endpoint]
    venvs: dict[str, Venv] = field(default_factory=dict)

    def run(self, line: Line) -> Run:
        """One run, in a process of its own. Not every item at the endpoint: that run has failed."""
        at = self.endpoints.get(line.where)
        chosen = self.small if line.where == "embedded" else self.data
        if at:
            at.emptied()
        before = at.put() if at else 0
        answer, home = self.folder / "answer.json", self.folder / "home"
        shutil.rmtree(home, ignore_errors=True)
        options = {"endpoint": at.url if at else "", **line.options}
        path = chosen.stage if line.staged else chosen.lines
        # The CPU of the other side is the endpoint's.
        pid = at.pid if at else os.getpid()
        order = Order(str(path), str(answer), pid, options)
        python = self.venvs[line.venv].python if line.venv else Path(sys.executable)
        run = watch(
            [python, *order.arguments(f"dynamodb.{line.module}")], items=chosen.items, postmaster=pid,
            log=self.folder / f"{line.name}.log", environment=self._environment(chosen, home), answer=answer,
        )  # fmt: skip
        return _counted(run, at.put() - before if at else run.items)

    def _environment(self, chosen: Data, home: Path) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
        path = os.pathsep.join([str(CHECKOUT), *filter(None, [kept.get("PYTHONPATH")])])
        return kept | _ACCOUNT | {"BILLIO_HOME": str(home), "PYTHONPATH": path, DSN: chosen.dsn}


def _counted(run: Run, arrived: int) -> Run:
    if run.error is None:
        run.items = run.facts["items"]
        if arrived != run.items:
            run.error = f"{arrived} items arrived, of {run.items}"
    return run


@contextmanager
def opened(folder: Path, items: int, small: int = SMALL) -> Iterator[Bench]:
    """Everything made and started; stopped whatever happens."""
    with ExitStack() as stack:
        server = stack.enter_context(servers.started(folder / "postgres"))
        large, few = (
            data.made(folder / name, stack.enter_context(server.database()), size)
            for name, size in (("data", items), ("small", small))
        )
        at: dict[Where, Endpoint] = {
            "at once": stack.enter_context(endpoints.null()),
            "after a while": stack.enter_context(endpoints.null(WHILE_MS)),
            "embedded": stack.enter_context(endpoints.embedded(folder / "ministack")),
        }
        yield Bench(folder, large, few, at)
