"""Which commit a proof is of, and what of the engine has changed since."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# What the rows measure. Screens, reports and documents may change without a figure changing.
ENGINE = (
    "billio_pipeline/codec", "billio_pipeline/migrate", "billio_pipeline/model", "billio_pipeline/stores",
    "billio_pipeline/verify", "billio_pipeline/duck.py", "billio_pipeline/errors.py", "assets/billio/model.py",
    "assets/factory",
)  # fmt: skip


def measured(root: Path = ROOT) -> str:
    """HEAD, or HEAD and a mark for what lies uncommitted on top of it."""
    head = _git(root, "rev-parse", "HEAD")
    changes = _git(root, "status", "--porcelain", "--", *ENGINE)
    if not changes:
        return head
    differences = _git(root, "diff", "HEAD", "--", *ENGINE)
    return f"{head}-changed-{hashlib.sha256((changes + differences).encode()).hexdigest()[:8]}"


def changed_since(commit: str, root: Path = ROOT) -> list[str] | None:
    """Files of the engine that differ from those at `commit`; None when git doesn't know, or isn't there."""
    if "-changed-" in commit:
        return None
    try:
        found = _git(root, "diff", "--name-only", commit, "--", *ENGINE)
        return found.splitlines()
    except (subprocess.CalledProcessError, FileNotFoundError):
        return None


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=root, check=True, capture_output=True, text=True)
    return done.stdout.strip()
