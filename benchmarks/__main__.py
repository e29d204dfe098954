"""`python -m benchmarks`: every competitor in turns, what is finished is kept, tables printed and published."""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import time
from pathlib import Path

from benchmarks import data, hundred_million, report, results, servers, venvs
from benchmarks.bench import Bench
from benchmarks.competitors import COMPETITORS, Competitor
from benchmarks.data import SMALL
from benchmarks.measure import Run
from benchmarks.results import Results
from benchmarks.tables import DEFAULT_SIZE
from billio_pipeline.settings import CHECKOUT

PUBLISHED = (DEFAULT_SIZE, 1_000_000, 5_000_000)  # sizes that go into docs/
ROUNDS = 3  # at least so many for a median that is published


def main() -> None:
    asked = _arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the server is stopped then, too
    size = data.rounded(asked.size)
    chosen = [each for each in COMPETITORS if not asked.only or each.name in asked.only]
    folder = asked.folder.absolute()
    (folder / "tmp").mkdir(parents=True, exist_ok=True)
    folder.chmod(0o711)  # root's PostgreSQL runs as another account, which must get through
    with servers.started(folder / "postgres") as server:
        print(f"data of {size:,} items", flush=True)
        engine = results.engine()
        made = data.made(folder / "data", size, engine)
        small = made if size <= SMALL else data.made(folder / "data", SMALL, engine)
        bench = Bench(folder, server, made, small)
        kept = _results(bench, asked.rounds, engine)
        if asked.again:
            for each in chosen:
                kept.runs.pop(each.name, None)
        _run(bench, kept, chosen, asked.rounds)
    print(f"\n{report.terminal(kept)}\n")
    _publish(folder, kept, asked.out)
    shutil.rmtree(folder / "tmp")
    if failed := [each.name for each in chosen if each.name in kept.runs and not kept.good(each.name)]:
        raise SystemExit(f"failed: {', '.join(failed)}")


def _results(bench: Bench, rounds: int, engine: str) -> Results:
    """What is kept of this size, if it is of this engine; else a new sheet."""
    found = results.load(_path(bench.folder, bench.data.items))
    if found and found.engine == engine:
        found.runs = {name: [run for run in runs if run.error is None] for name, runs in found.runs.items()}
        found.rounds = max(found.rounds, rounds)
        return found
    if found:
        print("what was kept is of another state of the engine: everything is run anew", flush=True)
    return Results(
        items=bench.data.items, small=bench.small.items, engine=engine, commit=results.commit(),
        machine=results.machine(), server=bench.server.settings(), bytes=bench.data.bytes, rounds=rounds,
        began=results.now(), volume=hundred_million.volume_of(bench.small.stage()),
    )  # fmt: skip


def _run(bench: Bench, kept: Results, chosen: list[Competitor], rounds: int) -> None:
    """Every competitor `rounds` times, in turns. One that can't run is said aloud, and so is one that fails."""
    for name in dict.fromkeys(each.venv for each in chosen if each.venv):
        venv = venvs.ready(bench.folder / "venvs", name)
        if isinstance(venv, str):
            print(f"NOT RUN: {name}: {venv}", flush=True)
            kept.missing |= {each.name: venv for each in chosen if each.venv == name}
        else:
            bench.venvs[name] = venv
    path = _path(bench.folder, bench.data.items)
    for number in range(rounds):
        for each in chosen:
            runs = kept.runs.setdefault(each.name, [])
            failed = any(run.error for run in runs)
            if len(runs) > number or failed or (each.venv and each.venv not in bench.venvs):
                continue
            began = time.monotonic()
            try:
                run = each.run(bench)
            except Exception as error:
                run = Run(bench.data.items, error=f"{type(error).__name__}: {error}")
            runs.append(run)
            kept.missing.pop(each.name, None)
            kept.save(path)
            told = f"FAILED: {run.error}" if run.error else f"{run.items / run.wall:,.0f} items/s, {run.cpu:.1f} CPU-s"
            took = time.monotonic() - began
            print(f"round {number + 1}  {each.name:22} {told} ({took:.0f} s in all)", flush=True)
    kept.runs = {name: runs for name, runs in kept.runs.items() if runs}
    kept.save(path)


def _publish(folder: Path, kept: Results, out: Path | None) -> None:
    """Write the page: into docs/ what has all competitors' medians at its sizes; else beside the results."""
    finished = [found for size in PUBLISHED if (found := results.load(_path(folder, size))) and _whole(found)]
    if out is None and kept.items in [each.items for each in finished]:
        out, several = CHECKOUT / "docs", finished
    else:
        out, several = out or folder / "page", [kept]
    if all(each.good("ours-checks") for each in several):
        report.write(out, several)
        print(f"written: {out / 'performance.md'}, {out / 'performance.svg'}")
    if out != CHECKOUT / "docs":
        print(f"docs/ is written from {ROUNDS} rounds or more of everything at {', '.join(map(str, PUBLISHED))} items")


def _whole(found: Results) -> bool:
    """Every competitor has its runs, or a reason why not."""
    failed = {name for name, runs in found.runs.items() if any(run.error for run in runs)}
    return all(len(found.good(each.name)) >= ROUNDS or each.name in failed | set(found.missing) for each in COMPETITORS)


def _path(folder: Path, size: int) -> Path:
    return folder / f"results-{size}.json"


def _arguments() -> argparse.Namespace:
    names = [each.name for each in COMPETITORS]
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--size", type=int, default=DEFAULT_SIZE, help="items; 200000 by default, 1000000, 5000000")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--only", nargs="*", choices=names, default=[], metavar="NAME", help=", ".join(names))
    parser.add_argument("--again", action="store_true", help="run what is kept once more")
    parser.add_argument("--out", type=Path, help="write the page here, whatever was run")
    parser.add_argument("--folder", type=Path, default=CHECKOUT / ".billio" / "bench")
    return parser.parse_args()


if __name__ == "__main__":
    main()
