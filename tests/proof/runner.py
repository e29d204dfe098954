"""`make prove`: every row in turn, on a PostgreSQL of its own with fsync on; what has passed is kept."""

from __future__ import annotations

import argparse
import json
import logging
import os
import platform
import sys
import time
from pathlib import Path
from typing import Any

import servers

from proof import commit, server
from proof.outcome import Outcome, Workspace
from proof.publish import publish
from proof.rows import ROWS, Row

SEED = 20_250_528  # any number does; this is the day Movie became Feature


def main() -> None:
    asked = _arguments()
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)  # it warns of every connection the rows cut
    of = commit.measured()
    if "-changed-" in of:
        print("the engine has uncommitted changes: what is published names no commit", file=sys.stderr)
    state = asked.state / f"{of}-{asked.seed}-{asked.scale:g}.json"
    done: dict[str, dict[str, Any]] = json.loads(state.read_text()) if state.exists() else {}
    rows = [row for row in ROWS if not asked.rows or row.name in asked.rows]
    due = [row for row in rows if asked.again or not done.get(row.name, {}).get("passed")]
    for row in rows:
        if row not in due:
            print(f"{row.name:20} kept: {done[row.name]['figure']}")
    if due:
        for row, outcome, n, seconds in _ran(due, asked.seed, asked.scale):
            done[row.name] = {
                "n": n, "runs": outcome.runs, "passed": outcome.passed, "figure": outcome.figure, "seed": asked.seed,
                "seconds": round(seconds, 1), "failures": list(outcome.failures), "details": outcome.details,
            }  # fmt: skip
            state.parent.mkdir(parents=True, exist_ok=True)
            partial = state.with_suffix(".partial")
            partial.write_text(json.dumps(done, indent=1, default=str))
            partial.replace(state)
            print(f"{row.name:20} {'passed' if outcome.passed else 'FAILED'} in {seconds:.0f} s: {outcome.figure}")
            publish(asked.out, of, asked.seed, done, f"{os.cpu_count()} cores, {platform.machine()}")
    publish(asked.out, of, asked.seed, done, f"{os.cpu_count()} cores, {platform.machine()}")
    failed = [row.name for row in rows if not done[row.name]["passed"]]
    raise SystemExit(f"failed: {', '.join(failed)}" if failed else 0)


def _ran(rows: list[Row], seed: int, scale: float) -> Any:
    """(row, outcome, n, seconds) as they end. A row that raises has failed; the others run nevertheless."""
    run = servers.begin_run()
    for name in [each for each in os.environ if each.startswith(("BILLIO_", "DSQL_", "PG")) and each != servers.RUN]:
        del os.environ[name]  # the user's own stack is none of ours
    try:
        with server.started(run / "postgres") as postgres:
            for row in rows:
                folder = run / row.name
                folder.mkdir(mode=0o711)
                n, began = max(1, round(row.n * scale)), time.perf_counter()
                try:
                    outcome = row.run(n, seed, Workspace(folder, postgres))
                except Exception as error:
                    outcome = Outcome.of([f"{type(error).__name__}: {error}"], 0, "it ended in an error")
                yield row, outcome, n, time.perf_counter() - began
    finally:
        servers.end_run(run)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make prove", description=__doc__)
    names = [row.name for row in ROWS]
    parser.add_argument("--rows", nargs="*", choices=names, default=[], metavar="ROW", help=", ".join(names))
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--scale", type=float, default=1.0, help="of every row's N; for trying the machinery out")
    parser.add_argument("--again", action="store_true", help="run rows that have passed at this commit once more")
    parser.add_argument("--out", type=Path, default=commit.ROOT / "docs")
    parser.add_argument("--state", type=Path, default=commit.ROOT / ".billio" / "proof")
    return parser.parse_args()
