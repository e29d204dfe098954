"""What open_source accepts and refuses, and the lines it gives: local exports in AWS's layout."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import pickle
import shutil
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from exports import write_export

from assets.billio.model import SYSTEM
from billio_pipeline.errors import BillioError, ExportError, InputError
from billio_pipeline.settings import Settings
from billio_pipeline.stores.dynamodb import Lines, Source, open_source

SETTINGS = Settings.from_env({})
LINES = Path(__file__).parent.parent.joinpath("fixtures/billio.ddb-export.jsonl").read_bytes().splitlines()


def opened(location: Path | str) -> Source:
    return open_source(location, SYSTEM, SETTINGS)


def blocks(source: Source) -> list[Lines]:
    return [block for file in source.files for block in source.lines(file)]


def lines(source: Source) -> list[bytes]:
    return [line for block in blocks(source) for line in block.lines]


def edit(folder: Path, name: str, change: Callable[[dict[str, object]], object]) -> None:
    """Change every object of a manifest, and drop its checksum, as somebody editing by hand would."""
    path = folder / f"{name}.json"
    objects = [json.loads(line) for line in path.read_bytes().splitlines()]
    for each in objects:
        change(each)
    path.write_text("".join(json.dumps(each) + "\n" for each in objects))
    (folder / f"{name}.md5").unlink(missing_ok=True)


@pytest.mark.parametrize("prefix", [None, "nightly", "a/b c/ü"])
def test_every_line_comes_in_order_from_any_folder_above(tmp_path: Path, prefix: str | None) -> None:
    own = write_export(tmp_path / "x", [LINES[:3], [], LINES[3:]], prefix)
    for location in (own, own.parent, own.parent.parent, tmp_path, f"file://{own}"):
        source = pickle.loads(pickle.dumps(opened(location)))
        assert lines(source) == LINES
        assert (source.kind, source.complete, source.items, len(source.files)) == ("export", True, len(LINES), 3)
        assert source.uri == str(own)
        assert source.id == opened(own).id
        assert source.bytes == sum(path.stat().st_size for path in own.glob("data/*"))


def test_a_copied_and_renamed_export_is_the_same_export(tmp_path: Path) -> None:
    own = write_export(tmp_path / "x", [LINES])
    shutil.copytree(own, tmp_path / "elsewhere" / "renamed")
    assert opened(tmp_path / "elsewhere").id == opened(own).id
    assert lines(opened(tmp_path / "elsewhere")) == LINES


def test_other_content_is_another_id(tmp_path: Path) -> None:
    one = write_export(tmp_path / "1", [LINES], export_id="01760000000000-00000001")
    two = write_export(tmp_path / "2", [LINES[1:]], export_id="01760000000000-00000001")
    assert opened(one).id != opened(two).id


def test_an_id_is_safe_in_a_file_name_whatever_the_arn(tmp_path: Path) -> None:
    own = write_export(tmp_path, [LINES], exportArn="arn:…/../../evil id")
    assert opened(own).id.isalnum()


@pytest.mark.parametrize(
    "text",
    [b"a\nb", b"a\nb\n", b"\n\na\n\n \r\n\nb\n\n", b"a\nb\n\n\n"],
    ids=["no last newline", "plain", "blank lines", "blank at the end"],
)
def test_blank_lines_are_no_items_and_numbers_stay_true(tmp_path: Path, text: bytes) -> None:
    own = write_export(tmp_path, [text.split(b"\n")], itemCount=2)
    edit(own, "manifest-files", lambda each: each.update(itemCount=2))
    found = [(b.first + i, line) for b in blocks(opened(own)) for i, line in enumerate(b.lines)]
    assert found == [(number, line) for number, line in enumerate(text.split(b"\n"), 1) if line.strip()]


def test_only_newlines_end_a_line(tmp_path: Path) -> None:
    odd = [b'{"a":"x\r"}\r', '{"b":"\u2028\x85\x0b\x0c"}'.encode()]
    assert lines(opened(write_export(tmp_path, [odd]))) == odd


def test_a_line_of_many_megabytes_is_one_line(tmp_path: Path) -> None:
    long = b'"' + b"x" * 9_000_000 + b'"'
    assert lines(opened(write_export(tmp_path, [[b"{}", long, b"{}"]]))) == [b"{}", long, b"{}"]


def test_an_endless_line_is_refused_in_bounded_memory(tmp_path: Path) -> None:
    own = write_export(tmp_path, [[b"x" * (200 << 20)]])
    source = opened(own)
    tracemalloc.start()
    try:
        with pytest.raises(ExportError, match="line 1 is longer"):
            lines(source)
        assert tracemalloc.get_traced_memory()[1] < 100 << 20
    finally:
        tracemalloc.stop()


def test_memory_stays_flat_whatever_the_file_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Smaller blocks and reads, so that even the small file has several of each.
    monkeypatch.setattr("billio_pipeline.stores.dynamodb.lines.DECODED", 256 << 10)
    monkeypatch.setattr("billio_pipeline.stores.dynamodb.lines.READ", 4 << 10)
    peaks = []
    for times in (1, 25):
        own = write_export(tmp_path / str(times), [[LINES[n % len(LINES)] for n in range(4_000 * times)]])
        source = opened(own)
        tracemalloc.start()
        assert sum(len(block.lines) for block in source.lines(source.files[0])) == 4_000 * times
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] * 1.1


def test_a_data_file_of_zero_bytes_is_an_empty_file(tmp_path: Path) -> None:
    own = write_export(tmp_path, [LINES, []])
    empty = max(own.glob("data/*"))
    empty.write_bytes(b"")
    edit(own, "manifest-files", lambda each: each["itemCount"] or each.update(md5Checksum="1B2M2Y8AsgTpgAmY7PhCfg=="))
    assert lines(opened(own)) == LINES


def test_checksums_in_hex_under_their_other_name_and_absent_are_accepted(tmp_path: Path) -> None:
    own = write_export(tmp_path, [LINES])
    assert opened(own).about["files_without_checksum"] is None
    for name in ("manifest-summary", "manifest-files"):
        digest = hashlib.md5((own / f"{name}.json").read_bytes()).hexdigest()
        (own / f"{name}.md5").unlink()
        (own / f"{name}.checksum").write_text(digest + "\n")
    assert lines(opened(own)) == LINES
    (own / "manifest-files.checksum").unlink()
    assert opened(own).about["files_without_checksum"] == "manifest-files.json"


@pytest.mark.parametrize(
    "content", ["", "\n", "x" * 32, "1B2M2Y8AsgTpgAmY7PhCfg==", "d41d8cd98f00b204e9800998ecf8427e"]
)
@pytest.mark.parametrize("name", ["manifest-summary.md5", "manifest-files.checksum"])
def test_a_wrong_or_empty_checksum_file_is_refused(tmp_path: Path, name: str, content: str) -> None:
    own = write_export(tmp_path, [LINES])
    (own / name).write_text(content)
    with pytest.raises(ExportError, match="md5"):
        opened(own)


@pytest.mark.parametrize(
    "overrides",
    [
        {"exportStatus": "IN_PROGRESS"}, {"exportStatus": "FAILED"}, {"status": "FAILED"}, {"outputFormat": "ION"},
        {"exportType": "INCREMENTAL_EXPORT"}, {"itemCount": 10}, {"itemCount": 12}, {"itemCount": -1},
        {"itemCount": "11"}, {"itemCount": 11.5}, {"itemCount": True}, {"itemCount": None}, {"outputFormat": None},
        {"manifestFilesS3Key": "AWSDynamoDB/x/other.json"}, {"manifestFilesS3Key": ""},
        {"manifestFilesS3Key": "elsewhere/manifest-files.json"}, {"manifestFilesS3Key": 5},
        {"filterSpecification": {"FilterExpression": "a = b"}},
    ],
    ids=str,
)  # fmt: skip
def test_a_summary_that_is_not_a_whole_full_export_is_refused(tmp_path: Path, overrides: dict[str, object]) -> None:
    own = write_export(tmp_path, [LINES], **overrides)
    with pytest.raises(ExportError) as caught:
        opened(own)
    assert {"file", "expected", "found"} <= set(caught.value.details)
    assert (caught.value.exit_code, caught.value.code) == (2, "bad_export")


@pytest.mark.parametrize("overrides", [{"exportStatus": "COMPLETED"}, {"exportType": None}, {"newField": [1]}], ids=str)
def test_a_summary_with_more_or_less_that_does_not_matter_is_accepted(
    tmp_path: Path, overrides: dict[str, object]
) -> None:
    assert lines(opened(write_export(tmp_path, [LINES], **overrides))) == LINES


@pytest.mark.parametrize("name", ["manifest-summary", "manifest-files"])
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b"7",
        b"{}",
        b"\xff\xfe",
        b'{"itemCount":1}{"x":2}',
        b"[" * 100_000,
        b'{"a":"\\ud800"}',
    ],
    ids=lambda content: repr(content[:20]),
)
def test_a_damaged_manifest_is_refused_not_crashed_on(tmp_path: Path, name: str, content: bytes) -> None:
    own = write_export(tmp_path, [LINES])
    (own / f"{name}.json").write_bytes(content)
    (own / f"{name}.md5").unlink()
    with pytest.raises(ExportError):
        opened(own)


@pytest.mark.parametrize(
    "damage",
    [
        {"itemCount": -11}, {"itemCount": 11.0}, {"itemCount": "11"}, {"itemCount": 10}, {"md5Checksum": "no"},
        {"md5Checksum": None}, {"md5Checksum": ""}, {"dataFileS3Key": None}, {"dataFileS3Key": ""},
    ],
    ids=str,
)  # fmt: skip
def test_a_damaged_file_list_is_refused(tmp_path: Path, damage: dict[str, object]) -> None:
    own = write_export(tmp_path, [LINES])
    edit(own, "manifest-files", lambda each: each.update(damage))
    with pytest.raises(ExportError):
        opened(own)


def test_a_file_listed_twice_is_refused(tmp_path: Path) -> None:
    own = write_export(tmp_path, [LINES], itemCount=22)
    manifest = own / "manifest-files.json"
    manifest.write_bytes(manifest.read_bytes() * 2)
    (own / "manifest-files.md5").unlink()
    with pytest.raises(ExportError, match="listed twice"):
        opened(own)


def test_a_file_nobody_lists_is_noted_and_not_read(tmp_path: Path) -> None:
    own = write_export(tmp_path, [LINES])
    (own / "data" / "stray.json.gz").write_bytes(gzip.compress(b"{}"))
    source = opened(own)
    assert (source.about["unlisted_data_files"], len(lines(source))) == (1, len(LINES))


@pytest.mark.parametrize(
    "key",
    [
        "{folder}/../../../secret.json.gz", "{folder}/data/../../x", "/etc/passwd", "data/x.json.gz", "../x",
        "AWSDynamoDB/other/data/x.json.gz", "{folder}//etc/passwd", "{folder}/./x", "{folder}/", "{folder}",
        "{folder}/data/a\0b", "{folder}x/data/y", "{folder}/data/" + "n" * 5000,
    ],
)  # fmt: skip
def test_a_key_that_leaves_the_export_is_refused_before_it_is_read(tmp_path: Path, key: str) -> None:
    own = write_export(tmp_path / "x", [LINES])
    (tmp_path / "secret.json.gz").write_bytes(next(own.glob("data/*")).read_bytes())
    key = key.format(folder=f"AWSDynamoDB/{own.name}")
    edit(own, "manifest-files", lambda each: each.update(dataFileS3Key=key))
    with pytest.raises(ExportError):
        opened(own)


def test_a_link_out_of_the_export_is_refused_and_one_inside_is_read(tmp_path: Path) -> None:
    own = write_export(tmp_path / "x", [LINES])
    file = next(own.glob("data/*"))
    outside = tmp_path / "outside.gz"
    shutil.move(file, outside)
    file.symlink_to(outside)
    with pytest.raises(ExportError, match="outside"):
        opened(own)
    file.unlink()
    shutil.move(outside, own / "kept.gz")
    file.symlink_to("../kept.gz")
    assert lines(opened(own)) == LINES


def test_a_data_folder_that_is_a_link_out_is_refused(tmp_path: Path) -> None:
    own = write_export(tmp_path / "x", [LINES])
    shutil.move(own / "data", tmp_path / "moved")
    (own / "data").symlink_to(tmp_path / "moved")
    with pytest.raises(ExportError, match="outside"):
        opened(own)


def test_several_exports_are_named_and_one_must_be_chosen(tmp_path: Path) -> None:
    one, two = write_export(tmp_path, [LINES]), write_export(tmp_path / "deeper/still", [LINES])
    with pytest.raises(InputError) as caught:
        opened(tmp_path)
    assert one.name in str(caught.value)
    assert two.name in str(caught.value)
    assert len(lines(opened(two))) == len(LINES)


def test_a_started_export_is_called_unfinished(tmp_path: Path) -> None:
    own = write_export(tmp_path, [LINES])
    (own / "manifest-summary.json").unlink()
    for location in (own, tmp_path):
        with pytest.raises(ExportError, match="never finished"):
            opened(location)


def locations(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "file").write_text("")
    (tmp_path / "empty").mkdir()
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    return {
        "absent": f"{tmp_path}/absent", "file": f"{tmp_path}/file", "empty": f"{tmp_path}/empty",
        "below a file": f"{tmp_path}/file/x", "nothing": "", "NUL": "a\0b", "loop": f"{tmp_path}/loop",
        "long": "n" * 5000, "url": "https://example.com/export", "no bucket": "s3://",
    }  # fmt: skip


@pytest.mark.parametrize(
    "which", ["absent", "file", "empty", "below a file", "nothing", "NUL", "loop", "long", "url", "no bucket"]
)
def test_a_location_that_cannot_be_read_is_explained(tmp_path: Path, which: str) -> None:
    with pytest.raises(BillioError) as caught:
        opened(locations(tmp_path)[which])
    assert caught.value.exit_code == 2
    assert caught.value.remedy


def test_a_folder_without_permission_is_explained(tmp_path: Path) -> None:
    own = write_export(tmp_path, [LINES])
    own.chmod(0)
    user = os.geteuid()
    if user == 0:  # root may read everything: look as nobody
        os.seteuid(65534)
    try:
        with pytest.raises(InputError, match="ermission"):
            opened(own)
    finally:
        os.seteuid(user)
        own.chmod(0o755)
