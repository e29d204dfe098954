"""The bench's tables, as rows of cells: the same in the terminal and on the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks import hundred_million
from benchmarks.competitors import COMPETITORS, Competitor
from benchmarks.goals import GOALS, JOB, ratio, shown
from benchmarks.results import Results

DEFAULT_SIZE = 200_000
_CUT = 160  # characters of an error shown in a cell


@dataclass(frozen=True)
class Table:
    """Column names and rows; all but the first column are figures unless they say otherwise."""

    columns: tuple[str, ...]
    rows: list[tuple[str, ...]]

    def markdown(self) -> str:
        lines = [self.columns, ("---",) * len(self.columns), *self.rows]
        return "\n".join([f"| {' | '.join(map(_cell, line))} |" for line in lines])


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def command(results: Results, only: str = "") -> str:
    """What makes a figure again."""
    size = "" if results.items == DEFAULT_SIZE else f" SIZE={results.items}"
    return f"`make bench{size}" + (f' ONLY="{only}"`' if only else "`")


def loads(results: Results) -> Table:
    """Whole jobs, side by side."""
    columns = (
        "what", "items", "items/s", "÷ seed's script", "÷ limit", "CPU-s per 1 M: client", "PostgreSQL",
        "of both: indexes", "peak memory", "runs", "what it does", "command",
    )  # fmt: skip
    return Table(columns, [_load(results, each) for each in COMPETITORS if each.kind == "load"])


def _load(results: Results, each: Competitor) -> tuple[str, ...]:
    only, about = command(results, each.name), each.about
    if each.name == "ours-command" and (startup := results.startup()):
        about += f"; {startup:.1f} s of it are its start-up"
    if trouble := results.trouble(each.name):
        return (each.label, "", f"**{trouble[:_CUT]}**", *[""] * 7, about, only)
    rate = results.rate(each.name)
    runs = results.good(each.name)
    return (
        each.label, f"{runs[-1].items:,}", f"{rate:,.0f}", shown(ratio(rate, results.rate("seed-commits")), "×"),
        shown(ratio(rate, results.rate("copy")), "×"), number(results.cpu(each.name, side="client")),
        number(results.cpu(each.name, side="server")),
        number(results.cpu(each.name, "indexes")) if "indexes" in results.stage_names(each.name) else each.indexes,
        megabytes(results.peak(each.name)), str(len(runs)), about, only,
    )  # fmt: skip


def verifies(results: Results) -> Table:
    """Comparisons, side by side."""
    rows: list[tuple[str, ...]] = []
    for each in (each for each in COMPETITORS if each.kind == "verify"):
        only = command(results, each.name)
        if trouble := results.trouble(each.name):
            rows.append((each.label, f"**{trouble[:_CUT]}**", *[""] * 5, each.about, only))
            continue
        wall = results.wall(each.name)
        found = f"{results.fact(each.name, 'found')} of {results.fact(each.name, 'planted')}"
        rows.append(
            (
                each.label, number(wall), shown(ratio(wall, results.wall("verify-join")), "×"),
                number(results.cpu(each.name, side="client")), number(results.cpu(each.name, side="server")),
                found, str(len(results.good(each.name))), each.about, only,
            )
        )  # fmt: skip
    columns = (
        "what", "seconds", "÷ full join", "CPU-s per 1 M: client", "PostgreSQL", "differing rows found", "runs",
        "what it does", "command",
    )  # fmt: skip
    return Table(columns, rows)


def stages(results: Results, name: str = JOB) -> Table:
    """Where a job's time, CPU and memory go."""
    whole = results.cpu(name)
    rows: list[tuple[str, ...]] = []
    for stage in results.stage_names(name):
        peak = max([each.peak for run in results.good(name) for each in run.stage(stage)], default=0)
        rows.append(
            (
                stage, number(results.wall(name, stage)), number(results.cpu(name, stage, side="client")),
                number(results.cpu(name, stage, side="server")),
                shown(ratio(results.cpu(name, stage), whole), "%"), megabytes(peak),
            )
        )  # fmt: skip
    total = (
        "**the job**", number(results.wall(name)), number(results.cpu(name, side="client")),
        number(results.cpu(name, side="server")), "100 %", megabytes(results.peak(name)),
    )  # fmt: skip
    columns = ("stage", "seconds", "CPU-s per 1 M: client", "PostgreSQL", "share of CPU", "peak memory of the tree")
    return Table(columns, [*rows, total])


def parts(results: Results) -> Table:
    """Decoding, taken apart. What a part costs is what it adds to those before it."""
    read, decoded = results.cpu("parts", "read"), results.cpu("parts", "read and decode")
    whole = results.cpu("parts", "one process")
    rows: list[tuple[str, ...]] = [
        ("gunzip, md5, CRC, lines", number(read)),
        ("parse, decode, validate, rest to jsonb text", number(_less(decoded, read))),
        ("write staged Parquet", number(_less(whole, decoded))),
        ("all of it, one process", number(whole)),
    ]
    return Table(("part", "CPU-s per 1 M"), rows)


def decoders(results: Results) -> Table:
    """Our decoder and boto3's over the same lines, in memory."""
    lines, runs = results.fact("parts", "lines"), results.good("parts")
    rows: list[tuple[str, ...]] = []
    for label, stage in (
        ("ours, to Arrow", "our decoder"),
        ("orjson and boto3's TypeDeserializer, to dicts", "TypeDeserializer"),
    ):
        per_million = results.cpu("parts", stage)
        if per_million and lines and runs:
            rows.append((label, f"{lines / (per_million * runs[-1].items / 1e6):,.0f}", f"{lines:,}"))
    return Table(("decoder", "lines per CPU-second", "lines"), rows)


def goals(several: Sequence[Results]) -> Table:
    """Every goal, at every size that was run."""
    columns = ("goal", "of what", "wanted", *[f"{each.items:,} items" for each in several])
    rows: list[tuple[str, ...]] = [
        (goal.what, goal.how, goal.wanted(), *[goal.told(each) for each in several]) for goal in GOALS
    ]
    return Table(columns, rows)


def hundred(several: Sequence[Results]) -> Table:
    """A hundred million items on this machine."""
    lines = hundred_million.lines(several)
    rows: list[tuple[str, ...]] = [(line.stage, line.arithmetic, duration(line.total)) for line in lines]
    total = duration(sum(line.total for line in lines))
    return Table(("stage", "arithmetic", "is"), [*rows, ("**the job**", "", f"**{total}**")])


def cost(results: Results) -> Table:
    """A hundred million items into Aurora DSQL."""
    estimate = hundred_million.cost(results.volume)
    rows: list[tuple[str, ...]] = [(term.what, term.arithmetic) for term in estimate.terms]
    low, high = estimate.dpu
    rate = estimate.price.million_dpu if estimate.price else 0.0
    rows.append(("**sum, and twice it**", f"{low:,.0f} to {high:,.0f} DPU"))
    dollars = estimate.dollars
    rows.append(("**price**", f"× ${rate:.2f} per million DPU = ${dollars[0]:,.2f} to ${dollars[1]:,.2f}"))
    slow, quick = estimate.rates
    longest, shortest = duration(estimate.seconds[1]), duration(estimate.seconds[0])
    rows.append(("**time**", f"at {slow:,.0f} to {quick:,.0f} rows/s: {shortest} to {longest}"))
    month = f"{estimate.stored_bytes / 1e9:,.0f} GB = ${estimate.dollars_per_month:,.2f} a month"
    rows.append(("keeping it", month))
    return Table(("what", "arithmetic"), rows)


def number(value: float | None) -> str:
    """Two significant decimals for small figures, one for others."""
    if value is None:
        return "—"
    return f"{value:.2f}" if value < 10 else f"{value:,.1f}"


def megabytes(value: int) -> str:
    return f"{value / 2**20:,.0f} MB" if value else "—"


def duration(seconds: float) -> str:
    """`1 h 23 min`, `4 min`, `12 s`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def _less(whole: float | None, part: float | None) -> float | None:
    return None if whole is None or part is None else max(whole - part, 0.0)


def machine(results: Results) -> str:
    """One sentence on where this was measured."""
    known: dict[str, Any] = results.machine
    settings = ", ".join(f"{name} {value}" for name, value in results.server.items() if name != "server_version")
    return (
        f"{known['cores']} cores ({known['processor']}), {known['memory_gib']} GiB, {known['system']}, "
        f"Python {known['python']}, PostgreSQL {results.server['server_version']} on the same machine ({settings})"
    )
