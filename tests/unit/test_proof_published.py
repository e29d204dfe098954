"""docs/proof.json is what `make prove` wrote, all of it passed; and when the engine has changed since, that is said."""

from __future__ import annotations

import json
import re
import subprocess
import warnings
from pathlib import Path

import pytest
from proof import commit
from proof.outcome import Outcome
from proof.publish import publish
from proof.rows import ROWS

DOCS = commit.ROOT / "docs"


def _published() -> dict:
    path = DOCS / "proof.json"
    if not path.exists():
        warnings.warn("docs/proof.json is absent: nothing is proven yet; run make prove", stacklevel=2)
        pytest.skip("docs/proof.json is absent: run make prove")
    return json.loads(path.read_text())


def test_the_commit_published_is_of_this_engine_or_it_is_said_aloud() -> None:
    """A warning, never a failure: a change to the engine is no reason to prove everything before it lands."""
    of = _published()["commit"]
    changed = commit.changed_since(of)
    if changed is None:
        warnings.warn(f"docs/proof.json is of {of}, which git doesn't know", stacklevel=1)
    elif changed:
        shown = ", ".join(changed[:5])
        told = f"docs/proof.json is of {of[:12]}; {len(changed)} engine files changed since ({shown}): run make prove"
        warnings.warn(told, stacklevel=1)


def test_every_row_is_published_in_full_and_passed() -> None:
    rows = {row["name"]: row for row in _published()["rows"]}
    assert list(rows) == [row.name for row in ROWS]
    assert [name for name, row in rows.items() if row["passed"] is not True] == []
    for row in rows.values():
        assert set(row) == {"name", "runs", "passed", "figure", "seed"}
        assert row["runs"] > 0
    table = (DOCS / "proof.md").read_text()
    for row in ROWS:
        line = next(line for line in table.splitlines() if line.startswith(f"| {row.name} |"))
        assert f"| {row.n:,} {row.unit} | passed |" in line, "the published N is the issue's"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with an engine of one file."""
    engine = tmp_path / "billio_pipeline" / "codec"
    engine.mkdir(parents=True)
    (engine / "wire.py").write_text("1\n")
    _git(tmp_path, "init", "-q")
    _commit(tmp_path)
    return tmp_path


def _git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=t", "-c", "user.email=t@localhost", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


def _commit(folder: Path) -> None:
    _git(folder, "add", "-A")
    _git(folder, "commit", "-qm", "change")


def test_an_engine_that_moved_on_is_named_and_a_document_isnt_one(repository: Path) -> None:
    of = commit.measured(repository)
    assert re.fullmatch("[0-9a-f]{40}", of)
    (repository / "README.md").write_text("words")
    _commit(repository)
    assert commit.changed_since(of, repository) == []
    (repository / "billio_pipeline" / "codec" / "wire.py").write_text("2\n")
    assert commit.changed_since(of, repository) == ["billio_pipeline/codec/wire.py"]
    assert "-changed-" in commit.measured(repository)
    assert commit.changed_since(commit.measured(repository), repository) is None
    assert commit.changed_since("0" * 40, repository) is None


def test_what_is_published_says_what_failed_and_what_was_not_run(tmp_path: Path) -> None:
    outcome = Outcome.of(["run 3: a|row is lost"], 7, "7 runs")
    kept = {"n": 7, "runs": 7, "passed": outcome.passed, "figure": outcome.figure, "seed": 5, "seconds": 60.0}
    publish(tmp_path, "a" * 40, 5, {ROWS[0].name: kept | {"failures": list(outcome.failures)}}, "2 cores")
    told = json.loads((tmp_path / "proof.json").read_text())
    assert told["commit"] == "a" * 40
    assert [(row["name"], row["passed"], row["seed"]) for row in told["rows"]] == [(ROWS[0].name, False, 5)]
    text = (tmp_path / "proof.md").read_text()
    assert "**failed**" in text
    assert "a\\|row is lost" in text
    assert text.count("**not run**") == len(ROWS) - 1
