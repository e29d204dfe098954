"""docs/proof.json and docs/proof.md: the rows as they came out, their seeds, and the command that makes them again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from proof.rows import ROWS

_HEAD = """# Proof: what was done to it, and what came of it

Made by `make prove`, not by hand. Real processes, a real PostgreSQL with fsync on, seeded; each target judged by our
own verify **and** by a count that shares no code with it (`tests/proof/independent.py`: gzip, json, SQL). Times differ
from machine to machine, and where a process is killed *at any time* so does the moment; all else is the seed's.
A small part of every row runs in every `make test`.

Commit `{commit}`, seed {seed}, {minutes:.0f} minutes in all, {machine}.

| row | what is done | N | outcome | figure | seed | command |
|---|---|---|---|---|---|---|
"""


def publish(folder: Path, commit: str, seed: int, done: dict[str, dict[str, Any]], machine: str) -> None:
    """Write both files into `folder`. `done` holds what the runner kept of each finished row."""
    rows = [
        {"name": row.name, **{key: done[row.name][key] for key in ("runs", "passed", "figure", "seed")}}
        for row in ROWS
        if row.name in done
    ]
    folder.mkdir(parents=True, exist_ok=True)
    told = {"commit": commit, "rows": rows}
    (folder / "proof.json").write_text(json.dumps(told, indent=2, ensure_ascii=False) + "\n")
    minutes = sum(each["seconds"] for each in done.values()) / 60
    text = _HEAD.format(commit=commit[:12], seed=seed, minutes=minutes, machine=machine)
    for row in ROWS:
        kept = done.get(row.name)
        if kept is None:
            text += f"| {row.name} | {row.proves} | {row.n:,} {row.unit} | **not run** | | | |\n"
            continue
        outcome = "passed" if kept["passed"] else "**failed**"
        figure = kept["figure"].replace("|", "\\|").replace("\n", " ")
        command = f"`make prove ROWS={row.name} SEED={kept['seed']}`"
        cells = (row.name, row.proves, f"{kept['n']:,} {row.unit}", outcome, figure, str(kept["seed"]), command)
        text += f"| {' | '.join(cells)} |\n"
    (folder / "proof.md").write_text(text + _failures(done))


def _failures(done: dict[str, dict[str, Any]]) -> str:
    failed = {name: kept["failures"] for name, kept in done.items() if kept["failures"]}
    if not failed:
        return ""
    listed = "".join(f"\n### {name}\n\n" + "".join(f"- {each}\n" for each in them) for name, them in failed.items())
    return f"\n## What failed\n{listed}"
