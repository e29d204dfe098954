"""`billio quarantine`: what was refused and why, one line in full, and the way back in once it was mended."""

from __future__ import annotations

import json as json_text
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import pyarrow.parquet as pq
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from billio_pipeline.cli.migrate import SystemArgument, TargetOption
from billio_pipeline.cli.output import JsonOption, Output
from billio_pipeline.cli.run import bars
from billio_pipeline.cli.systems import sql_system_named, system_named
from billio_pipeline.errors import ConfigurationError, InputError
from billio_pipeline.migrate.stage import Stage, stage_at
from billio_pipeline.model.entity import AnySystem, System
from billio_pipeline.report.text import spelt
from billio_pipeline.settings import Settings

if TYPE_CHECKING:
    from billio_pipeline.migrate.replay import Replayed

app = typer.Typer(help="What was refused and why; one line in full; load lines that were mended.", no_args_is_help=True)

RunOption = Annotated[str | None, typer.Option("--run", help="The run's id. Default: the newest run.", metavar="ID")]
StageOption = Annotated[Path | None, typer.Option("--stage", help="A stage's folder.", metavar="DIR")]
PathOption = Annotated[Path | None, typer.Option("--path", help="A quarantine's Parquet file.", metavar="FILE")]
_PLACE = ["reason", "entity", "key", "file", "line", "message"]


@dataclass(frozen=True)
class Quarantine:
    """A quarantine's file, and the stage it belongs to if it lies in one."""

    path: Path
    stage: Stage | None

    def rows(self, columns: list[str] | None = None) -> Iterator[dict[str, Any]]:
        """Its lines in the order of files and line numbers, a few thousand in memory at a time."""
        with pq.ParquetFile(self.path) as file:
            for batch in file.iter_batches(batch_size=2_000, columns=columns):
                yield from batch.to_pylist()

    def about(self) -> dict[str, Any]:
        """Where it is from, for JSON."""
        export = self.stage.summary["export"]["path"] if self.stage else None
        return {"path": str(self.path), "stage": str(self.stage.path) if self.stage else None, "export": export}


@app.command("list")
def list_(
    system: SystemArgument,
    run: RunOption = None,
    stage: StageOption = None,
    path: PathOption = None,
    limit: Annotated[int, typer.Option(min=0, help="Lines shown; the counts are of all.")] = 50,
    to: Annotated[
        Path | None,
        typer.Option("--to", help="Write the lines here, to be repaired and given to replay --items.", metavar="FILE"),
    ] = None,
    json: JsonOption = False,
) -> None:
    """List what was refused: reasons with counts, then entity, key, file and line of each."""
    output = Output(json)
    with output.guarded():
        found = _quarantine(system_named(system), run, stage, path)
        if to:
            _write(found, to)
        reasons = dict(sorted(Counter(row["reason"] for row in found.rows(["reason"])).items()))
        shown = [row for _, row in zip(range(limit), found.rows(_PLACE), strict=False)]
        answer = {"system": system, **found.about(), "items": sum(reasons.values()), "reasons": reasons}
        output.emit({**answer, "quarantined": shown, "written": str(to.absolute()) if to else None})
        _list(output.console, answer, shown)
        if to:
            output.console.print(f"written     {to}", markup=False)


@app.command()
def show(
    system: SystemArgument,
    which: Annotated[str, typer.Argument(metavar="KEY|LINE", help="A key, a line number, or FILE:LINE.")],
    run: RunOption = None,
    stage: StageOption = None,
    path: PathOption = None,
    json: JsonOption = False,
) -> None:
    """Show a refused item in full: why, from where, and the original line as it was exported."""
    output = Output(json)
    with output.guarded():
        found = _quarantine(system_named(system), run, stage, path)
        rows = [row for row in found.rows() if _is(row, which, system_named(system))]
        if not rows:
            raise InputError(f"{which} is not in {found.path}", remedy=f"billio quarantine list {system} names all.")
        output.emit({"system": system, **found.about(), "quarantined": [_readable(row) for row in rows]})
        for row in rows:
            _print(output.console, row)


@app.command()
def replay(
    system: SystemArgument,
    items: Annotated[
        Path | None,
        typer.Option(
            "--items",
            help='Repaired items, one {"Item": …} a line in DynamoDB JSON; "File" and "Line" say which line each is.',
            metavar="FILE",
        ),
    ] = None,
    run: RunOption = None,
    stage: StageOption = None,
    target: TargetOption = None,
    json: JsonOption = False,
) -> None:
    """Read the refused lines again, after the mapping was mended or items were repaired, and load those that pass.

    Rows already in the target count as present, and are never overwritten. Exit code 0: nothing remains; 1: lines
    remain refused, or a row there differs; 2: bad input or configuration. Where rows are the source, mend them there
    and migrate again: only what is not in the target yet is written.
    """
    output = Output(json)
    with output.guarded():
        code = _replay(output, sql_system_named(system), items, run, stage, target)
    raise typer.Exit(code)


def _replay(
    output: Output, system: System, items: Path | None, run: str | None, folder: Path | None, target: str | None
) -> int:
    from assets.factory.verdict import require_table
    from billio_pipeline.local.resolve import resolve_target
    from billio_pipeline.migrate.mended import mended
    from billio_pipeline.migrate.replay import replay as replayed
    from billio_pipeline.stores.sql.target import Target

    settings = Settings.from_env()
    found = _quarantine(system, run, folder, None)
    assert found.stage is not None
    given = mended(found.stage, items) if items else []
    with Target.open(resolve_target(settings, target), settings) as opened, bars(output.console):
        require_table(opened, system)
        done = replayed(found.stage, opened, settings, given)
    left = Quarantine(done.stage.quarantine, done.stage)
    reasons = dict(sorted(Counter(row["reason"] for row in left.rows(["reason"])).items()))
    shown = [row for _, row in zip(range(50), left.rows(_PLACE), strict=False)]
    output.emit({"system": system.name, **left.about(), **_numbers(done), "reasons": reasons, "quarantined": shown})
    _told(output.console, done)
    _list(output.console, {**left.about(), "items": done.remaining, "reasons": reasons}, shown)
    return 1 if done.remaining or done.conflicts else 0


def _numbers(done: Replayed) -> dict[str, Any]:
    names = ("lines", "repaired", "loaded", "present", "excluded", "conflicts", "remaining", "entities")
    return {name: getattr(done, name) for name in names}


def _told(console: Console, done: Replayed) -> None:
    console.print(
        f"replayed    {done.lines:,} lines, {done.repaired:,} of them repaired: {done.loaded:,} loaded,"
        f" {done.present:,} already there, {done.excluded:,} duplicates, {done.remaining:,} still refused",
        markup=False,
    )
    for key in done.conflicts:
        console.print(f"  conflict: the target's row {key} differs and was left as it is", markup=False)


def _quarantine(system: AnySystem, run: str | None, folder: Path | None, path: Path | None) -> Quarantine:
    """The quarantine that is meant. Raises ConfigurationError for two answers, InputError when there is none."""
    if sum(given is not None for given in (run, folder, path)) > 1:
        raise ConfigurationError("--run, --stage and --path say the same thing", remedy="Give one of them.")
    if path is not None:
        if not path.is_file():
            raise InputError(f"{path} is no file", remedy="Name a quarantine.parquet.")
        inside = (path.absolute().parent / "summary.json").exists() and path.name == "quarantine.parquet"
        return Quarantine(path.absolute(), stage_at(path.absolute().parent, system) if inside else None)
    stage = stage_at(folder.absolute(), system) if folder is not None else _newest(system, run)
    _ = stage.summary  # raises for a folder that is no complete stage
    return Quarantine(stage.quarantine, stage)


def _newest(system: AnySystem, run: str | None) -> Stage:
    """The stage of that run, else the newest one of any export."""
    found = sorted(
        (Settings.from_env().home / "stage" / system.name).glob("*/*/summary.json"),
        key=lambda each: each.stat().st_mtime,
    )
    if run is not None:
        found = [summary for summary in found if summary.parent.name == run]
    if not found:
        what = f"run {run} left no stage" if run else f"no export of {system.name} was decoded here"
        raise InputError(what, remedy="billio migrate, or verify, makes one; --stage and --path name one elsewhere.")
    return stage_at(found[-1].parent, system)


def _is(row: dict[str, Any], which: str, system: AnySystem) -> bool:
    from billio_pipeline.migrate.mended import keys_of

    if which in (str(row["line"]), f"{row['file']}:{row['line']}", row["key"]):
        return True
    return isinstance(system, System) and which in keys_of(row, system)


def _readable(row: dict[str, Any]) -> dict[str, Any]:
    """A row as JSON: `original` the parsed line, or its text where parsing would hide why it was refused."""
    try:
        original: Any = json_text.loads(row["original"], object_pairs_hook=_each_once)
        orjson.dumps(original)  # half surrogate pairs and numbers of any size are JSON to Python alone
    except (ValueError, TypeError, RecursionError):
        original = row["original"].decode("utf-8", "backslashreplace")
    return {**row, "original": original}


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a name stands twice")
    return value


def _write(found: Quarantine, to: Path) -> None:
    """The lines as `replay --items` takes them: each with its place and why it was refused."""
    if not to.absolute().parent.is_dir():
        raise ConfigurationError(f"{to.parent} is no folder", remedy="Make it, or name another file.")
    with to.open("wb") as file:
        for row in found.rows():
            place = {"File": row["file"], "Line": row["line"], "Reason": row["reason"], "Message": row["message"]}
            original = _readable(row)["original"]
            whole = original if isinstance(original, dict) and "Item" in original else {"Original": original}
            file.write(orjson.dumps({**place, **whole}) + b"\n")


def _list(console: Console, answer: dict[str, Any], shown: list[dict[str, Any]]) -> None:
    if not answer["items"]:
        console.print("quarantine  empty: nothing is refused")
        return
    named = ", ".join([f"{reason} {count:,}" for reason, count in answer["reasons"].items()])
    console.print(f"quarantine  {answer['items']:,} items: {named}", markup=False)
    console.print(f"            {answer['path']}", markup=False)
    if not shown:
        return
    table = Table("reason", "entity", "key", "file", "line", "message", box=None, header_style="bold", pad_edge=False)
    for row in shown:
        table.add_row(
            escape(row["reason"]),
            Text(spelt(row["entity"] or "")),
            Text(spelt(row["key"] or "–")),
            Text(spelt(row["file"])),
            str(row["line"]),
            Text(spelt(row["message"])),
        )
    console.print(table)
    if answer["items"] > len(shown):
        console.print(f"… {answer['items'] - len(shown):,} more")


def _print(console: Console, row: dict[str, Any]) -> None:
    original = _readable(row)["original"]
    text = original if isinstance(original, str) else json_text.dumps(original, indent=2, ensure_ascii=False)
    console.print(Text(row["reason"], style="bold yellow"), Text(spelt(row["message"])))
    console.print(f"  {row['entity']} {spelt(row['key'] or '–')}", markup=False)
    console.print(f"  {row['file']}, line {row['line']}", markup=False)
    console.print("\n".join([spelt(line) for line in text.split("\n")]), markup=False)
