"""The Makefile's promises that can be seen without installing 900 MB: stamps, named lacks, the lock, the scripts."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = [*sorted((ROOT / "scripts").iterdir()), ROOT / ".ci" / "run"]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What `make setup` reads, without a .venv."""
    for name in ("Makefile", "requirements.lock", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts")
    return tmp_path


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["make", *arguments], cwd=folder, capture_output=True, text=True, check=False)


def is_done(folder: Path) -> bool:
    return make(folder, "--question", "setup").returncode == 0


def stamp(folder: Path) -> Path:
    (folder / ".venv").mkdir()
    (folder / ".venv" / ".ready").touch()
    return folder / ".venv" / ".ready"


def test_make_alone_lists_the_targets_and_each_exists(checkout: Path) -> None:
    listed = re.findall(r"^  make (\w+) ", make(checkout).stdout, flags=re.MULTILINE)
    assert {"setup", "demo", "test", "dev", "check", "bench", "prove", "lock", "help"} == set(listed)
    stamp(checkout)
    for target in listed:
        assert make(checkout, "--dry-run", target).returncode == 0


def test_setup_is_done_once(checkout: Path) -> None:
    assert not is_done(checkout)
    stamp(checkout)
    assert is_done(checkout)


def test_setup_is_due_after_an_interruption(checkout: Path) -> None:
    (checkout / ".venv" / "bin").mkdir(parents=True)
    assert not is_done(checkout)


@pytest.mark.parametrize("changed", ["requirements.lock", "pyproject.toml"])
def test_setup_is_due_when_what_it_installs_has_changed(checkout: Path, changed: str) -> None:
    ready = stamp(checkout).stat().st_mtime
    os.utime(checkout / changed, (ready + 5, ready + 5))
    assert not is_done(checkout)


def test_what_is_missing_is_named_with_its_remedy(checkout: Path) -> None:
    old = checkout / "old-python"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    tools = checkout / "tools"
    tools.mkdir()
    for tool in ("bash", "dirname", "env"):  # no git
        (tools / tool).symlink_to(str(shutil.which(tool)))
    done = subprocess.run(
        [checkout / "scripts" / "setup", old], env={"PATH": str(tools)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert f"missing: Python 3.11 or later ({old} is not)" in done.stderr
    assert "missing: git" in done.stderr
    assert done.stderr.count("→") == 2
    assert not (checkout / ".venv").exists()


def test_every_locked_package_has_hashes_and_no_address() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    assert "://" not in lock
    packages = re.split(r"^(?=[A-Za-z0-9])", lock, flags=re.MULTILINE)[1:]
    assert len(packages) > 100
    assert [package.splitlines()[0] for package in packages if "--hash=sha256:" not in package] == []


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_scripts_run_as_they_are(script: Path) -> None:
    assert os.access(script, os.X_OK)
    assert subprocess.run(["bash", "-n", script], check=False).returncode == 0


@pytest.mark.parametrize(("required", "outcome"), [("", "1 skipped"), ("1", "1 error")], ids=["make test", ".ci/run"])
def test_ui_tests_without_a_chromium_are_skipped_aloud_or_fail(tmp_path: Path, required: str, outcome: str) -> None:
    (tmp_path / "test_page.py").write_text("def test_page(chromium):\n    pass\n")
    env = os.environ | {"PYTHONPATH": str(ROOT / "tests"), "PATH": str(tmp_path), "BILLIO_REQUIRE_UI": required}
    command = [sys.executable, "-m", "pytest", "-p", "conftest", "-p", "no:cacheprovider", "-q", tmp_path]
    done = subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert outcome in done.stdout
    assert "no Chromium on PATH" in done.stdout
    assert (done.returncode == 0) == (not required)
