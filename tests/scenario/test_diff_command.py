"""`billio diff` as its users meet it: exit codes, the table, Parquet, page and JSON; and both modes alike."""

from __future__ import annotations

import json
import random
import resource
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import wire
from exports import write_export
from loading import asked, load, opened
from staging import staged
from typer.testing import CliRunner

from assets.billio.generator import generate
from assets.billio.model import SYSTEM
from assets.factory import verdict as verdicts
from assets.factory.verdict import judge
from billio_pipeline.cli import app
from billio_pipeline.errors import ConfigurationError
from billio_pipeline.migrate.stage import Stage
from billio_pipeline.settings import Settings
from billio_pipeline.stores.sql.target import Target

BOOKS = [wire.plain(key=f"{n:08x}-0000-4000-8000-{n:012d}", title={"S": f"Title {n}"}) for n in range(5)]


@dataclass
class Billio:
    target: Target
    dsn: str
    export: Path

    def __call__(self, *arguments: str) -> Any:
        given = ["diff", "billio", "--export", str(self.export), "--target", self.dsn, *arguments]
        return CliRunner().invoke(app, given, catch_exceptions=False)

    def json(self, *arguments: str) -> tuple[int, dict[str, Any]]:
        answer = self(*arguments, "--json")
        return answer.exit_code, json.loads(answer.stdout)

    def rows(self) -> list[Any]:
        return asked(self.target, "SELECT i::text FROM items i ORDER BY id")


@pytest.fixture
def billio(dsql_database: str, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("BILLIO_HOME", str(settings.home))
    monkeypatch.setenv("BILLIO_WORKERS", "1")
    lines = [[wire.written(each) for each in BOOKS]]
    export = write_export(settings.home / "export", [*lines, [wire.written(wire.plain(rating={"N": "11"}))]])
    with opened(dsql_database, settings) as target:
        load(target, staged(settings, BOOKS))
        yield Billio(target, dsql_database, export)


@pytest.mark.parametrize("mode", ["full", "fingerprint", "auto"])
def test_equal_rows_answer_0_though_items_are_quarantined(billio: Billio, mode: str) -> None:
    code, answer = billio.json("--mode", mode)
    assert code == 0
    assert answer["equal"]
    assert answer["differences"] == []
    assert answer["entities"]["Book"] == {
        "source": 6, "loaded": 5, "quarantined": 1, "excluded": 0, "missing": 0, "extra": 0, "different": 0,
    }  # fmt: skip
    assert answer["mode"] == ("fingerprint" if mode == "fingerprint" else "full")
    assert {"decode", "compare"} <= answer["seconds"].keys()


@pytest.mark.parametrize("mode", ["full", "fingerprint"])
def test_a_changed_value_is_named_everywhere_and_nothing_is_written(billio: Billio, tmp_path: Path, mode: str) -> None:
    key = BOOKS[2]["id"]["S"]
    asked(billio.target, "UPDATE items SET title = 'Title <2>\x1b[2J' WHERE id = %s", key)
    before = billio.rows()
    out, page = tmp_path / "all.parquet", tmp_path / "page.html"
    code, answer = billio.json("--mode", mode, "--out", str(out), "--html", str(page))
    assert code == 1
    expected = {"entity": "Book", "key": key, "column": "title", "source": "Title 2", "target": "Title <2>\x1b[2J"}
    assert answer["differences"] == [expected]
    assert answer["columns"] == {"title": 1}
    assert answer["differences_path"] == str(out)
    assert pq.read_table(out).to_pylist() == [expected]
    text = page.read_text()
    assert "Different: 1 different" in text
    assert "<mark>&lt;2&gt;" in text
    assert "\x1b" not in text
    printed = billio("--mode", mode).stdout
    assert "Title 2 → Title <2>\\u001b[2J" in printed
    assert "\x1b[2J" not in printed
    assert billio.rows() == before
    assert not list((billio.export.parents[2] / "diff" / "stage").rglob("*.parquet")), "its stage is gone"


def test_only_the_first_differences_are_shown_and_the_file_has_all(billio: Billio) -> None:
    asked(billio.target, "UPDATE items SET shelf = 'elsewhere'")
    code, answer = billio.json("--limit", "2")
    assert (code, len(answer["differences"]), answer["found"]) == (1, 2, 5)
    assert pq.read_metadata(answer["differences_path"]).num_rows == 5
    assert "3 more in the file" in billio("--limit", "2").stdout


def test_what_cannot_be_compared_is_refused_with_2(billio: Billio, postgres_database: str, tmp_path: Path) -> None:
    assert billio("--out", str(tmp_path / "no" / "where.parquet")).exit_code == 2
    assert billio("--target", postgres_database).exit_code == 2
    billio.export = tmp_path
    assert billio().exit_code == 2


Change = Callable[[Target, random.Random, str], None]


def _set(column: str, value: Any) -> Change:
    return lambda target, _, key: asked(target, f"UPDATE items SET {column} = %s WHERE id = %s", value, key)  # type: ignore[return-value]  # noqa: S608


CHANGES: list[Change] = [
    _set("title", "other "),
    _set("notes", ""),
    _set("image_height", -7),
    _set("moved_at", "2001-01-01 00:00:00.000001+00"),
    _set("data", '{"b": [1, 2.50], "a": null}'),
    _set("data", None),
    _set("external_id", "|~:"),
    _set("type", "Podcast"),
    lambda target, _, key: asked(target, "DELETE FROM items WHERE id = %s", key),  # type: ignore[list-item, return-value]
    lambda target, chance, key: asked(  # type: ignore[list-item, return-value]
        target, "UPDATE items SET id = %s WHERE id = %s", f"{chance.getrandbits(32):08x}{key[8:]}", key
    ),
]


@pytest.fixture
def loaded(postgres_database: str, settings: Settings) -> Any:
    stage = staged(settings, list(generate(1500)))
    with opened(postgres_database, settings) as target:
        asked(target, "ALTER TABLE items DROP CONSTRAINT IF EXISTS items_series_id_fkey")
        load(target, stage)
        yield stage, target


def found(stage: Stage, target: Target, mode: Any) -> Any:
    verdict = judge(stage, target, mode)
    assert verdict.path is not None
    return verdict.counts, verdict.differences, verdict.columns, pq.read_table(verdict.path).to_pylist()


@pytest.mark.parametrize("seed", range(4))
def test_both_modes_find_the_same_random_changes(loaded: Any, seed: int) -> None:
    stage, target = loaded
    chance = random.Random(seed)
    keys = [key for (key,) in asked(target, "SELECT id::text FROM items ORDER BY id")]
    changed = chance.sample(keys, chance.choice([0, 1, 2, 7, 40]))
    for key in changed:
        chance.choice(CHANGES)(target, chance, key)
    full, by_fingerprint = found(stage, target, "full"), found(stage, target, "fingerprint")
    assert full == by_fingerprint
    assert {each["key"] for each in full[3]} >= set(changed)
    assert judge(stage, target, "fingerprint").mode == "fingerprint"


def test_auto_takes_the_fingerprint_from_its_row_count_on(loaded: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    stage, target = loaded
    assert judge(stage, target).mode == "full"
    monkeypatch.setattr(verdicts, "FINGERPRINT_ROWS", 1000)
    (key,) = asked(target, "SELECT id::text FROM items LIMIT 1")[0]
    asked(target, "UPDATE items SET shelf = 'x' WHERE id = %s", key)
    verdict = judge(stage, target)
    assert (verdict.mode, verdict.buckets, verdict.total("different")) == ("fingerprint", 1, 1)
    assert verdict.compared < 400
    assert [each["key"] for each in verdict.differences] == [key]
    asked(target, "UPDATE items SET shelf = 'y'")
    assert judge(stage, target).mode == "full", "where most rows differ, all are read back at once"


def test_large_tables_are_joined_part_by_part_with_the_same_result(settings: Settings) -> None:
    from billio_pipeline.verify.reconcile import reconcile, spool

    stage = staged(settings, list(generate(900)))
    rows = pa.concat_tables(
        [t.select(SYSTEM.arrow_schema().names) for e in SYSTEM.entities for _, t in stage.batches(e.name)]
    )
    shelves = pa.array(["x" if n % 50 == 0 else each for n, each in enumerate(rows["shelf"].to_pylist())])
    rows = rows.set_column(rows.schema.get_field_index("shelf"), "shelf", shelves).slice(7)
    spool([rows], stage.path / "t.parquet", SYSTEM.arrow_schema())
    paths = {e.name: stage.rows(e.name) for e in SYSTEM.entities}
    results = []
    for part_rows in (100_000, 100, 37):
        verdict = reconcile(
            SYSTEM, paths, stage.dropped, stage.path / "t.parquet", stage.path / "d.parquet", part_rows=part_rows
        )
        results.append((verdict.counts, verdict.differences, pq.read_table(verdict.path).to_pylist()))
    assert results[0] == results[1] == results[2]
    assert sum(counts["missing"] for counts in results[0][0].values()) == 7
    assert not list(stage.path.glob("d.parts")), "nothing is left behind"


def test_a_full_disk_is_told_with_its_remedy(loaded: Any) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        with pytest.raises(ConfigurationError, match="no space is left for"):
            judge(*loaded)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert judge(*loaded).total("different") == 0
