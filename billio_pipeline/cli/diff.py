"""`billio diff`: every row of a target against an export, and nothing else. Writes to neither."""

from __future__ import annotations

import shutil
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import pyarrow.parquet as pq
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from billio_pipeline.cli.compare import compared
from billio_pipeline.cli.migrate import SourceOption, SystemArgument, TargetOption
from billio_pipeline.cli.output import JsonOption, Output
from billio_pipeline.cli.run import bars
from billio_pipeline.cli.systems import system_named
from billio_pipeline.errors import ConfigurationError
from billio_pipeline.report.text import plain, shared, spelt
from billio_pipeline.settings import Settings

if TYPE_CHECKING:
    from billio_pipeline.migrate.stage import Stage
    from billio_pipeline.model.entity import AnySystem
    from billio_pipeline.verify.reconcile import Verdict

CONTEXT = 24  # unchanged characters shown before and after a change
LONGEST = 160  # characters of one value in the terminal
_COUNTS = ("source", "loaded", "quarantined", "excluded", "missing", "extra", "different")


class Mode(StrEnum):
    """How rows are compared: docs/guarantees.md says what each can't see."""

    AUTO = "auto"
    FULL = "full"
    FINGERPRINT = "fingerprint"


def diff(
    system: SystemArgument,
    export: SourceOption = "",
    target: TargetOption = None,
    mode: Annotated[
        Mode, typer.Option(help="Read every row back, or only buckets whose fingerprints differ; auto: by size.")
    ] = Mode.AUTO,
    out: Annotated[
        Path | None, typer.Option("--out", help="Write all differences here, as Parquet.", metavar="FILE")
    ] = None,
    html: Annotated[
        Path | None, typer.Option("--html", help="Write a page with before and after marked.", metavar="FILE")
    ] = None,
    limit: Annotated[int, typer.Option(min=0, help="Differences shown: here, as JSON and on the page.")] = 100,
    json: JsonOption = False,
) -> None:
    """Compare a target's rows with an export, row by row and column by column; write to neither.

    Exit code 0: the accepted items and the rows are equal (quarantined items alone don't count); 1: they differ;
    2: bad input or configuration.
    """
    output = Output(json)
    with output.guarded():
        code = _run(output, system_named(system), export, target, mode, out, html, limit)
    raise typer.Exit(code)


def _run(
    output: Output,
    system: AnySystem,
    export: str,
    target: str | None,
    mode: Mode,
    out: Path | None,
    html: Path | None,
    limit: int,
) -> int:
    for path in (out, html):
        if path and not path.absolute().parent.is_dir():
            raise ConfigurationError(f"{path.parent} is no folder", remedy="Make it, or name another file.")
    settings = Settings.from_env()
    with bars(output.console), compared(system, export, target, mode.value, settings) as found:
        kept = _keep(found.verdict, out, settings, system, found.run)
        answer = {**_answer(system, found.stage, found.verdict, kept, limit), "target": found.target}
    answer["html"] = str(_page(answer, html.absolute())) if html else None
    _show(output.console, answer)
    output.emit(answer)
    return 0 if answer["equal"] else 1


def _keep(verdict: Verdict, out: Path | None, settings: Settings, system: AnySystem, run: str) -> Path:
    """Move the differences to where they stay: `out`, else below our home."""
    path = out.absolute() if out else settings.home / "diff" / system.name / f"{run}.parquet"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        assert verdict.path is not None
        shutil.copyfile(verdict.path, path)
    except OSError as error:
        raise ConfigurationError(f"can't write {path}: {error}", remedy="Name another file with --out.") from error
    return path


def _answer(system: AnySystem, stage: Stage, verdict: Verdict, path: Path, limit: int) -> dict[str, Any]:
    from billio_pipeline.verify.reconcile import entity_counts

    shown: list[dict[str, Any]] = []
    with pq.ParquetFile(path) as file:
        found = file.metadata.num_rows
        if limit:
            with suppress(StopIteration):
                for batch in file.iter_batches(batch_size=min(limit, 10_000)):
                    shown += batch.to_pylist()
                    if len(shown) >= limit:
                        break
    return {
        "system": system.name,
        "export": {k: v for k, v in stage.summary["export"].items() if k != "id"},
        "entities": entity_counts(stage.summary["counts"], verdict.counts),
        "equal": verdict.equal,
        "found": found,
        "differences": shown[:limit],
        "differences_path": str(path),
        "columns": verdict.columns,
        "mode": verdict.mode,
        "buckets": verdict.buckets,
        "rows_read": verdict.compared,
        "seconds": verdict.seconds,
    }


def _page(answer: dict[str, Any], path: Path) -> Path:
    from billio_pipeline.cli.migrate import command
    from billio_pipeline.report.diff import DiffReport, render_diff
    from billio_pipeline.report.model import Counts, Difference
    from billio_pipeline.report.render import save

    report = DiffReport(
        system=answer["system"],
        export=answer["export"]["path"],
        target=answer["target"],
        mode=answer["mode"],
        entities={name: Counts(**counts) for name, counts in answer["entities"].items()},
        differences=[Difference(**each) for each in answer["differences"]],
        found=answer["found"],
        path=answer["differences_path"],
        columns=answer["columns"],
        seconds=answer["seconds"],
        command=command(),
    )
    try:
        save(render_diff(report), path)
    except OSError as error:
        raise ConfigurationError(f"can't write {path}: {error}", remedy="Name another file with --html.") from error
    return path


def _show(console: Console, answer: dict[str, Any]) -> None:
    counts = Table("entity", box=None, header_style="bold", pad_edge=False)
    for name in _COUNTS:
        counts.add_column(name, justify="right")
    for entity, numbers in answer["entities"].items():
        counts.add_row(entity, *(f"{numbers[name]:,}" for name in _COUNTS))
    console.print(counts)
    if answer["differences"]:
        table = Table("entity", "key", "column", "source → target", box=None, header_style="bold", pad_edge=False)
        for each in answer["differences"]:
            column = Text(each["column"] or "the row", style="" if each["column"] else "italic")
            table.add_row(escape(each["entity"]), Text(spelt(each["key"])), column, arrow(each))
        console.print(table)
        if answer["found"] > len(answer["differences"]):
            console.print(f"… {answer['found'] - len(answer['differences']):,} more in the file")
    console.print(f"differences {answer['differences_path']}", markup=False)
    if answer["html"]:
        console.print(f"page        {answer['html']}", markup=False)
    took = ", ".join([f"{name.replace('_', ' ')} {seconds:.1f} s" for name, seconds in answer["seconds"].items()])
    how = f"by fingerprint, {answer['buckets']:,} buckets read back" if answer["mode"] == "fingerprint" else "in full"
    console.print(f"compared    {how}; {took}", markup=False)
    verdict = "[bold green]equal[/]" if answer["equal"] else "[bold red]different[/]"
    console.print(f"{verdict} (exit code {0 if answer['equal'] else 1})")


def arrow(difference: dict[str, Any]) -> Text:
    """`source → target` for a terminal, the changed part in reverse."""
    source, target = difference["source"], difference["target"]
    if difference["column"] is None:
        return Text("missing in the target" if target is None else "extra in the target", style="red")
    if source is None or target is None:
        start, end = 0, 0
    else:
        start, end = shared(plain(source), plain(target))
    return Text.assemble(_marked(source, start, end, "green"), " → ", _marked(target, start, end, "red"))


def _marked(value: object, start: int, end: int, style: str) -> Text:
    if value is None:
        return Text("NULL", style=f"italic {style}")
    whole = plain(value)
    middle = whole[start : len(whole) - end]
    before, after = whole[:start], whole[len(whole) - end :]
    cut = f"{spelt(middle[:LONGEST])}… ({len(middle) - LONGEST:,} more)" if len(middle) > LONGEST else spelt(middle)
    return Text.assemble(
        ("…" if len(before) > CONTEXT else "") + spelt(before[-CONTEXT:]),
        (cut or "∅", f"reverse {style}"),
        spelt(after[:CONTEXT]) + ("…" if len(after) > CONTEXT else ""),
    )
