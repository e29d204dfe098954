"""`billio quarantine`: what was refused can be listed, read in full, mended and loaded; and the counts stay right."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
import wire
from exports import write_export
from loading import load, opened
from typer.testing import CliRunner

from assets.billio.model import SYSTEM
from billio_pipeline.cli import app
from billio_pipeline.migrate.prepare import prepare
from billio_pipeline.settings import Settings
from billio_pipeline.stores.dynamodb import open_source
from billio_pipeline.stores.sql import schema
from billio_pipeline.stores.sql.target import Target


def uid(n: int) -> str:
    return f"00000000-0000-4000-8000-{n:012d}"


BOOK = wire.written(wire.plain(key=uid(1)))
RATED_11 = wire.written(wire.plain(key=uid(2), rating={"N": "11"}))
SERIES = wire.plain("TvSeries", uid(3), rating={"N": "0"})
SEASON = wire.written(wire.plain("TvSeason", uid(4), seriesId={"S": uid(3)}))
ORPHAN = wire.written(wire.plain("TvSeason", uid(5), seriesId={"S": uid(99)}))
BROKEN = b'{"Item":{"id":{"S":"\x1b[31m'
TWICE = [wire.written(wire.plain(key=uid(6), title={"S": title})) for title in ("one", "other")]


@dataclass
class Billio:
    dsn: str
    settings: Settings

    @property
    def home(self) -> Path:
        return self.settings.home

    def __call__(self, *arguments: str) -> tuple[int, dict[str, Any]]:
        answer = CliRunner().invoke(app, [*arguments, "--json"], catch_exceptions=False)
        return answer.exit_code, json.loads(answer.stdout)

    def export(self, *files: list[bytes]) -> str:
        return str(write_export(self.home / "exports", files))

    def migrate(self, *files: list[bytes]) -> str:
        """As `billio migrate` does it, without Dagster around it: stage, tables, load."""
        export = self.export(*files)
        stage = prepare(open_source(export, SYSTEM, self.settings), SYSTEM, self.settings, uuid.uuid4().hex)
        with opened(self.dsn, self.settings) as target:
            load(target, stage)
        return export

    def ask(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            cursor = connection.execute(query.encode(), values)
            return cursor.fetchall() if cursor.description else []

    def replay(self, *arguments: str) -> tuple[int, dict[str, Any]]:
        return self("quarantine", "replay", "billio", "--target", self.dsn, *arguments)

    def items(self, *entries: bytes | dict[str, Any]) -> str:
        path = self.home / "repaired.jsonl"
        path.write_bytes(
            b"".join((each if isinstance(each, bytes) else json.dumps(each).encode()) + b"\n" for each in entries)
        )
        return str(path)


@pytest.fixture
def billio(dsql_database: str, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Billio:
    monkeypatch.setenv("BILLIO_HOME", str(settings.home))
    monkeypatch.setenv("DAGSTER_HOME", str(settings.dagster_home))
    monkeypatch.setenv("BILLIO_WORKERS", "1")
    return Billio(dsql_database, replace(settings, workers=1))


def consistent(answer: dict[str, Any]) -> bool:
    return all(
        counts["source"] == counts["loaded"] + counts["missing"] + counts["quarantined"] + counts["excluded"]
        and not counts["missing"] + counts["extra"] + counts["different"]
        for counts in answer["entities"].values()
    )


def total(answer: dict[str, Any], name: str) -> int:
    return sum(counts[name] for counts in answer["entities"].values())


def test_the_newest_quarantine_is_listed_with_reasons_and_places(billio: Billio, tmp_path: Path) -> None:
    billio.migrate([BOOK, RATED_11], [BROKEN, *TWICE])
    code, answer = billio("quarantine", "list", "billio")
    assert code == 0
    assert answer["items"] == 4
    assert answer["reasons"] == {"key_conflict": 2, "not_json": 1, "out_of_range": 1}
    first = answer["quarantined"][0]
    assert (first["reason"], first["entity"], first["key"], first["line"]) == ("out_of_range", "Book", uid(2), 2)
    assert first["file"].endswith(".json.gz")
    assert billio("quarantine", "list", "billio", "--path", answer["path"])[1]["reasons"] == answer["reasons"]
    assert billio("quarantine", "list", "billio", "--stage", answer["stage"], "--limit", "1")[1]["items"] == 4
    printed = CliRunner().invoke(app, ["quarantine", "list", "billio"]).stdout
    assert "4 items: key_conflict 2, not_json 1, out_of_range 1" in printed
    assert "\x1b[31m" not in printed
    assert billio("quarantine", "list", "billio", "--run", "nosuch")[0] == 2
    assert billio("quarantine", "list", "billio", "--run", "x", "--stage", "y")[0] == 2
    assert billio("quarantine", "list", "billio", "--stage", str(tmp_path))[0] == 2


def test_one_item_is_shown_in_full_by_key_or_line(billio: Billio) -> None:
    billio.migrate([BOOK, RATED_11, BROKEN, *TWICE])
    by_key = billio("quarantine", "show", "billio", uid(2))[1]["quarantined"]
    assert by_key == billio("quarantine", "show", "billio", "2")[1]["quarantined"]
    assert by_key == billio("quarantine", "show", "billio", f"Book:{uid(2)}")[1]["quarantined"]
    assert by_key[0]["original"]["Item"]["rating"] == {"N": "11"}
    assert "11" in by_key[0]["message"]
    assert len(billio("quarantine", "show", "billio", uid(6))[1]["quarantined"]) == 2, "every version of a key"
    printed = CliRunner().invoke(app, ["quarantine", "show", "billio", "3"]).stdout
    assert "not_json" in printed
    assert "\\u001b[31m" in printed
    assert "\x1b[31m" not in printed
    assert billio("quarantine", "show", "billio", "nosuch")[0] == 2


def test_repaired_items_load_with_what_waited_for_them_and_verify_agrees(billio: Billio) -> None:
    export = billio.migrate([BOOK, RATED_11, wire.written(SERIES)], [SEASON, ORPHAN])
    before = billio.ask("SELECT id FROM items")
    assert len(before) == 1
    items = billio.items(RATED_11.replace(b'"11"', b'"10"'), {"Item": {**SERIES, "rating": {"N": "1"}}})
    code, answer = billio.replay("--items", items)
    assert code == 1, "one orphan remains"
    counted = ("lines", "repaired", "loaded", "present", "remaining")
    assert {name: answer[name] for name in counted} == {
        "lines": 4, "repaired": 2, "loaded": 3, "present": 0, "remaining": 1,
    }  # fmt: skip
    assert answer["reasons"] == {"reference_missing": 1}
    assert {str(id) for (id,) in billio.ask("SELECT id FROM items")} == {uid(1), uid(2), uid(3), uid(4)}
    exports = billio.ask("SELECT export_id, sum(rows) FROM _billio_ledger GROUP BY 1")
    assert [rows for _, rows in exports] == [4], "all under the one export"

    with Target.open(billio.dsn, billio.settings) as target:
        schema.up(target, SYSTEM, phase="finish")
    for command in (["verify", "billio", "--allow-quarantine"], ["diff", "billio"]):
        code, found = billio(*command, "--export", export, "--target", billio.dsn)
        assert code == 0
        assert consistent(found)
        assert (total(found, "source"), total(found, "loaded"), total(found, "quarantined")) == (5, 4, 1)
    assert billio("quarantine", "list", "billio")[1]["reasons"] == {"reference_missing": 1}


def test_a_replay_can_be_repeated_and_changes_nothing_more(billio: Billio) -> None:
    billio.migrate([BOOK, RATED_11])
    items = billio.items(RATED_11.replace(b'"11"', b'"10"'))
    stage = billio("quarantine", "list", "billio")[1]["stage"]
    assert billio.replay("--items", items)[0] == 0
    rows = billio.ask("SELECT i::text FROM items i ORDER BY id")
    code, again = billio.replay("--items", items, "--stage", stage)
    assert (code, again["loaded"], again["present"], again["remaining"]) == (0, 0, 1, 0)
    code, nothing = billio.replay()
    assert (code, nothing["lines"]) == (0, 0)
    assert billio.ask("SELECT i::text FROM items i ORDER BY id") == rows


def test_a_reference_to_a_row_that_is_in_the_target_meanwhile_counts(billio: Billio) -> None:
    export = billio.migrate([BOOK, ORPHAN])
    assert billio.replay()[0] == 1
    billio.migrate([wire.written(wire.plain("TvSeries", uid(99)))])
    stage = next((billio.home / "stage" / "billio").glob(f"*{Path(export).name[-8:]}*/*/summary.json")).parent
    code, answer = billio.replay("--stage", str(stage))
    assert (code, answer["loaded"], answer["remaining"]) == (0, 1, 0)


def test_a_mended_declaration_alone_lets_lines_pass(billio: Billio, monkeypatch: pytest.MonkeyPatch) -> None:
    import billio_pipeline.codec.compile as codecs
    from billio_pipeline.model.types import Integer

    export = billio.migrate([BOOK, RATED_11])
    assert total(billio("diff", "billio", "--export", export, "--target", billio.dsn)[1], "quarantined") == 1
    # The same bounds object is what the declaration holds: the mapping is "edited" to allow 11 as well.
    rating = next(f for f in _fields() if f.attribute == "rating")
    monkeypatch.setattr(type(rating.type), "__eq__", lambda self, other: self is other)
    object.__setattr__(rating.type, "high", 11)
    cached = [getattr(codecs, name) for name in dir(codecs) if hasattr(getattr(codecs, name), "cache_clear")]
    try:
        for each in cached:
            each.cache_clear()
        billio.ask("ALTER TABLE items DROP CONSTRAINT IF EXISTS items_rating_check")
        code, answer = billio.replay()
        assert (code, answer["loaded"], answer["remaining"]) == (0, 1, 0)
        found = billio("diff", "billio", "--export", export, "--target", billio.dsn)
        assert found[0] == 0
        assert (total(found[1], "loaded"), total(found[1], "quarantined")) == (2, 0)
    finally:
        object.__setattr__(rating.type, "high", 10)
        for each in cached:
            each.cache_clear()
    assert Integer(1, 10).high == 10


def _fields() -> Any:
    return [field for entity in SYSTEM.entities for field in entity.fields]


def test_lines_written_for_repair_come_back_by_their_places(billio: Billio) -> None:
    export = billio.migrate([BOOK, RATED_11, BROKEN, *TWICE])
    path = billio.home / "to_repair.jsonl"
    assert billio("quarantine", "list", "billio", "--to", str(path))[0] == 0
    entries = {entry["Line"]: entry for entry in map(json.loads, path.read_text().splitlines())}
    assert set(entries) == {2, 3, 4, 5}
    assert "Original" in entries[3]
    entries[2]["Item"]["rating"] = {"N": "9"}
    entries[3] = {"File": entries[3]["File"], "Line": 3, "Item": wire.plain(key=uid(7))}
    entries[5]["Item"] = entries[4]["Item"]
    code, answer = billio.replay("--items", billio.items(*entries.values()))
    assert (code, answer["loaded"], answer["excluded"], answer["remaining"]) == (0, 3, 1, 0)
    code, found = billio("diff", "billio", "--export", export, "--target", billio.dsn)
    assert code == 0
    assert consistent(found)
    assert (total(found, "loaded"), total(found, "excluded")) == (4, 1)


@pytest.mark.parametrize(
    "entry",
    [b"no json", b'{"Thing": 1}', wire.written(wire.plain(key=uid(77))), b'{"File": "x", "Line": 1, "Item": {}}'],
)
def test_an_item_that_repairs_nothing_is_refused_before_anything_is_loaded(billio: Billio, entry: bytes) -> None:
    billio.migrate([BOOK, RATED_11])
    code, answer = billio.replay("--items", billio.items(entry))
    assert code == 2
    assert "line 1" in answer["error"]["message"]
    assert billio.ask("SELECT count(*) FROM items") == [(1,)]


def test_a_row_that_differs_in_the_target_is_left_and_named(billio: Billio) -> None:
    billio.migrate([BOOK, RATED_11])
    billio.ask("INSERT INTO items (id, type, shelf, title) VALUES (%s, 'Book', 'Read', 'Mine')", uid(2))
    code, answer = billio.replay("--items", billio.items(RATED_11.replace(b'"11"', b'"10"')))
    assert (code, answer["loaded"], answer["conflicts"]) == (1, 0, [uid(2)])
    assert billio.ask("SELECT title FROM items WHERE id = %s", uid(2)) == [("Mine",)]
