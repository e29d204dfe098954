"""docs/performance.md and docs/performance.svg, written from what was kept of every size; and the terminal's tables."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import jinja2

from benchmarks import differences, hundred_million, plot, tables
from benchmarks.competitors import COMPETITORS, SLICE
from benchmarks.data import FILES, SMALL
from benchmarks.goals import JOB
from benchmarks.results import Results


def terminal(results: Results) -> str:
    """All tables of one size, to be read in a terminal."""
    blocks = [
        ("Loading", tables.loads(results)), ("Stages of the job", tables.stages(results)),
        ("Decoding", tables.parts(results)), ("Decoders", tables.decoders(results)),
        ("Finding differences", tables.verifies(results)), ("Goals", tables.goals([results])),
    ]  # fmt: skip
    return "\n\n".join([f"{title}\n{table.markdown()}" for title, table in blocks if table.rows])


def write(folder: Path, several: Sequence[Results]) -> None:
    """Write the page and its picture into `folder`; `several` sizes, the smallest first."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "performance.md").write_text(page(several))
    (folder / "performance.svg").write_text(picture(several[0], several[-1]))


def page(several: Sequence[Results]) -> str:
    """The page. What was not run is said in its place."""
    largest = several[-1]
    template = (Path(__file__).parent / "page.md.j2").read_text()
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, trim_blocks=True, keep_trailing_newline=True)
    estimate = hundred_million.cost(largest.volume)
    price = estimate.price
    assert price is not None
    return environment.from_string(template).render(
        files=FILES,
        slice=f"{SLICE:,}",
        small=f"{SMALL:,}",
        planted=differences.PLANTED,
        goals=tables.goals(several).markdown(),
        sizes=[_size(each) for each in several],
        largest={"number": f"{largest.items:,}", "command": tables.command(largest, JOB)},
        hundred=tables.hundred(several).markdown(),
        cost=tables.cost(largest).markdown(),
        region=price.region,
        as_of=price.as_of,
    )


def _size(results: Results) -> dict[str, str | int]:
    startup = results.startup()
    return {
        "number": f"{results.items:,}",
        "small": f"{results.small:,}",
        "bytes": tables.megabytes(results.bytes),
        "began": results.began,
        "commit": results.commit,
        "rounds": results.rounds,
        "machine": tables.machine(results),
        "command": tables.command(results),
        "startup": f"{startup:.1f} s" if startup else "",
        "loads": tables.loads(results).markdown(),
        "stages": tables.stages(results).markdown(),
        "only_job": tables.command(results, JOB),
        "only_parts": tables.command(results, "parts"),
        "one": f"{tables.number(results.wall('parts', 'one process'))} s",
        "two": f"{tables.number(results.wall('parts', 'two processes'))} s",
        "parts": tables.parts(results).markdown(),
        "decoders": tables.decoders(results).markdown(),
        "verifies": tables.verifies(results).markdown(),
    }


def picture(smallest: Results, largest: Results) -> str:
    """Items a second at the smallest size, where all were run; where the job's CPU goes at the largest."""
    rates = [
        (each.label, smallest.rate(each.name) or 0.0, plot.OURS if each.name.startswith("ours") else plot.OTHER)
        for each in COMPETITORS
        if each.kind == "load" and smallest.good(each.name)
    ]
    rates.sort(key=lambda bar: -bar[1])
    parts = [(name, largest.cpu(JOB, name) or 0.0) for name in largest.stage_names(JOB)]
    return plot.drawing(
        plot.bars(f"Items a second, the whole job ({smallest.items:,} items)", rates),
        plot.stacked(f"CPU of `ours, all checks` per million items, both sides ({largest.items:,} items)", parts),
    )
