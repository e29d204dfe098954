"""`billio migrate` and `billio verify`: load an export and prove it, or prove a target as it is."""

from __future__ import annotations

import shlex
import sys
from enum import StrEnum
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Annotated, Any

import typer

from billio_pipeline.cli.output import JsonOption, Output
from billio_pipeline.cli.reach import reach
from billio_pipeline.cli.run import absolute, recorded, run_job
from billio_pipeline.cli.summary import summarise
from billio_pipeline.cli.systems import system_named
from billio_pipeline.errors import ConfigurationError
from billio_pipeline.model.entity import AnySystem
from billio_pipeline.settings import Settings


class Policy(StrEnum):
    """What becomes of a row that is there already and differs."""

    INSERT = "insert"
    REPLACE = "replace"


SystemArgument = Annotated[str, typer.Argument(help="The system to migrate, for example billio.", metavar="SYSTEM")]
TargetOption = Annotated[
    str | None,
    typer.Option(
        "--target",
        help="postgresql:// or dsql://endpoint, or a DynamoDB endpoint. Default: the environment's, else the stack's.",
        metavar="DSN",
    ),
]
SourceOption = Annotated[
    str,
    typer.Option(
        "--export",
        "--source",
        help="Where the source is: a table export, backup arrays, or a tree of records; folder or s3:// URI. "
        "A system whose source is a database needs none.",
        metavar="DIR|URI",
    ),
]
ReportOption = Annotated[Path | None, typer.Option("--report", help="Write the HTML report here.", metavar="FILE")]
AllowOption = Annotated[
    bool, typer.Option("--allow-quarantine", help="Quarantined items alone don't make the exit code 1.")
]
ParityOption = Annotated[
    str, typer.Option("--parity-table", help="Ask this live DynamoDB table for parity.", metavar="TABLE")
]


def migrate(
    system: SystemArgument,
    export: SourceOption = "",
    target: TargetOption = None,
    policy: Annotated[
        Policy, typer.Option(help="A row already there that differs: keep it and report, or replace it.")
    ] = (Policy.INSERT),
    report: ReportOption = None,
    allow_quarantine: AllowOption = False,
    parity_table: ParityOption = "",
    max_wcu: Annotated[
        float, typer.Option(help="Write units per second a load into DynamoDB uses at most. 0: what it takes.", min=0)
    ] = 0.0,
    live: Annotated[
        bool, typer.Option("--live", help="DynamoDB tables that others write to: put only what is absent, or no newer.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Load a source into its target and prove that every item arrived.

    Safe to run again, after any crash, or twice at once. Exit code 0: all proven; 1: a check failed, a row conflicts,
    or items were quarantined; 2: bad input or configuration, and the target is untouched.
    """
    asked = {
        "export": absolute(export),
        "policy": policy.value,
        "parity_table": parity_table,
        "max_wcu": max_wcu,
        "live": live,
    }
    _run("migrate", system, target, asked, report, allow_quarantine, json)


def verify(
    system: SystemArgument,
    export: SourceOption = "",
    target: TargetOption = None,
    report: ReportOption = None,
    allow_quarantine: AllowOption = False,
    parity_table: ParityOption = "",
    json: JsonOption = False,
) -> None:
    """Prove a target against its source without loading: the source is read anew, all of the target compared with it.

    Exit code 0: they hold the same items; 1: a check failed or items were quarantined; 2: bad input or configuration.
    """
    _run(
        "verify",
        system,
        target,
        {"export": absolute(export), "parity_table": parity_table},
        report,
        allow_quarantine,
        json,
    )


def _run(
    job: str, name: str, target: str | None, asked: dict[str, Any], report: Path | None, allow: bool, json: bool
) -> None:
    out = Output(json)
    with out.guarded():
        system = system_named(name)
        settings = Settings.from_env()
        _writable(report)
        code = execute(job, system, settings, out, target=target, asked=asked, report=report, allow_quarantine=allow)
    raise typer.Exit(code)


def execute(
    job: str,
    system: AnySystem,
    settings: Settings,
    out: Output,
    *,
    target: str | None,
    asked: dict[str, Any],
    report: Path | None,
    allow_quarantine: bool,
) -> int:
    """Run the job, write its report, print its result; the exit code it deserves."""
    from resources.run_report import report_path, write_report

    environment = reach(system, settings, target, asked)
    with recorded(settings) as instance:
        result = run_job(job, system, instance, out, environment=environment, migration=asked)
        written: Path | None = None
        if result.stage is not None:
            written = write_report(
                instance,
                result,
                (report or report_path(settings, system, result.run.run_id)).absolute(),
                command=command(),
                policy=asked.get("policy", ""),
                allow_quarantine=allow_quarantine,
            )
    code = result.exit_code(allow_quarantine)
    summarise(out.console, result, written, code, allow_quarantine)
    out.emit(result.as_dict(str(written) if written else None))
    return code


def _writable(report: Path | None) -> None:
    """Refuse a report that couldn't be written before anything is started for it."""
    if report is None:
        return
    try:
        with NamedTemporaryFile(dir=report.absolute().parent):
            pass
        if report.is_dir():
            raise IsADirectoryError(f"{report} is a folder")
    except OSError as error:
        raise ConfigurationError(f"can't write {report}: {error}", remedy="Give --report another path.") from error


def command() -> str:
    """The command as typed, its DSN's password aside."""
    from billio_pipeline.report.text import redacted

    return shlex.join(["billio", *map(redacted, sys.argv[1:])])
