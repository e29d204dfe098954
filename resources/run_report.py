"""A finished run's report: written from its check evaluations, whether they passed or not."""

import platform
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from dagster import DagsterInstance

from billio_pipeline import __version__
from billio_pipeline.duck import connect
from billio_pipeline.model.entity import AnySystem
from billio_pipeline.report.model import RunReport
from billio_pipeline.report.render import write
from billio_pipeline.settings import Settings
from resources.evaluations import unevaluated_checks
from resources.run_result import RunResult, run_result

EXAMPLES = 5  # quarantined lines shown per reason; the Parquet file has all
SHOWN_BYTES = 2_000  # of a quarantined line

_PACKAGES = ("dagster", "duckdb", "pyarrow", "psycopg", "boto3")


def report_path(settings: Settings, system: AnySystem, run_id: str) -> Path:
    """Where a run's report goes unless told otherwise."""
    return settings.home / "reports" / f"{system.name}-{run_id}.html"


def write_report(instance: DagsterInstance, result: RunResult, path: Path, **asked: Any) -> Path:
    """Write the report of `result` to `path`; `asked` adds command, policy and the like. Returns the path."""
    write(_report(instance, result, asked), path)
    return path


def write_run_report(instance: DagsterInstance, run_id: str, system: AnySystem, settings: Settings) -> Path | None:
    """The report of a run that nobody waited for, such as one from the UI; None when it decoded nothing."""
    result = run_result(instance, run_id, system)
    if result.stage is None:
        return None
    return write_report(
        instance, result, report_path(settings, system, run_id), command=f"Dagster: {result.run.job_name}"
    )


def _report(instance: DagsterInstance, result: RunResult, asked: dict[str, Any]) -> RunReport:
    printed = result.as_dict(None)
    error = printed.pop("error", None)
    stats = instance.get_run_stats(result.run.run_id)
    stage, verdict = result.stage, result.verdict or {}
    about = {name: value for name, value in (stage.summary["about"] if stage else {}).items() if value is not None}
    printed["export"] = {**(printed["export"] or {"path": "", "items": 0, "files": 0, "bytes": 0}), "about": about}
    extras: dict[str, Any] = {
        "target": verdict.get("target", ""),
        "profile": verdict.get("profile", ""),
        "started": _moment(stats.start_time),
        "finished": _moment(stats.end_time),
        "error": f"{error['message']} {error.get('remedy', '')}".strip() if error else "",
        "expected": sorted({check for _, check in unevaluated_checks(instance, result.run.run_id)}),
        "quarantine_examples": _quarantined(stage.quarantine) if stage else (),
        "spot_check": verdict.get("spot_check", ()),
        "versions": {
            "billio_pipeline": __version__,
            "python": platform.python_version(),
            **{name: version(name) for name in _PACKAGES},
            "platform": f"{platform.system()} {platform.machine()}, {sys.implementation.name}",
        },
    }
    return RunReport.from_json(printed, **{**extras, **asked})


def _quarantined(path: Path) -> list[dict[str, Any]]:
    query = """
        SELECT reason, message, entity, key, file, line, original[:$2] AS original
        FROM (SELECT *, row_number() OVER (PARTITION BY reason ORDER BY file, line) AS n FROM read_parquet($1))
        WHERE n <= $3 ORDER BY reason, file, line
    """
    with connect() as db:
        return db.sql(query, params=[str(path), SHOWN_BYTES, EXAMPLES]).to_arrow_table().to_pylist()


def _moment(seconds: float | None) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC") if seconds else ""
