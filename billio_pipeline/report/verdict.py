"""The headline of a run: what its checks, counts and quarantine add up to. A check that did not run proves nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from billio_pipeline.report.checks import CHECKS
from billio_pipeline.report.model import RunReport


@dataclass(frozen=True)
class Verdict:
    """`state` colours the page; `why` are the reasons behind `headline`; `notes` never change it."""

    state: Literal["passed", "quarantine", "failed"]
    headline: str
    why: tuple[str, ...]
    notes: tuple[str, ...]


def verdict(run: RunReport) -> Verdict:
    """Judge `run`: failed when anything is unproven, quarantine when items were refused, else passed."""
    total = run.total
    failed = [check for check in run.checks if check.failed_error]
    evaluated = {check.check for check in run.checks}
    skipped = [name for name in run.expected if name not in evaluated and blocks(name)]
    why = [f"The run stopped: {run.error}"] if run.error else []
    why += [f"{check.check} failed on {check.asset}." for check in failed]
    if skipped:
        why.append(f"Not evaluated, because something before failed: {', '.join(skipped)}.")
    if not run.checks:
        why.append("No check was evaluated, so nothing is proven.")
    why += [
        f"{name}: {counts.source:,} items in the source, {counts.accounted:,} accounted for."
        for name, counts in run.entities.items()
        if counts.source != counts.accounted
    ]
    if total.missing:
        why.append(f"{items(total.missing)} of the source {'is' if total.missing == 1 else 'are'} not in the target.")
    if total.different:
        why.append(f"{items(total.different)} differ{'s' if total.different == 1 else ''} in the target.")
    refused = max(total.quarantined, sum(run.reasons.values()))
    warned = [
        check
        for check in run.checks
        if not check.passed and not check.failed_error and not (refused and check.check == "quarantine_empty")
    ]
    notes = [f"Warning: {check.check} on {check.asset}." for check in warned]
    if total.extra:
        notes.append(f"The target holds {total.extra:,} more, which no source item has.")
    if refused:
        allowed = "allowed by the command" if run.allow_quarantine else "repair them at the source, or allow them"
        notes.insert(0, f"{items(refused)} refused and kept in the quarantine ({allowed}).")
    if why:
        return Verdict("failed", "Not verified", tuple(why), tuple(notes))
    if refused:
        loaded = f"{items(total.loaded)} proven in the target, {refused:,} refused"
        return Verdict("quarantine", "Verified, with a quarantine", (f"{loaded}.",), tuple(notes))
    return Verdict("passed", "Verified", (_all(total.loaded),), tuple(notes))


def blocks(name: str) -> bool:
    """Whether the check of that name blocks; one we know nothing of does."""
    return name not in CHECKS or CHECKS[name].blocks


def items(number: int) -> str:
    """`1 item`, `2,000 items`."""
    return f"{number:,} item{'' if number == 1 else 's'}"


def _all(loaded: int) -> str:
    return f"All {items(loaded)} proven in the target." if loaded > 1 else f"{items(loaded)} to prove, and proven."
