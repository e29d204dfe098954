"""A stage is complete or not used: which one a run finds, what a damaged export leaves, and what is cleared away."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from exports import write_export
from staging import keys, staged
from wire import plain, written

from assets.billio.model import SYSTEM
from billio_pipeline.errors import ConfigurationError, ExportError, InputError
from billio_pipeline.migrate import stage as stages
from billio_pipeline.migrate.decode import decode
from billio_pipeline.migrate.prepare import prepare
from billio_pipeline.stores.dynamodb import open_source


def uid(n: int) -> str:
    return f"00000000-0000-4000-8000-{n:012d}"


@pytest.fixture
def source(settings):
    lines = [[written(plain(key=uid(n)))] for n in range(3)]
    return open_source(str(write_export(settings.home / "export", lines)), SYSTEM, settings)


def test_a_stage_that_was_never_finished_is_not_found(settings, source):
    unfinished = stages.create(settings.home, SYSTEM, source.id, "killed")
    decode(source, unfinished, workers=1)
    with pytest.raises(InputError, match="has not been decoded"):
        stages.find(settings.home, SYSTEM, source.id, "killed")
    with pytest.raises(ConfigurationError, match="no complete stage"):
        _ = unfinished.summary


def test_a_damaged_export_leaves_no_stage(settings, source):
    path = settings.home / "export"
    damaged = sorted(path.rglob("*.gz"))[-1]
    damaged.write_bytes(damaged.read_bytes()[:-3])
    with pytest.raises(ExportError):
        prepare(source, SYSTEM, settings, "run")
    with pytest.raises(InputError):
        stages.find(settings.home, SYSTEM, source.id, "run")


def test_a_run_finds_its_own_stage_and_else_the_newest(settings, source):
    for age, run in enumerate(("first", "second", "third")):
        made = prepare(source, SYSTEM, settings, run)
        os.utime(made.path / "summary.json", (1_000_000 + age, 1_000_000 + age))
    assert stages.find(settings.home, SYSTEM, source.id, "first").path.name == "first"
    assert stages.find(settings.home, SYSTEM, source.id, "of another job").path.name == "third"
    shutil.rmtree(stages.find(settings.home, SYSTEM, source.id, "third").path)
    assert stages.find(settings.home, SYSTEM, source.id, "of another job").path.name == "second"


def test_only_the_newest_few_stages_of_an_export_are_kept(settings, source):
    for run in range(5):
        made = prepare(source, SYSTEM, settings, str(run))
        os.utime(made.path / "summary.json", (1_000_000 + run, 1_000_000 + run))
    stages.prune(settings.home, SYSTEM, source.id)
    assert sorted(path.name for path in made.path.parent.iterdir()) == ["2", "3", "4"]


def test_what_killed_runs_left_half_filled_is_removed_and_what_is_being_filled_stays(settings, source):
    fill = "import sys, time; from pathlib import Path; from billio_pipeline.migrate import stage as stages\n"
    fill += "from assets.billio.model import SYSTEM\n"
    fill += "with stages.filling(Path(sys.argv[1]), SYSTEM, 'another export', 'run') as stage:\n"
    fill += "    print(stage.path, flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", fill, str(settings.home)], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        path = Path(other.stdout.readline().strip())
        stages.prune(settings.home, SYSTEM, source.id)
        assert path.exists()
        other.kill()
        other.wait()
    stages.prune(settings.home, SYSTEM, source.id)
    assert not path.exists()


def test_what_a_killed_try_of_the_same_run_left_is_replaced(settings, source):
    left = stages.create(settings.home, SYSTEM, source.id, "run")
    decode(source, left, workers=1)
    (left.path / "rows" / "Book" / "000009.parquet").write_bytes(b"half a file")
    assert keys(prepare(source, SYSTEM, settings, "run")) == [uid(0), uid(1), uid(2)]


def test_a_stage_of_several_processes_is_that_of_one(settings, monkeypatch):
    monkeypatch.setattr("billio_pipeline.migrate.decode._WORTH_PROCESSES", 0)
    monkeypatch.setattr("billio_pipeline.migrate.prepare._SETTLED_APART", 0)
    files = [[plain(key=uid(10 * file + n)) for n in range(5)] for file in range(3)]
    stage = staged(settings, *files, [b"no item"])
    assert keys(stage) == [item["id"]["S"] for file in files for item in file]
    assert stage.summary["counts"]["_unknown"]["quarantined"] == 1
    assert stage.summary["fast"] == 15
