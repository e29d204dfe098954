"""Alerts as values: which failures of a run are worth one, in which order, and how each reads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from resources.evaluations import CheckRow, Severity
from resources.redact import one_line, redact

COUNTS = ("source", "target", "missing", "extra")  # said of every check that measured one of them
FURTHER = ("loaded", "different", "quarantined", "excluded")
FIRST = "count"  # the check whose failure is told before all others
ICONS = {"ERROR": "🔴", "WARN": "🟡"}


@dataclass(frozen=True)
class Alert:
    """One failure of one run: a check that failed, or the run itself. Holds no secret; every channel sends this."""

    kind: Literal["check", "run"]
    severity: Severity
    system: str
    entity: str
    asset: str
    check: str
    run_id: str
    job: str
    numbers: Mapping[str, int | float | None] = field(default_factory=dict)
    detail: str = ""
    partition: str | None = None
    link: str | None = None

    @property
    def failure(self) -> str:
        """What failed, the same in every retry of the run: `asset:check[partition]`, or `run`."""
        if self.kind == "run":
            return "run"
        return f"{self.asset}:{self.check}" + (f"[{self.partition}]" if self.partition else "")

    @property
    def subject(self) -> str:
        """One line: level, system, entity, what failed."""
        what = "run failed" if self.kind == "run" else f"check {self.check} failed"
        partition = f" [{self.partition}]" if self.partition else ""
        return one_line(f"{self.severity} {self.system} {self.entity}{partition}: {what}", 180)

    @property
    def text(self) -> str:
        """Subject, numbers, detail, run and link, a line each."""
        numbers = " · ".join(f"{name} {'unknown' if n is None else f'{n:,}'}" for name, n in self.numbers.items())
        lines = [
            f"{ICONS[self.severity]} {self.subject}",
            numbers,
            self.detail,
            f"run {self.run_id} of {self.job}",
            self.link or "",
        ]
        return "\n".join(line for line in lines if line)

    def payload(self) -> dict[str, object]:
        """For machines: Slack's `text`, the fields beside it, and each number under its own name."""
        return {
            "text": self.text,
            "kind": self.kind,
            "severity": self.severity,
            "system": self.system,
            "entity": self.entity,
            "asset": self.asset,
            "check": self.check,
            "partition": self.partition,
            "run_id": self.run_id,
            "job": self.job,
            "detail": self.detail,
            "link": self.link,
            **dict.fromkeys(COUNTS),
            **self.numbers,
        }


def alerts_for(
    rows: Iterable[CheckRow],
    *,
    run_id: str,
    job: str,
    failure: str | None = None,
    warnings: bool = True,
    ui_url: str | None = None,
    secrets: Iterable[str | None] = (),
) -> list[Alert]:
    """One alert per failed check, ERROR before WARN and `count` before others, then the run's own failure.

    `failure` is why the run failed when no blocking check explains it; its alert comes after the failed ERROR checks.
    """
    link = f"{ui_url.rstrip('/')}/runs/{run_id}" if ui_url else None
    secrets = list(secrets)
    failed = [row for row in rows if not row.passed and (warnings or row.severity == "ERROR")]
    failed.sort(key=lambda row: (row.severity != "ERROR", row.check != FIRST))
    alerts = [_of_check(row, run_id, job, link, secrets) for row in failed]
    if failure is not None:
        errors = sum(row.severity == "ERROR" for row in failed)
        system = alerts[0].system if alerts else job
        detail = one_line(redact(failure, secrets), 500)
        alerts.insert(errors, Alert("run", "ERROR", system, job, "", "run", run_id, job, {}, detail, link=link))
    return alerts


def _of_check(row: CheckRow, run_id: str, job: str, link: str | None, secrets: list[str | None]) -> Alert:
    system, *rest = row.asset.split("/")
    return Alert(
        kind="check",
        severity=row.severity,
        system=system,
        entity="/".join(rest[1:]) or row.asset.rpartition("/")[2],
        asset=row.asset,
        check=row.check,
        run_id=run_id,
        job=job,
        numbers=_numbers(row.metadata),
        detail=one_line(redact(row.description or "", secrets)),
        partition=row.partition,
        link=link,
    )


def _numbers(metadata: Mapping[str, object]) -> dict[str, int | float | None]:
    """The counts first (None where one of them was not measured), then what else was measured, in its own order."""
    measured = {
        name: value
        for name, value in metadata.items()
        if isinstance(value, int | float) and not isinstance(value, bool) and not name.startswith("dagster/")
    }
    counts = COUNTS if any(name in measured for name in COUNTS) else ()
    named = [*counts, *(name for name in FURTHER if name in measured)]
    return {name: measured.get(name) for name in dict.fromkeys([*named, *measured])}
