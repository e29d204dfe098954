"""`billio migrate` as a person runs it: a process group of its own, judged by its exit code and its JSON."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BILLIO = Path(sys.executable).with_name("billio")
PATIENCE = 180.0


@dataclass(frozen=True)
class Told:
    """A finished command: exit code, and the JSON it printed (None when it printed none)."""

    code: int
    answer: dict[str, Any] | None
    errors: str

    def trouble(self, items: int) -> str | None:
        """What went wrong; None when it loaded and proved `items`."""
        if self.code or self.answer is None:
            return f"exit code {self.code}: {(self.answer or {}).get('error', self.errors[-300:])}"
        sums = {
            name: sum(counts[name] for counts in self.answer["entities"].values())
            for name in ("loaded", "missing", "extra", "different", "quarantined")
        }
        right = {"loaded": items, "missing": 0, "extra": 0, "different": 0, "quarantined": 0}
        return None if sums == right else f"it counts {sums}"


def environment(dsn: str, home: Path, **more: str) -> dict[str, str]:
    return {
        **os.environ, "BILLIO_HOME": str(home), "DAGSTER_HOME": str(home / "dagster"), "BILLIO_POSTGRES_DSN": dsn,
        "DAGSTER_DISABLE_TELEMETRY": "yes", "BILLIO_LOADERS": "2", "BILLIO_WORKERS": "1", **more,
    }  # fmt: skip


def start(export: Path, dsn: str, home: Path, **more: str) -> subprocess.Popen[bytes]:
    """`billio migrate` begun, in a session of its own; `more` are environment variables."""
    return subprocess.Popen(
        [BILLIO, "migrate", "billio", "--export", export, "--json"],
        env=environment(dsn, home, **more), stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip


def finish(process: subprocess.Popen[bytes]) -> Told:
    """Wait for its end."""
    out, errors = process.communicate(timeout=PATIENCE)
    try:
        answer = json.loads(out)
    except json.JSONDecodeError:
        answer = None
    return Told(process.returncode, answer, errors.decode(errors="replace"))
