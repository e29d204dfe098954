"""Every row of the published proof, a few runs of each: what `make prove` does two hundred times holds three times."""

from __future__ import annotations

from pathlib import Path

import pytest
from proof import disk_full, inputs
from proof.outcome import Workspace
from proof.rows import ROWS, Row
from servers import TestPostgres

SEED = 3


@pytest.fixture
def workspace(run_folder: Path, postgres_server: TestPostgres, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    folder = tmp_path_factory.mktemp("row")
    return Workspace(folder, postgres_server)


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_row_holds_for_a_few_runs(row: Row, workspace: Workspace) -> None:
    outcome = row.run(row.few, SEED, workspace)
    assert outcome.passed, "\n".join(outcome.failures)
    assert outcome.runs


def test_an_index_that_finds_no_room_fails_the_load_and_is_made_by_the_next(workspace: Workspace) -> None:
    if not disk_full.may_mount(workspace):
        pytest.skip("no right to mount a small disk")
    export = inputs.generated(workspace.folder / "export", disk_full.ITEMS, SEED, disk_full.FILES)
    assert disk_full.loading(workspace, export, room=1_600_000) == []


def test_the_rows_are_the_matrix() -> None:
    assert [row.n for row in ROWS if row.name.startswith("kill")] == [200, 20]
    assert len(ROWS) == 13, "twelve rows, the first of them also through the command"
    assert len({row.name for row in ROWS}) == 13
