"""The bench's data: as many items as asked for, each with an id of its own, refused ones as planted; peers' rows."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from assets.billio.model import SYSTEM
from benchmarks import checks, data, order, plain
from billio_pipeline.settings import Settings
from billio_pipeline.stores.dynamodb import open_source


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> data.Data:
    patch = pytest.MonkeyPatch()
    patch.setattr(data, "TEMPLATE", 50)  # so that so few are repeated already
    with patch.context():
        return data.made(tmp_path_factory.mktemp("bench"), 400, "engine")


def items_of(export: Path) -> list[dict]:
    return [orjson.loads(line)["Item"] for line in plain.lines(export)]


@pytest.mark.parametrize(("asked", "size"), [(200_000, 200_000), (1_000_000, 1_000_000), (5_001, 5_000), (3, 4)])
def test_sizes_are_rounded_to_what_can_be_written(asked: int, size: int) -> None:
    assert data.rounded(asked) == size


def test_repeated_items_have_ids_of_their_own_and_seasons_their_series(made: data.Data) -> None:
    items = items_of(made.export)
    ids = {item["id"]["S"] for item in items}
    assert (len(items), len(ids)) == (400, 400)
    assert {item["seriesId"]["S"] for item in items if "seriesId" in item} <= ids
    assert all(item["type:id"]["S"].endswith(item["id"]["S"]) for item in items)
    assert len({item["type"]["S"] for item in items} - {"Movie"}) == 5


def test_the_exports_are_whole_and_the_stage_holds_all_of_the_clean_one(made: data.Data) -> None:
    settings = Settings.from_env({"BILLIO_HOME": str(made.folder)})
    for export in (made.export, made.refusing, made.tiny):
        source = open_source(str(export), SYSTEM, settings)
        assert source.items == len(items_of(export))
    counts = made.stage().summary["counts"].values()
    assert (sum(each["accepted"] for each in counts), sum(each["quarantined"] for each in counts)) == (400, 0)


def test_data_that_lies_there_is_used_again_until_the_engine_is_another(made: data.Data) -> None:
    patch = pytest.MonkeyPatch()
    with patch.context() as changed:
        changed.setattr(data, "TEMPLATE", 50)
        before = (made.export / "manifest-summary.json").stat().st_mtime_ns, made.encoded.stat().st_mtime_ns
        data.made(made.folder.parent, 400, "engine")
        assert ((made.export / "manifest-summary.json").stat().st_mtime_ns, made.encoded.stat().st_mtime_ns) == before
        data.made(made.folder.parent, 400, "another")
        after = (made.export / "manifest-summary.json").stat().st_mtime_ns, made.encoded.stat().st_mtime_ns
    assert (after[0] == before[0], after[1] == before[1]) == (True, False)


def test_plain_rows_have_the_targets_columns(made: data.Data) -> None:
    assert set(plain.COLUMNS) == {column.name for column in SYSTEM.columns}
    rows = [dict(zip(plain.COLUMNS, row, strict=True)) for row in plain.rows(made.export)]
    assert len(rows) == 400
    assert all(isinstance(row["data"], dict) for row in rows)


def test_a_wire_value_becomes_json_as_a_script_would_have_it() -> None:
    wire = {"M": {"n": {"N": "7"}, "d": {"N": "-1.5"}, "l": {"L": [{"NULL": True}, {"SS": ["b"]}]}, "b": {"B": "AA=="}}}
    assert plain.value(wire) == {"n": 7, "d": -1.5, "l": [None, ["b"]], "b": "AA=="}
    assert plain.value({"N": "1" * 38}) == pytest.approx(1.1111e37, rel=1e-3)


def test_an_order_keeps_its_dsn_off_the_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(order.DSN, "postgresql://role:secret@127.0.0.1/x")
    given = order.Order("/export", "/answer", 1)
    assert given.dsn.endswith("/x")
    assert not any("secret" in part for part in given.arguments("ours"))


def test_the_engines_checks_are_those_of_the_finished_table() -> None:
    from assets.billio.checks import items_checks

    assert {key.name for key in items_checks.check_keys} == set(checks.CHECKS)
