"""What one size's runs gave, kept in a file so that an interrupted bench goes on; and the medians drawn from it."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.measure import Run
from billio_pipeline.settings import CHECKOUT

# What is measured: results of another state of these files are not continued.
ENGINE = ("billio_pipeline", "assets", "benchmarks")
_MODEL = "model name"


@dataclass
class Results:
    """All runs of one size, by competitor. `missing`: competitors that could not run, and why."""

    items: int
    small: int
    engine: str
    commit: str
    machine: dict[str, Any]
    server: dict[str, str]
    bytes: int
    rounds: int
    began: str
    runs: dict[str, list[Run]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    volume: dict[str, Any] = field(default_factory=dict)

    def good(self, name: str) -> list[Run]:
        """The runs of a competitor that went through."""
        return [run for run in self.runs.get(name, []) if run.error is None]

    def trouble(self, name: str) -> str | None:
        """Why a competitor has no figures; None when it has."""
        if self.good(name):
            return None
        failed = [run.error for run in self.runs.get(name, []) if run.error]
        return f"failed: {failed[-1]}" if failed else f"not run: {self.missing.get(name, 'not asked for')}"

    def rate(self, name: str) -> float | None:
        """Items a second of the whole job, the median."""
        return _median([run.items / run.wall for run in self.good(name)])

    def cpu(self, name: str, *stages: str, side: str = "") -> float | None:
        """CPU seconds per million items, the median: of all stages of the job or of some, of both sides or one."""
        return _median([_cpu(run, stages, side) * 1e6 / run.items for run in self.good(name)])

    def wall(self, name: str, *stages: str) -> float | None:
        """Seconds of the job or of some of its stages, the median."""
        return _median([sum(s.wall for s in run.job if not stages or s.name in stages) for run in self.good(name)])

    def peak(self, name: str) -> int:
        """Most bytes the process tree ever had."""
        return max((run.peak for run in self.good(name)), default=0)

    def fact(self, name: str, key: str) -> Any:
        """A fact that the last run told."""
        runs = self.good(name)
        return runs[-1].facts.get(key) if runs else None

    def stage_names(self, name: str) -> list[str]:
        """The stages of a competitor's job, in order."""
        return list(dict.fromkeys([stage.name for stage in self.good(name)[-1].job])) if self.good(name) else []

    def startup(self) -> float | None:
        """Seconds that `billio migrate` takes for a handful of items."""
        return _median([run.facts["startup_wall"] for run in self.good("ours-command")])

    def save(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps(asdict(self), indent=1, default=str))
        partial.replace(path)


def _median(values: list[float]) -> float | None:
    return median(values) if values else None


def _cpu(run: Run, stages: tuple[str, ...], side: str) -> float:
    chosen = [stage for stage in run.job if not stages or stage.name in stages]
    return sum(getattr(stage, side or "cpu") for stage in chosen)


def load(path: Path) -> Results | None:
    """What was kept, or None."""
    if not path.exists():
        return None
    kept = json.loads(path.read_text())
    runs = {name: [Run.from_json(run) for run in runs] for name, runs in kept.pop("runs").items()}
    return Results(**kept, runs=runs)


def engine() -> str:
    """16 hex digits over the files that are measured, and those that measure."""
    digest = hashlib.sha256()
    for top in ENGINE:
        for path in sorted((CHECKOUT / top).rglob("*.py")):
            digest.update(f"{path.relative_to(CHECKOUT)}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def commit() -> str:
    """HEAD, marked when the engine differs from it; `unknown` outside of a repository."""
    try:
        head = _git("rev-parse", "--short=12", "HEAD")
        return f"{head} with changes" if _git("status", "--porcelain", "--", *ENGINE) else head
    except (subprocess.CalledProcessError, FileNotFoundError):
        return "unknown"


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=CHECKOUT, check=True, capture_output=True, text=True).stdout.strip()


def machine() -> dict[str, Any]:
    """Cores, processor, memory, Python."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cores": os.cpu_count(),
        "processor": _processor(),
        "memory_gib": round(memory / 2**30),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
    }


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith(_MODEL):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown"


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
