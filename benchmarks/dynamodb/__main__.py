"""`python -m benchmarks.dynamodb`: all lines in turns, round by round; tables printed, the page written."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

from benchmarks import results, venvs
from benchmarks.dynamodb import report
from benchmarks.dynamodb.bench import Bench, opened
from benchmarks.dynamodb.lines import LINES, SMALL, Line
from benchmarks.measure import Run
from benchmarks.results import Results
from billio_pipeline.settings import CHECKOUT

ITEMS = 20_000


def main(arguments: list[str] | None = None) -> None:
    asked = _arguments(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the servers are stopped then, too
    chosen = [line for line in LINES if not asked.only or line.name in asked.only]
    folder = asked.folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o711)  # root's PostgreSQL runs as another account, which must get through
    with opened(folder, asked.items, min(asked.items, SMALL)) as bench:
        kept = Results(
            items=bench.data.items, small=bench.small.items, engine=results.engine(), commit=results.commit(),
            machine=results.machine(), server={}, bytes=bench.data.bytes, rounds=asked.rounds, began=results.now(),
        )  # fmt: skip
        _venvs(bench, kept, chosen, folder)
        for number in range(asked.rounds):
            for line in chosen:
                if line.name not in kept.missing:
                    _run(bench, kept, line, number + 1)
                    kept.save(folder / "results.json")
    print(f"\n{report.terminal(kept)}\n")
    publishable = asked.items >= ITEMS and report.publishable(kept)
    out = asked.out or (CHECKOUT / "docs" if publishable else folder)
    out.mkdir(parents=True, exist_ok=True)
    (out / report.PAGE).write_text(report.page(kept, asked.items))
    print(f"written: {out / report.PAGE}")
    if failed := [name for name, runs in kept.runs.items() if any(run.error for run in runs)]:
        raise SystemExit(f"failed: {', '.join(failed)}")


def _venvs(bench: Bench, kept: Results, chosen: list[Line], folder: Path) -> None:
    for name in dict.fromkeys(line.venv for line in chosen if line.venv):
        venv = venvs.ready(folder / "venvs", name)
        if isinstance(venv, str):
            print(f"NOT RUN: {name}: {venv}", flush=True)
            kept.missing |= {line.name: venv for line in chosen if line.venv == name}
        else:
            bench.venvs[name] = venv


def _run(bench: Bench, kept: Results, line: Line, number: int) -> None:
    try:
        run = bench.run(line)
    except Exception as error:
        run = Run(bench.data.items, error=f"{type(error).__name__}: {error}")
    kept.runs.setdefault(line.name, []).append(run)
    told = f"FAILED: {run.error}" if run.error else f"{run.items / run.wall:,.0f} items/s, {run.cpu:.1f} CPU-s"
    print(f"round {number}  {line.name:22} {told}", flush=True)


def _arguments(arguments: list[str] | None) -> argparse.Namespace:
    names = [line.name for line in LINES]
    parser = argparse.ArgumentParser(prog="make bench-dynamodb", description=__doc__)
    parser.add_argument("--items", type=int, default=ITEMS, help=f"about so many; {ITEMS} by default")
    parser.add_argument("--rounds", type=int, default=report.ROUNDS)
    parser.add_argument("--only", nargs="*", choices=names, default=[], metavar="NAME", help=", ".join(names))
    parser.add_argument("--out", type=Path, help="write the page here, whatever was run")
    parser.add_argument("--folder", type=Path, default=CHECKOUT / ".billio" / "bench-dynamodb")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
