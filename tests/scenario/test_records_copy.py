"""A tree of records is copied whole, in one order, or not at all: from a folder and from the stack's real S3."""

from __future__ import annotations

import json
import secrets
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from assets.thrivecalc import generator
from billio_pipeline.errors import InputError
from billio_pipeline.settings import Settings
from billio_pipeline.stores.objects import ObjectInfo, ObjectStore, open_store, records
from billio_pipeline.stores.objects.aws import aws_client
from billio_pipeline.stores.objects.local import LocalStore
from billio_pipeline.stores.objects.records import Listing, copy_records

TREE = Path(__file__).parents[1] / "fixtures" / "thrive_s3"


@pytest.fixture
def client(ministack: str) -> Any:
    return aws_client("s3", ministack, "us-east-1", s3={"addressing_style": "path"}, max_pool_connections=16)


@pytest.fixture
def bucket(client: Any) -> str:
    name = f"records-{secrets.token_hex(6)}"
    client.create_bucket(Bucket=name)
    return name


@pytest.fixture(params=["local", "s3"])
def store(request: pytest.FixtureRequest, settings: Settings, tmp_path: Path) -> ObjectStore:
    if request.param == "local":
        return open_store(tmp_path / "tree", settings)
    endpoint, name = request.getfixturevalue("ministack"), request.getfixturevalue("bucket")
    return open_store(f"s3://{name}/below", replace(settings, s3_endpoint=endpoint))


def rows(folder: Path, listing: Listing) -> list[dict[str, Any]]:
    return [row for file in listing.files for row in pq.read_table(folder / file.name).to_pylist()]


def fill(client: Any, bucket: str, bodies: dict[str, bytes]) -> None:
    def put(each: tuple[str, bytes]) -> None:
        client.put_object(Bucket=bucket, Key=each[0], Body=each[1])

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(put, bodies.items()))


def test_every_object_is_copied_by_key_with_its_own_bytes(store: ObjectStore, tmp_path: Path) -> None:
    made = dict(generator.generate(8)) | {"users/ü/b c/100%25+.json": b"", "users/-": b"\xff\0", "users/u/x.txt": b"no"}
    for key, body in made.items():
        store.write(key, body)
    store.write("elsewhere/x.json", b"not below users/")
    told: list[int] = []
    listing = copy_records(store, tmp_path / "copy", progress=told.append)
    copied = rows(tmp_path / "copy", listing)
    assert [(row["key"], row["body"]) for row in copied] == sorted(made.items())
    assert [row["size"] for row in copied] == [len(row["body"]) for row in copied]
    assert {row["etag"] is None for row in copied} == {store.bucket is None}
    assert (listing.objects, listing.bytes, sum(told)) == (len(made), sum(map(len, made.values())), len(made))
    assert listing.uri == f"{store.uri}/users"
    assert json.loads(json.dumps(asdict(listing)))["files"][0]["objects"] == len(made)
    assert sorted(path.name for path in (tmp_path / "copy").iterdir()) == [file.name for file in listing.files]
    assert {info.key for info in store.list()} == {*made, "elsewhere/x.json"}


def test_equal_trees_have_one_id_and_any_change_another(settings: Settings, tmp_path: Path) -> None:
    def copied(tree: Path) -> str:
        return copy_records(open_store(tree, settings), tmp_path / "copy", readers=3).id

    first = copied(TREE)
    assert copied(TREE) == first
    shutil.copytree(TREE, tmp_path / "tree")
    assert copied(tmp_path / "tree") == first
    path = next(path for path in sorted((tmp_path / "tree").rglob("*")) if path.is_file())
    path.write_bytes(path.read_bytes().replace(b"e", b"f", 1))
    changed = copied(tmp_path / "tree")
    path.rename(path.with_name("other.json"))
    assert len({first, changed, copied(tmp_path / "tree")}) == 3


def test_groups_and_files_stay_small_however_large_the_bodies(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "_GROUP_ROWS", 4)
    monkeypatch.setattr(records, "_GROUP_BYTES", 1000)
    monkeypatch.setattr(records, "_FILE_GROUPS", 2)
    monkeypatch.setattr(records, "_IN_FLIGHT", 1500)
    store = open_store(tmp_path / "tree", settings)
    sizes = [10] * 9 + [600, 600, 5000, 10]
    for number, size in enumerate(sizes):
        store.write(f"users/{number:02d}", bytes(size))
    listing = copy_records(store, tmp_path / "copy", readers=2)
    files = [pq.ParquetFile(tmp_path / "copy" / file.name) for file in listing.files]
    assert [[f.metadata.row_group(g).num_rows for g in range(f.num_row_groups)] for f in files] == [[4, 4], [3, 1], [1]]
    assert [(file.objects, file.bytes) for file in listing.files] == [(8, 80), (4, 6210), (1, 10)]
    assert [row["size"] for row in rows(tmp_path / "copy", listing)] == sizes


class Busy(LocalStore):
    """A folder somebody else works in: what `meanwhile` does happens once it is listed."""

    meanwhile = staticmethod(lambda path: None)

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        found = [*super().list(prefix)]
        type(self).meanwhile(self.root / "users" / "b")
        yield from found


@pytest.mark.parametrize("meanwhile", [Path.unlink, lambda path: path.write_bytes(b"longer")], ids=["gone", "changed"])
def test_a_file_that_is_gone_or_changed_by_then_stops_the_copy(tmp_path: Path, meanwhile: Any) -> None:
    store = type("Store", (Busy,), {"meanwhile": staticmethod(meanwhile)})(tmp_path / "tree")
    for name in "abc":
        store.write(f"users/{name}", b"one")
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / "before").touch()
    with pytest.raises(InputError, match="users/b' vanished or changed"):
        copy_records(store, tmp_path / "copy")
    assert [path.name for path in (tmp_path / "copy").iterdir()] == ["before"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy", "tree"]


@pytest.mark.parametrize("change", ["delete", "same size"])
def test_an_object_that_is_gone_or_changed_by_then_stops_the_copy(
    client: Any,
    bucket: str,
    ministack: str,
    settings: Settings,
    tmp_path: Path,
    change: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(records, "_GROUP_ROWS", 1)
    fill(client, bucket, {f"users/{number:02d}": b"one" for number in range(40)})

    def meanwhile(_: int) -> None:
        if change == "delete":
            client.delete_object(Bucket=bucket, Key="users/39")
        else:
            client.put_object(Bucket=bucket, Key="users/39", Body=b"two")

    store = open_store(f"s3://{bucket}", replace(settings, s3_endpoint=ministack))
    with pytest.raises(InputError, match="users/39' vanished or changed"):
        copy_records(store, tmp_path / "copy", readers=2, progress=meanwhile)
    assert list(tmp_path.iterdir()) == []


def test_keys_no_folder_could_hold_are_copied_for_their_records_to_be_refused(
    client: Any, bucket: str, ministack: str, settings: Settings, tmp_path: Path
) -> None:
    bodies = {"users//x.json": b"1", "users/../y.json": b"2", "users/a b/": b"3", "users/u/&<\"'>.json": b"4"}
    fill(client, bucket, bodies | {"users/": b"", "users/u/": b""})  # folders, as the console draws them
    store = open_store(f"s3://{bucket}", replace(settings, s3_endpoint=ministack))
    listing = copy_records(store, tmp_path / "copy")
    assert {row["key"]: row["body"] for row in rows(tmp_path / "copy", listing)} == bodies


def test_nothing_to_copy_is_an_error(store: ObjectStore, tmp_path: Path) -> None:
    with pytest.raises(InputError):
        copy_records(store, tmp_path / "copy")
    store.write("other/x", b"")
    with pytest.raises(InputError, match="holds no object"):
        copy_records(store, tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


def test_what_is_far_too_large_for_a_record_is_named_before_it_is_read(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "_LARGEST", 10)
    store = open_store(tmp_path / "tree", settings)
    store.write("users/large", bytes(11))
    with pytest.raises(InputError, match="users/large' takes 11 bytes"):
        copy_records(store, tmp_path / "copy")


def test_a_file_whose_name_is_not_text_is_named(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "tree" / "users").mkdir(parents=True)
    (tmp_path / "tree" / "users" / "a\udcff").touch()
    with pytest.raises(InputError, match="not UTF-8"):
        copy_records(open_store(tmp_path / "tree", settings), tmp_path / "copy")


@pytest.mark.slow
def test_five_pages_of_objects_are_listed_to_the_end(
    client: Any, bucket: str, ministack: str, settings: Settings, tmp_path: Path
) -> None:
    bodies = {f"users/u|{n % 7}/account/{n}.json": b"%d" % n for n in range(5_000)}
    fill(client, bucket, bodies)
    store = open_store(f"s3://{bucket}", replace(settings, s3_endpoint=ministack))
    told: list[int] = []
    listing = copy_records(store, tmp_path / "copy", progress=told.append)
    assert (listing.objects, told) == (5_000, [1_000] * 5)
    assert [(row["key"], row["body"]) for row in rows(tmp_path / "copy", listing)] == sorted(bodies.items())
