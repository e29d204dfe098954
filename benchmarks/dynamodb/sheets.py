"""The bench's tables and sentences, drawn from its runs: the same in the terminal and on the page."""

from __future__ import annotations

from collections.abc import Callable
from statistics import median

from benchmarks.dynamodb import seams
from benchmarks.dynamodb.endpoints import WHILE_MS
from benchmarks.dynamodb.lines import BY_NAME, ENDPOINTS, LINES, Where
from benchmarks.goals import ratio, shown
from benchmarks.results import Results
from benchmarks.tables import Table, megabytes, number

PER = 100_000  # items that CPU seconds are given for
_GOAL = 5.0  # of encoding, over boto3's
_WAYS = {
    "wire": (
        ("ours, wire", "ours: `encode_item`"),
        ("boto3, wire", "boto3: `TypeSerializer`, attribute by attribute"),
    ),
    "bytes": (
        ("ours, bytes", "ours: `encode_item`, orjson"),
        ("boto3, bytes", "boto3: `TypeSerializer`, `json.dumps`"),
        ("botocore, bytes", "boto3: `TypeSerializer`, then all that botocore does to make a body"),
    ),
}


def encoded(results: Results, way: str) -> float | None:
    """Items per CPU second, the median of all passes."""
    rates = [run.facts["items"] / cpu for run in results.good("encode") for cpu in run.facts["cpu"][way]]
    return median(rates) if rates else None


def goals(results: Results) -> Table:
    """What was asked for, each with its figure."""
    over = ratio(encoded(results, "ours, wire"), encoded(results, "boto3, wire"))
    told = "not measured"
    if over is not None:
        told = f"{shown(over, '×')} — {'reached' if over >= _GOAL else '**not reached**'}"
    rows: list[tuple[str, ...]] = [("encoding ÷ TypeSerializer", "items per CPU-second, to wire", "≥ 5.00×", told)]
    for where, end in ENDPOINTS.items():
        for other in ("batch-writer", "put-item", "wrangler"):
            found = ratio(results.rate(f"ours{end}"), results.rate(f"{other}{end}"))
            label = BY_NAME[f"{other}{end}"].label
            rows.append((f"ours ÷ {label}", f"items/s, {_PLACES[where]}", "—", shown(found, "×") if found else "—"))
    return Table(("what", "of what", "wanted", "found"), rows)


_PLACES = {"at once": "answered at once", "after a while": "answered after a while", "embedded": "embedded DynamoDB"}


def encoding(results: Results) -> Table:
    rows: list[tuple[str, ...]] = []
    for kind, ways in _WAYS.items():
        ours = encoded(results, ways[0][0])
        for way, label in ways:
            rate = encoded(results, way)
            if rate:
                rows.append((f"to {kind}", label, f"{rate:,.0f}", number(PER / rate), shown(ratio(ours, rate), "×")))
    return Table(("what", "by", "items per CPU-second", "CPU-s per 100 k", "ours is"), rows)


def loads(results: Results, where: Where) -> Table:
    """Loads of one endpoint, side by side."""
    end = ENDPOINTS[where]
    rows: list[tuple[str, ...]] = []
    for line in LINES:
        if line.where != where or not line.loads:
            continue
        if trouble := results.trouble(line.name):
            rows.append((line.label, "", f"**{trouble[:160].replace('not run', 'NOT RUN')}**", *[""] * 6, line.about))
            continue
        rate, runs = results.rate(line.name), results.good(line.name)
        rows.append(
            (
                line.label, f"{runs[-1].items:,}", f"{rate:,.0f}",
                shown(ratio(rate, results.rate(f"put-item{end}")), "×"),
                shown(ratio(rate, results.rate(f"batch-writer{end}")), "×"),
                number(_cpu(results, line.name, "client")), number(_cpu(results, line.name, "server")),
                megabytes(results.peak(line.name)), str(len(runs)), line.about,
            )
        )  # fmt: skip
    columns = (
        "what", "items", "items/s", "÷ row by row", "÷ batch_writer", "CPU-s per 100 k: client", "endpoint",
        "peak memory", "runs", "what it does",
    )  # fmt: skip
    return Table(columns, rows)


def whole(results: Results) -> Table:
    """The whole job's stages."""
    rows: list[tuple[str, ...]] = []
    all_of_it = results.wall("whole")
    for stage in results.stage_names("whole"):
        wall = results.wall("whole", stage)
        cpu = [results.cpu("whole", stage, side=side) for side in ("client", "server")]
        rows.append((stage, number(wall), shown(ratio(wall, all_of_it), "%"), *[_per(each) for each in cpu]))
    cpu = [results.cpu("whole", side=side) for side in ("client", "server")]
    rows.append(("**all of it**", number(all_of_it), "100 %", *[_per(each) for each in cpu]))
    columns = ("stage", "seconds", "share", "CPU-s per 100 k: client", "endpoint")
    return Table(columns, rows)


def profile(results: Results) -> list[str]:
    """Where the client's CPU goes, in three lines."""
    now, before = _parts(results, "seams"), _parts(results, "seams-botocore")
    if not now or not before:
        return ["not measured"]
    total, was = sum(now.values()), sum(before.values())

    def of(*names: str) -> str:
        return f"{sum(now[name] for name in names) / total:.0%}".replace("%", " %")

    busy = _busy(results, "ours")
    one, many, most = (results.rate(name) for name in ("ours-1-while", "ours-while", "ours-64-while"))
    return [
        f"Of {number(total)} CPU-s per 100 k items {of(seams.OURS)} read the stage, list batches and run the threads; "
        f"{of(seams.CHECK)} check and size each item and write it as JSON; {of(seams.SIGN)} sign; "
        f"{of(seams.SERIALISE, seams.PARSE, seams.REST)} are the rest of botocore's calls; {of(seams.SEND)} is HTTP.",
        f"Through botocore's own serialiser it is {number(was)} CPU-s, {before[seams.SERIALISE] / was:.0%} of them "
        "spent in it: hence `stores/dynamodb/body.py`, which makes the body and leaves signing and sending as they "
        "are. A raw signed path would save less than the ".replace("%", " %")
        + f"{of(seams.SIGN, seams.SERIALISE, seams.PARSE, seams.REST)} that botocore still takes, and isn't there.",
        f"The process keeps {busy or 0:.2f} cores busy: it has one interpreter lock. Requests in flight hide waiting, "
        f"not work: where an answer takes {WHILE_MS:.0f} ms, {one or 0:,.0f} items/s with 1, {many or 0:,.0f} with "
        f"16, {most or 0:,.0f} with 64.",
    ]


def _parts(results: Results, name: str) -> dict[str, float]:
    """CPU seconds per 100 k items by part, medians."""
    runs = [run for run in results.good(name) if "cpu" in run.facts]
    parts: list[str] = list(runs[-1].facts["cpu"]) if runs else []
    return {part: median([run.facts["cpu"][part] * PER / run.items for run in runs]) for part in parts}


def _busy(results: Results, name: str) -> float | None:
    found = [sum(stage.client for stage in run.job) / run.wall for run in results.good(name)]
    return median(found) if found else None


def _cpu(results: Results, name: str, side: str) -> float | None:
    found = results.cpu(name, side=side)
    return None if found is None else found * PER / 1e6


def _per(per_million: float | None) -> str:
    return number(None if per_million is None else per_million * PER / 1e6)


TABLES: tuple[tuple[str, Callable[[Results], Table]], ...] = (
    ("Goals", goals),
    ("Encoding", encoding),
    *[(f"Loads: {place}", lambda results, where=where: loads(results, where)) for where, place in _PLACES.items()],
    ("The whole job", whole),
)
