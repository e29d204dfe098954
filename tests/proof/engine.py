"""A whole migrate at engine level, in a process of its own that a row may kill: no Dagster, else as the assets do it.

Children come from a fork server that has everything imported already, so that a run costs what its work costs.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import time
from dataclasses import dataclass
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from typing import Any

import proof.faults as faults
from assets.billio.model import SYSTEM
from billio_pipeline.errors import BillioError
from billio_pipeline.migrate import decode, ledger
from billio_pipeline.migrate.batch import batches
from billio_pipeline.migrate.load import Loaded, Loader
from billio_pipeline.migrate.prepare import prepare
from billio_pipeline.migrate.refused import add_refused
from billio_pipeline.migrate.stage import Stage
from billio_pipeline.settings import Settings
from billio_pipeline.stores.dynamodb import open_source
from billio_pipeline.stores.sql import schema
from billio_pipeline.stores.sql.target import Target

PATIENCE = 240.0


@dataclass(frozen=True)
class Order:
    """What a child is to do: a whole migrate, or with `stage` only the load of one that is complete.

    `processes`: decode with worker processes, however small the files are.
    """

    export: str
    dsn: str
    home: str
    run: str = "run"
    loaders: int = 2
    workers: int = 1
    processes: bool = False
    faults: tuple[faults.Fault, ...] = ()
    file_bytes: int | None = None
    stage: str | None = None

    @property
    def answer(self) -> Path:
        return Path(self.home) / f"answer-{self.run}.json"


@dataclass(frozen=True)
class Ended:
    """How a child ended. `answer` is what it wrote, None when it was killed before it could."""

    code: int | None
    seconds: float
    answer: dict[str, Any] | None

    @property
    def killed(self) -> bool:
        return self.code is not None and self.code < 0

    def trouble(self) -> str | None:
        """What went wrong, None when the run went through."""
        if self.answer is None:
            return f"no answer, exit code {self.code}"
        if "error" in self.answer:
            return str(self.answer["error"])
        return "; ".join(self.answer["unfinished"]) or None


def context() -> ForkServerContext:
    """The fork server's context, with the engine imported."""
    made = multiprocessing.get_context("forkserver")
    made.set_forkserver_preload(
        ["pandas", "pyarrow.dataset", "proof.engine"]
    )  # the first two: pyarrow fetches them late
    return made


def start(order: Order) -> ForkServerProcess:
    """The child at its work, in a session of its own."""
    process = context().Process(target=_child, args=(order,))
    process.start()
    return process


def wait(order: Order, process: ForkServerProcess, started: float) -> Ended:
    """Wait for the child; kill it when it takes beyond all patience."""
    process.join(PATIENCE)
    if process.is_alive():
        faults.kill_tree(process.pid)
        process.join()
    answer = json.loads(order.answer.read_text()) if order.answer.exists() else None
    return Ended(process.exitcode, time.perf_counter() - started, answer)


def run(order: Order) -> Ended:
    """Start, wait, tell."""
    started = time.perf_counter()
    return wait(order, start(order), started)


def _child(order: Order) -> None:
    os.setsid()  # its own group: what is killed is this process and all it started, and nothing else
    answer: dict[str, Any] = {}
    try:
        with faults.armed(order.faults, order.file_bytes):
            answer = migrate(order) if order.stage is None else replay(order, order.stage)
    except BillioError as error:
        answer = {"error": error.as_dict(), "exit_code": error.exit_code}
    except BaseException as error:
        answer = {"error": {"code": None, "type": type(error).__name__, "message": str(error)}}
        raise
    finally:
        partial = order.answer.with_suffix(".partial")
        partial.write_text(json.dumps(answer, default=str))
        partial.replace(order.answer)


def migrate(order: Order) -> dict[str, Any]:
    """Decode, settle, make the tables, load, finish: the same calls in the same order as the assets make them."""
    settings = Settings.from_env(
        {"BILLIO_HOME": order.home, "BILLIO_WORKERS": str(order.workers), "BILLIO_LOADERS": str(order.loaders)}
    )
    if order.processes:
        decode._WORTH_PROCESSES = 0
    stage = prepare(open_source(order.export, SYSTEM, settings), SYSTEM, settings, order.run)
    with Target.open(order.dsn, settings) as target:
        schema.up(target, SYSTEM, phase="tables")
        done = load(target, stage, settings)
        add_refused(stage, done)
        results = schema.up(target, SYSTEM, phase="finish", progress=faults.reach_indexing)
    unfinished = [f"{result.step.name}: {result.message}" for result in results if not result.ok]
    return {**_sums(done), "stage": str(stage.path), "summary": stage.summary, "unfinished": unfinished}


def replay(order: Order, path: str) -> dict[str, Any]:
    """Load a complete stage into a target that has its tables."""
    settings = Settings.from_env({"BILLIO_HOME": order.home, "BILLIO_LOADERS": str(order.loaders)})
    with Target.open(order.dsn, settings) as target:
        done = load(target, Stage(Path(path), SYSTEM), settings)
    return {**_sums(done), "stage": path, "unfinished": []}


def _sums(done: list[Loaded]) -> dict[str, Any]:
    return {
        "rows": sum(each.rows for each in done),
        "present": sum(each.present for each in done),
        "conflicts": sum(each.conflicts for each in done),
        "refused": sum(len(each.refused) for each in done),
        "clock_jumps": [each.clock_jump for each in done],
        "retries": {each.entity: each.retries for each in done if each.retries},
    }


def load(target: Target, stage: Stage, settings: Settings) -> list[Loaded]:
    """Every entity's batches, as the assets load them."""
    export_id = stage.summary["export"]["id"]
    return [
        Loader(target, SYSTEM, entity.name, "insert").run(
            batches(stage, entity.name, export_id),
            ledger.committed(target, export_id, entity.name),
            loaders=settings.loaders,
        )
        for entity in SYSTEM.entities
    ]
