"""Backup arrays as a source: exact, element by element, and never called complete."""

from __future__ import annotations

import json
import pickle
import shutil
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from assets.billio.model import SYSTEM
from billio_pipeline.errors import ExportError, InputError
from billio_pipeline.settings import Settings
from billio_pipeline.stores.dynamodb import Source, open_source
from billio_pipeline.stores.dynamodb.elements import elements

SETTINGS = Settings.from_env({})
FIXTURES = Path(__file__).parent.parent / "fixtures"
TYPES = ("Book", "Feature", "TvSeason", "TvSeries", "VideoGame")


def opened(location: Path) -> Source:
    return open_source(location, SYSTEM, SETTINGS)


def items(source: Source) -> list[dict[str, Any]]:
    return [json.loads(line)["Item"] for file in source.files for block in source.lines(file) for line in block.lines]


def backup(folder: Path, text: str | bytes, name: str = "Book.json") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(text.encode() if isinstance(text, str) else text)
    return folder


@pytest.mark.parametrize("suffix", ["", "-2026-11-01", "-2026-11-01T01:01:00.000Z"])
def test_the_backups_hold_what_the_export_holds(tmp_path: Path, suffix: str) -> None:
    for each in TYPES:
        shutil.copy(FIXTURES / f"billio_backup_{each}.json", tmp_path / f"{each}{suffix}.json")
    (tmp_path / "Bookkeeping.json").write_text("not ours")
    source = pickle.loads(pickle.dumps(opened(tmp_path)))
    assert (source.kind, source.complete, source.items) == ("backup", False, None)
    assert source.bytes == sum((tmp_path / f"{each}{suffix}.json").stat().st_size for each in TYPES)
    exported = [json.loads(line)["Item"] for line in (FIXTURES / "billio.ddb-export.jsonl").read_bytes().splitlines()]
    by_id = {item["type:id"]["S"]: item for item in exported}
    for item in items(source):
        assert item == by_id[item["type:id"]["S"]]


def test_numbers_stay_exact_and_duplicate_names_both_arrive(tmp_path: Path) -> None:
    folder = backup(tmp_path, '[{"a":1.50,"b":12345678901234567890123456789012345678,"c":1E+2,"d":-0,"a":true}]')
    source = opened(folder)
    (line,) = next(iter(source.lines(source.files[0]))).lines
    number = '{"N":"12345678901234567890123456789012345678"}'
    assert line.decode() == (
        f'{{"Item":{{"a":{{"N":"1.50"}},"b":{number},"c":{{"N":"1E+2"}},"d":{{"N":"-0"}},"a":{{"BOOL":true}}}}}}'
    )


@pytest.mark.parametrize(
    ("text", "wire"),
    [
        ("2021-03-04T09:15:00.123Z", {"N": "1614849300123"}),
        ("1969-12-31T23:59:59.999Z", {"N": "-1"}),
        ("2021-03-04T09:15:00Z", {"S": "2021-03-04T09:15:00Z"}),
        ("2021-03-04T09:15:00.1234Z", {"S": "2021-03-04T09:15:00.1234Z"}),
        ("2021-03-04T09:15:00.123+00:00", {"S": "2021-03-04T09:15:00.123+00:00"}),
        ("2021-02-30T09:15:00.123Z", {"S": "2021-02-30T09:15:00.123Z"}),
        ("0000-01-01T00:00:00.000Z", {"S": "0000-01-01T00:00:00.000Z"}),
        ("soon", {"S": "soon"}),
    ],
)
def test_a_time_becomes_milliseconds_only_in_the_backups_own_form(
    tmp_path: Path, text: str, wire: dict[str, str]
) -> None:
    folder = backup(tmp_path, json.dumps([{"addedAt": text, "title": text, "in": {"addedAt": text}}]))
    (item,) = items(opened(folder))
    assert item == {"addedAt": wire, "title": {"S": text}, "in": {"M": {"addedAt": {"S": text}}}}


def test_a_legacy_types_own_backup_is_read(tmp_path: Path) -> None:
    source = opened(backup(tmp_path, '[{"type":"Movie"}]', "Movie.json"))
    assert items(source) == [{"type": {"S": "Movie"}}]
    assert source.about["types"] == "Movie"
    assert "TvSeries" in str(source.about["types_without_backup"])


def test_several_backups_of_a_type_are_refused_by_name(tmp_path: Path) -> None:
    backup(tmp_path, "[]", "Book-2026-10-01.json")
    backup(tmp_path, "[]", "Book-2026-11-01.json")
    with pytest.raises(InputError, match=r"Book-2026-10-01\.json, Book-2026-11-01\.json"):
        opened(tmp_path)


@pytest.mark.parametrize("text", ["[]", " [ ] \n", "[{}]", "[{},\n{}]\r\n"])
def test_any_array_of_objects_is_read(tmp_path: Path, text: str) -> None:
    assert len(items(opened(backup(tmp_path, text)))) == text.count("{}")


@pytest.mark.parametrize(
    "text",
    [
        "", "{}", "[", "[{}", "[{},]", "[{}]x", "[{}][]", "[{} {}]", "[1]", "[[]]", "null", "[{},null]", '[{"a":}]',
        '[{"a":[}]', '[{"a":tru}]', '[{"a":NaN}]', '[{"a":-Infinity}]', '[{"a":"', '[{"a":"\\', "[{'a':1}]",
        '[{"a":01}]', '[{"a":"\n"}]', b'[{"a":"\xff"}]', b"\xef\xbb\xbf[]",
        '[{"a":' + "[" * 50_000 + "]" * 50_000 + "}]",
        "]", "[,]", "[}]", "[{}}]",
    ],
    ids=lambda text: repr(text[:20]),
)  # fmt: skip
def test_a_file_that_is_no_whole_array_of_objects_is_refused(tmp_path: Path, text: str | bytes) -> None:
    source = opened(backup(tmp_path, text))
    with pytest.raises(ExportError) as caught:
        items(source)
    assert caught.value.details["file"] == "Book.json"


def test_a_backup_cut_anywhere_is_refused(tmp_path: Path) -> None:
    text = (FIXTURES / "billio_backup_Book.json").read_bytes().rstrip()
    for length in range(len(text)):
        source = opened(backup(tmp_path, text[:length]))
        with pytest.raises(ExportError):
            items(source)


def test_a_backup_changed_after_opening_is_noticed(tmp_path: Path) -> None:
    source = opened(backup(tmp_path, '[{"a":1}]'))
    backup(tmp_path, '[{"a":2}]')
    with pytest.raises(ExportError, match="md5"):
        items(source)


def test_elements_are_found_wherever_a_read_ends() -> None:
    whole = [{"a": 'q"\\{}[', "b": [1, {"c": {}}], "d": "\\\\", 'k"\\': "é{"}, {}, {"x": "]"}]
    text = json.dumps(whole, ensure_ascii=False, indent=1).encode()
    for size in range(1, 40):
        chunks = [text[at : at + size] for at in range(0, len(text), size)]
        assert [json.loads(each) for each in elements(chunks, "f")] == whole


def test_line_numbers_are_element_numbers_in_flat_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("billio_pipeline.stores.dynamodb.backup.DECODED", 10_000)
    peaks = []
    for count in (2_000, 20_000):
        source = opened(backup(tmp_path, json.dumps([{"n": n, "pad": "x" * 100} for n in range(count)], indent=2)))
        monkeypatch.setattr("billio_pipeline.stores.dynamodb.lines.READ", 64 << 10)
        tracemalloc.start()
        expected = 1
        for block in source.lines(source.files[0]):
            assert block.first == expected
            assert json.loads(block.lines[0])["Item"]["n"]["N"] == str(expected - 1)
            expected += len(block.lines)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert expected == count + 1
    assert peaks[1] < peaks[0] * 1.1
