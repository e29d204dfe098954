"""docs/performance-dynamodb.md, written from the runs; and the terminal's tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jinja2

from benchmarks.dynamodb import sheets
from benchmarks.dynamodb.encoders import PASSES
from benchmarks.dynamodb.endpoints import WHILE_MS
from benchmarks.dynamodb.lines import HEADS, LINES, SLOW_ROWS, Where
from benchmarks.results import Results
from benchmarks.tables import megabytes

PAGE = "performance-dynamodb.md"
ROUNDS = 3  # at least so many for a median that is published

_TEXTS: dict[Where, str] = {
    "at once": "What a client costs, nothing else: the network takes no time and the table refuses nothing.",
    "after a while": (
        f"As within one region: each request is answered {WHILE_MS:.0f} ms later, whatever is in it. Row by row only "
        f"{SLOW_ROWS} items of a table are put; ratios are of items per second."
    ),
    "embedded": "A real API, strict and slow, with the design's tables and indexes made anew for each run.",
}


def terminal(results: Results) -> str:
    """All tables, to be read in a terminal."""
    blocks = [f"{title}\n{table(results).markdown()}" for title, table in sheets.TABLES]
    return "\n\n".join([*blocks, "\n".join(sheets.profile(results))])


def page(results: Results, asked: int) -> str:
    """The page of a bench that was asked for so many items. What was not run is said in its place."""
    template = (Path(__file__).parent / "page.md.j2").read_text()
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, trim_blocks=True, keep_trailing_newline=True)
    known: dict[str, Any] = results.machine
    found = results.fact("encode", "different")
    return environment.from_string(template).render(
        command=f"`python -m benchmarks.dynamodb --items {asked} --rounds {results.rounds}`",
        items=f"{results.items:,}", small=f"{results.small:,}", bytes=megabytes(results.bytes), rounds=results.rounds,
        began=results.began, commit=results.commit, passes=PASSES,
        machine=(
            f"{known['cores']} cores ({known['processor']}), {known['memory_gib']} GiB, {known['system']}, "
            f"Python {known['python']}"
        ),
        different="?" if found is None else "no" if found == 0 else str(found),
        goals=sheets.goals(results).markdown(),
        encoding=sheets.encoding(results).markdown(),
        loads=[
            {"head": head, "text": _TEXTS[where], "table": sheets.loads(results, where).markdown()}
            for where, head in HEADS.items()
        ],
        whole=sheets.whole(results).markdown(),
        profile=sheets.profile(results),
    )  # fmt: skip


def publishable(results: Results) -> bool:
    """Every line has its rounds, or a reason why it could not run; and encoders agree."""
    complete = all(len(results.good(line.name)) >= ROUNDS or line.name in results.missing for line in LINES)
    return complete and results.fact("encode", "different") == 0
