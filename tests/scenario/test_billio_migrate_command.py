"""`billio migrate` and `verify` as their users meet them: exit codes, JSON, and what is in the target afterwards."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from exports import write_export
from typer.testing import CliRunner

from billio_pipeline.cli import app
from billio_pipeline.settings import Settings

FIXTURES = Path(__file__).parent.parent / "fixtures"
LINES = (FIXTURES / "billio.ddb-export.jsonl").read_bytes().splitlines()
BOOK, GAME = "1b4e28ba-2fa1-41d2-883f-0016d3cca427", "2c5ea4c0-4067-11e9-8bad-9b1deb4d3b7d"


@dataclass
class Billio:
    """The command line against one fresh database in DSQL mode."""

    dsn: str
    folder: Path

    def __call__(self, *arguments: str) -> tuple[int, dict[str, Any]]:
        answer = CliRunner().invoke(app, [*arguments, "--target", self.dsn, "--json"], catch_exceptions=False)
        return answer.exit_code, json.loads(answer.stdout)

    def export(self, *files: list[bytes]) -> Path:
        return write_export(self.folder / f"export{len(list(self.folder.iterdir()))}", files)

    def ask(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            cursor = connection.execute(query.encode(), values)
            return cursor.fetchall() if cursor.description else []

    def rows(self) -> list[tuple[Any, ...]]:
        return self.ask("SELECT i::text FROM items i ORDER BY id")


@pytest.fixture
def billio(dsql_database: str, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Billio:
    monkeypatch.setenv("BILLIO_HOME", str(settings.home))
    monkeypatch.setenv("DAGSTER_HOME", str(settings.dagster_home))
    monkeypatch.setenv("BILLIO_POSTGRES_DSN", dsql_database)
    monkeypatch.setenv("BILLIO_WORKERS", "1")
    return Billio(dsql_database, tmp_path)


def totals(answer: dict[str, Any]) -> dict[str, int]:
    names = ("source", "loaded", "quarantined", "excluded", "missing", "extra", "different")
    return {name: sum(counts[name] for counts in answer["entities"].values()) for name in names}


def failed(answer: dict[str, Any], severity: str = "ERROR") -> set[str]:
    return {each["check"] for each in answer["checks"] if not each["passed"] and each["severity"] == severity}


def test_all_fixtures_arrive_but_the_orphan_season(billio: Billio) -> None:
    export = billio.export(LINES[:6], [], LINES[6:])
    code, answer = billio("migrate", "billio", "--export", str(export))
    assert code == 1
    assert totals(answer) == {
        "source": 11, "loaded": 10, "quarantined": 1, "excluded": 0, "missing": 0, "extra": 0, "different": 0,
    }  # fmt: skip
    assert answer["quarantine"]["reasons"] == {"reference_missing": 1}
    assert failed(answer) == set()
    assert failed(answer, "WARN") == {"quarantine_empty"}
    assert len(answer["checks"]) == 26
    assert answer["export"]["items"] == 11
    assert answer["export"]["files"] == 3
    assert Path(answer["report"]).exists()
    assert billio.ask("SELECT count(*), min(added_at)::text FROM items") == [(10, "2009-12-31 23:00:00+00")]
    seasons = billio.ask("SELECT data ->> 'seasonNumber' FROM items WHERE type = 'TvSeason' ORDER BY 1")
    assert seasons == [("1",), ("1",), ("2",)]

    again, second = billio("migrate", "billio", "--export", str(export), "--allow-quarantine")
    assert again == 0
    assert second["entities"] == answer["entities"]


def test_what_was_changed_lost_or_added_by_hand_is_named(billio: Billio) -> None:
    export = billio.export(LINES[:6])
    assert billio("migrate", "billio", "--export", str(export))[0] == 0
    billio.ask("UPDATE items SET rating = 3 WHERE id = %s", BOOK)
    code, answer = billio("verify", "billio", "--export", str(export))
    assert code == 1
    assert answer["differences"] == [{"entity": "Book", "key": BOOK, "column": "rating", "source": "10", "target": "3"}]
    assert answer["entities"]["Book"]["different"] == 1
    assert failed(answer) == {"rows_equal", "parity"}

    billio.ask("DELETE FROM items WHERE id = %s", GAME)
    stranger = "00000000-0000-4000-8000-000000000001"
    billio.ask("INSERT INTO items (id, type, shelf, title) VALUES (%s, 'Podcast', 'On', 'Stranger')", stranger)
    code, answer = billio("verify", "billio", "--export", str(export))
    assert code == 1
    named = {(each["entity"], each["key"], each["column"]) for each in answer["differences"]}
    assert named == {("Book", BOOK, "rating"), ("VideoGame", GAME, None), ("_unknown", stranger, None)}
    assert answer["entities"]["VideoGame"]["missing"] == 1
    assert answer["entities"]["_unknown"]["extra"] == 1

    billio.ask("DELETE FROM items WHERE id = %s", stranger)
    code, answer = billio("migrate", "billio", "--export", str(export))
    assert (code, totals(answer)["missing"], totals(answer)["different"]) == (1, 0, 1), "a row that differs stays"
    code, answer = billio("migrate", "billio", "--export", str(export), "--policy", "replace")
    assert (code, totals(answer)["different"]) == (0, 0)


def _remanifest(export: Path, edit: Callable[[list[dict[str, Any]]], None]) -> None:
    """Change manifest-files.json and make its own checksum right again."""
    path = export / "manifest-files.json"
    listed = [json.loads(line) for line in path.read_text().splitlines()]
    edit(listed)
    text = "".join(json.dumps(each) + "\n" for each in listed)
    path.write_text(text)
    digest = base64.b64encode(hashlib.md5(text.encode()).digest()).decode()
    for checksum in export.glob("manifest-files.md5"), export.glob("manifest-files.checksum"):
        for each in checksum:
            each.write_text(digest)


def _first(export: Path) -> Path:
    return min((export / "data").glob("*.gz"))


def _truncated(export: Path) -> None:
    _first(export).write_bytes(_first(export).read_bytes()[:-9])


def _flipped(export: Path) -> None:
    damaged = bytearray(_first(export).read_bytes())
    damaged[len(damaged) // 2] ^= 1
    _first(export).write_bytes(damaged)


CORRUPTIONS: dict[str, Callable[[Path], None]] = {
    "truncated": _truncated,
    "flipped bit": _flipped,
    "missing file": lambda export: _first(export).unlink(),
    "wrong md5": lambda export: _remanifest(export, lambda files: files[0].update(md5Checksum=files[1]["md5Checksum"])),
    "itemCount off by one": lambda export: _remanifest(
        export, lambda files: (files[0].update(itemCount=files[0]["itemCount"] + 1), files[1].update(itemCount=4))
    ),
    "traversal key": lambda export: _remanifest(
        export, lambda files: files[0].update(dataFileS3Key="../../etc/passwd")
    ),
    "not completed": lambda export: (export / "manifest-summary.json").unlink(),
}


@pytest.mark.parametrize("corruption", CORRUPTIONS)
def test_a_corrupt_export_leaves_the_target_untouched(billio: Billio, corruption: str) -> None:
    export = billio.export(LINES[:6], LINES[6:])
    CORRUPTIONS[corruption](export)
    code, answer = billio("migrate", "billio", "--export", str(export))
    assert code == 2
    assert {"message", "file", "expected", "found"} <= answer["error"].keys()
    assert billio.ask("SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'") == [(0,)]


def test_a_target_that_lacks_the_table_is_bad_configuration(billio: Billio) -> None:
    code, answer = billio("verify", "billio", "--export", str(billio.export(LINES)))
    assert code == 2
    assert "has no table items" in answer["error"]["message"]


def test_a_backup_loads_the_same_rows_as_an_export_and_warns_that_it_proves_less(billio: Billio) -> None:
    export = billio.export(LINES)
    billio("migrate", "billio", "--export", str(export))
    loaded = billio.rows()
    backup = billio.folder / "backup"
    backup.mkdir()
    for name in ("Book", "VideoGame", "TvSeries", "TvSeason"):
        text = (FIXTURES / f"billio_backup_{name}.json").read_bytes()
        (backup / f"{name}.json").write_bytes(text)
    code, answer = billio("migrate", "billio", "--export", str(backup), "--allow-quarantine")
    assert billio.rows() == loaded
    assert answer["entities"]["Book"]["different"] == 0
    assert "complete" in failed(answer, "WARN")
    assert answer["entities"]["Feature"]["extra"] == 2
    assert code == 1


def test_conflicts_on_a_fifth_of_all_commits_still_end_green(billio: Billio, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BILLIO_DSQL_OCC_RATE", "0.2")
    code, answer = billio("migrate", "billio", "--export", str(billio.export(LINES)), "--allow-quarantine")
    assert code == 0
    assert totals(answer)["loaded"] == 10


def test_options_that_cannot_work_are_refused_before_anything_is_touched(billio: Billio) -> None:
    export = str(billio.export(LINES))
    runner = CliRunner()
    for arguments in (
        ["migrate", "nosuch", "--export", export],
        ["migrate", "billio", "--export", str(billio.folder / "nowhere")],
        ["migrate", "billio", "--export", export, "--policy", "overwrite"],
        ["migrate", "billio", "--export", export, "--target", "postgresql://nobody:x@127.0.0.1:1/none"],
        ["migrate", "billio", "--export", export, "--report", "/nonexistent/folder/report.html"],
        ["migrate", "billio"],
    ):
        assert runner.invoke(app, arguments).exit_code == 2, arguments
    assert billio.ask("SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'") == [(0,)]
