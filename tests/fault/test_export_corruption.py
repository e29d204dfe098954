"""A damaged export is refused or reads exactly as before: every file, any byte, cut, gone or grown. Seeded by name."""

from __future__ import annotations

import base64
import gzip
import hashlib
import itertools
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from exports import write_export
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from assets.billio.model import SYSTEM
from billio_pipeline.errors import BillioError, ExportError
from billio_pipeline.settings import Settings
from billio_pipeline.stores.dynamodb import open_source

FILES: list[list[bytes]] = [
    [json.dumps({"Item": {"id": {"S": f"{file}-{n}"}, "title": {"S": "é" * n}}}).encode() for n in range(5)]
    for file in range(2)
]
SETTINGS = Settings.from_env({})
Read = tuple[str, list[tuple[int, int, bytes]]]


def read(folder: Path) -> Read:
    source = open_source(folder, SYSTEM, SETTINGS)
    found = [
        (file.index, block.first + position, line)
        for file in source.files
        for block in source.lines(file)
        for position, line in enumerate(block.lines)
    ]
    return source.id, found


@pytest.fixture(scope="module")
def whole() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield write_export(Path(folder), [*FILES, []], export_id="01760000000000-0badf00d")


def read_or_refusal(folder: Path) -> Read | BillioError:
    try:
        return read(folder)
    except BillioError as error:
        return error


def refused_or_equal(whole: Path, damaged: Path) -> str:
    before = read(whole)
    after = read_or_refusal(damaged)
    if isinstance(after, BillioError):
        assert after.exit_code == 2, after
        assert after.remedy
        return "refused"
    assert after == before
    return "equal"


@given(data=st.data())
@examples(max_examples=200, deadline=None, derandomize=True, database=None)
def test_any_damage_is_refused_or_harmless(data: st.DataObject, whole: Path) -> None:
    names = sorted(str(path.relative_to(whole)) for path in whole.rglob("*") if path.is_file())
    name = data.draw(st.sampled_from(names))
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "copy"
        shutil.copytree(whole, copy)
        content = (copy / name).read_bytes()
        kind = data.draw(st.sampled_from(["flip", "flip", "flip", "cut", "remove", "grow", "empty", "repeat"]))
        if kind == "remove":
            (copy / name).unlink()
        elif kind == "flip" and content:
            changed = bytearray(content)
            changed[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
            (copy / name).write_bytes(changed)
        elif kind == "cut" and content:
            (copy / name).write_bytes(content[: data.draw(st.integers(0, len(content) - 1))])
        elif kind == "grow":
            (copy / name).write_bytes(content + data.draw(st.binary(min_size=1, max_size=40)))
        elif kind == "empty":
            (copy / name).write_bytes(b"")
        else:
            (copy / name).write_bytes(content * 2)
        outcome = refused_or_equal(whole, copy)
        if name.startswith("data/") and (copy / name).exists() and (copy / name).read_bytes() != content:
            assert outcome == "refused"


def reseal(folder: Path) -> None:
    """Make the checksums agree with what is there, so that only the deeper checks can object."""
    listed = [json.loads(line) for line in (folder / "manifest-files.json").read_bytes().splitlines()]
    for each in listed:
        stored = (folder / each["dataFileS3Key"].split("/", 2)[2]).read_bytes()
        each["md5Checksum"] = base64.b64encode(hashlib.md5(stored).digest()).decode()
    (folder / "manifest-files.json").write_bytes(b"".join(json.dumps(each).encode() + b"\n" for each in listed))
    for name in ("manifest-files", "manifest-summary"):
        content = (folder / f"{name}.json").read_bytes()
        (folder / f"{name}.md5").write_bytes(base64.b64encode(hashlib.md5(content).digest()))


def data_files(folder: Path) -> list[Path]:
    return sorted((folder / "data").iterdir())


def test_every_flipped_bit_of_a_gzip_is_caught_without_its_md5(tmp_path: Path) -> None:
    """The gzip's own CRC-32 and length, and the item count, catch what an md5 made over the damage can't."""
    own = write_export(tmp_path, FILES)
    file = data_files(own)[0]
    content = file.read_bytes()
    before = read(own)[1]
    harmless = []
    for position in range(len(content)):
        changed = bytearray(content)
        changed[position] ^= 1 << (position % 8)
        file.write_bytes(changed)
        reseal(own)
        after = read_or_refusal(own)
        if isinstance(after, BillioError):
            assert {"file", "expected", "found"} <= set(after.details)
            continue
        assert after[1] == before
        harmless.append(position)
    # Header bytes that say nothing about the data (time, hints, system) and nothing else.
    assert set(harmless) <= set(range(3, 10))


@pytest.mark.parametrize("where", ["crc", "length"])
def test_the_trailer_is_really_compared(tmp_path: Path, where: str) -> None:
    own = write_export(tmp_path, FILES)
    file = data_files(own)[0]
    content = bytearray(file.read_bytes())
    content[-8 if where == "crc" else -4] ^= 1
    file.write_bytes(content)
    reseal(own)
    with pytest.raises(ExportError, match="damage in it"):
        read(own)


def test_a_cut_gzip_is_refused_at_every_length(tmp_path: Path) -> None:
    own = write_export(tmp_path, FILES)
    file = data_files(own)[0]
    content = file.read_bytes()
    for length in range(len(content)):
        file.write_bytes(content[:length])
        reseal(own)
        with pytest.raises(ExportError):
            read(own)


@pytest.mark.parametrize("trail", [b"\0", b"\0" * 600, b"x", b"{}\n", b"\x1f\x8b", b"\x1f\x8b\x08\x00"])
def test_bytes_after_the_gzip_are_refused(tmp_path: Path, trail: bytes) -> None:
    own = write_export(tmp_path, FILES)
    with data_files(own)[0].open("ab") as stream:
        stream.write(trail)
    reseal(own)
    with pytest.raises(ExportError):
        read(own)


def test_a_gzip_of_many_members_is_read_whole_wherever_a_read_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = write_export(tmp_path, FILES)
    before = read(own)[1]
    text = b"\n".join(FILES[0])
    cuts = [0, 3, 3, 40, 100, len(text)]
    members = b"".join(gzip.compress(text[a:b]) for a, b in itertools.pairwise(cuts))
    data_files(own)[0].write_bytes(members)
    reseal(own)
    for size in (1, 2, 3, 7, 19, 64, 1 << 20):
        monkeypatch.setattr("billio_pipeline.stores.dynamodb.lines.READ", size)
        monkeypatch.setattr("billio_pipeline.stores.dynamodb.lines.DECODED", max(1, size % 50))
        assert read(own)[1] == before


def test_a_file_changed_after_opening_is_noticed(tmp_path: Path) -> None:
    own = write_export(tmp_path, FILES)
    source = open_source(own, SYSTEM, SETTINGS)
    data_files(own)[0].write_bytes(gzip.compress(b"\n".join(FILES[0]), mtime=7))
    with pytest.raises(ExportError, match="md5") as caught:
        list(source.lines(source.files[0]))
    assert caught.value.exit_code == 2


def test_a_file_removed_after_opening_is_noticed(tmp_path: Path) -> None:
    own = write_export(tmp_path, FILES)
    source = open_source(own, SYSTEM, SETTINGS)
    data_files(own)[1].unlink()
    with pytest.raises(ExportError, match="can be read"):
        list(source.lines(source.files[1]))


@pytest.mark.parametrize("swap", ["pipe", "folder"])
def test_something_else_in_a_files_place_is_refused(tmp_path: Path, swap: str) -> None:
    own = write_export(tmp_path, FILES)
    source = open_source(own, SYSTEM, SETTINGS)
    file = data_files(own)[0]
    file.unlink()
    os.mkfifo(file) if swap == "pipe" else file.mkdir()
    with pytest.raises(ExportError):
        list(source.lines(source.files[0]))
    with pytest.raises(ExportError):
        open_source(own, SYSTEM, SETTINGS)
