"""`billio rollback`: the tree comes back under its old paths, equal by value, and nobody's objects are replaced."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import typer
from algoitny_places import own_tables
from typer.testing import CliRunner

from assets.thrivecalc import model
from assets.thrivecalc.aliases import Orphan, aliases_of
from assets.thrivecalc.generator import generate
from assets.thrivecalc.orphans import copied_orphans
from assets.thrivecalc.renamed import BEFORE, Renamed
from assets.thrivecalc.rollback import rollback
from assets.thrivecalc.source import RecordSource
from billio_pipeline.cli.rollback import rollback as command
from billio_pipeline.errors import InputError
from billio_pipeline.migrate import copied as copies
from billio_pipeline.migrate.load_items import load_table
from billio_pipeline.migrate.prepare_items import prepare_items
from billio_pipeline.migrate.stage import ItemStage
from billio_pipeline.model.canonical import jsonb_text, parse_jsonb
from billio_pipeline.model.entity import RowSystem
from billio_pipeline.model.tables import DynamoTable
from billio_pipeline.settings import Settings
from billio_pipeline.stores.dynamodb import dynamodb_client, tables
from billio_pipeline.stores.objects import open_store
from billio_pipeline.stores.objects.aws import aws_client
from billio_pipeline.stores.objects.local import LocalStore

SUB = "a1b2c3d4-0000-70aa-0000-0123456789ab"
OTHER = "a1b2c3d4-0000-70aa-0000-0123456789ac"
app = typer.Typer()
app.command()(command)


def record(user: str, id: str = "profile", **more: Any) -> tuple[str, bytes]:
    at = "2025-01-01T00:00:00.000Z"
    body = {"userId": user, "dataType": "user-profile", "recordId": id, "data": {"of": user, "n": 1.50}}
    return f"users/{user}/user-profile/{id}.json", json.dumps(body | {"createdAt": at, "updatedAt": at} | more).encode()


def values(store: LocalStore) -> dict[str, str]:
    """Every object's JSON, numbers by value."""
    return {info.key: jsonb_text(parse_jsonb(store.read(info.key))) for info in store.list()}


@dataclass(frozen=True)
class Place:
    """A table of the test's own, and the tree it is loaded from."""

    client: Any
    system: RowSystem
    settings: Settings
    tree: LocalStore

    @property
    def table(self) -> DynamoTable:
        return self.system.tables[0]

    def load(self, records: list[tuple[str, bytes]], *aliases: tuple[str, str]) -> tuple[copies.Copied, ItemStage]:
        for key, body in records:
            self.tree.write(key, body)
        source = Renamed(RecordSource(self.tree), aliases_of(aliases))
        taken = copies.take(source, self.settings.home, self.system.name, "run", lambda rows: None)
        stage = prepare_items(taken, source.read, self.system, self.settings, "run", lambda rows: None)
        load_table(self.client, stage, self.table, "insert", max_wcu=None, progress=lambda items: None)
        return taken, stage

    def items(self) -> list[dict[str, Any]]:
        return self.client.scan(TableName=self.table.name)["Items"]


@pytest.fixture
def place(ministack: str, settings: Settings, tmp_path: Path) -> Iterator[Place]:
    local = replace(settings, dynamodb_endpoint=ministack)
    made = Place(dynamodb_client(local), own_tables(model.SYSTEM), local, LocalStore(tmp_path / "tree"))
    tables.create(made.client, made.table)
    yield made
    made.client.delete_table(TableName=made.table.name)


def test_the_tree_comes_back_and_writing_it_again_changes_nothing(place: Place, tmp_path: Path) -> None:
    place.load(list(generate(4)))
    back = LocalStore(tmp_path / "back")
    done = rollback(place.client, back, tmp_path / "one", system=place.system)
    assert (done.equal, done.items, done.renamed) == (True, len(place.items()), 0)
    assert values(back) == values(place.tree)
    gone = next(back.root.rglob("*.json"))
    gone.unlink()
    before = {path: path.read_bytes() for path in back.root.rglob("*.json")}
    assert rollback(place.client, back, tmp_path / "two", system=place.system).equal
    assert gone.exists()
    assert {path: path.read_bytes() for path in before} == before


def test_a_destination_with_other_objects_is_left_alone(place: Place, tmp_path: Path) -> None:
    place.load([record(SUB)])
    before = {path: path.read_bytes() for path in place.tree.root.rglob("*.json")}
    with pytest.raises(InputError, match="no object of this table"):
        rollback(place.client, place.tree, tmp_path / "one", system=place.system)
    assert {path: path.read_bytes() for path in before} == before, "the source's own bytes stay"
    other = LocalStore(tmp_path / "other")
    other.write("notes.txt", b"mine")
    with pytest.raises(InputError, match=r"notes\.txt"):
        rollback(place.client, other, tmp_path / "two", system=place.system)
    assert [info.key for info in other.list()] == ["notes.txt"]


def test_ids_are_replaced_on_the_way_in_and_their_old_paths_come_back(place: Place, tmp_path: Path) -> None:
    google, mail = "google-oauth2|1", "Ada@example.com"
    records = [record(google, "1"), record(mail, "2"), record(SUB, "3"), record("lost@example.com", "4")]
    taken, _ = place.load(records, (google, mail), (mail, SUB))
    assert {item["recordId"]["S"]: item["userId"]["S"] for item in place.items()} == {
        "1": SUB, "2": SUB, "3": SUB, "4": "lost@example.com",
    }  # fmt: skip
    assert copied_orphans(taken) == [Orphan("lost@example.com", "lost@example.com", 1)]
    plain = copies.take(RecordSource(place.tree), place.settings.home, "thrivecalc", "plain", lambda rows: None)
    assert plain.id != taken.id, "another map is another copy"
    back = LocalStore(tmp_path / "back")
    done = rollback(place.client, back, tmp_path / "work", system=place.system)
    assert (done.equal, done.renamed) == (True, 2)
    assert values(back) == values(place.tree)


def test_records_that_meet_under_one_id_are_quarantined_and_so_is_a_reserved_member(place: Place) -> None:
    records = [record("a@example.com"), record("b@example.com"), record(OTHER, **{BEFORE: "x"}), record(SUB, "kept")]
    _, stage = place.load(records, ("a@example.com", SUB), ("b@example.com", SUB))
    assert stage.summary["counts"]["record"] == {"source": 4, "quarantined": 3, "excluded": 0, "accepted": 1}
    assert [item["recordId"]["S"] for item in place.items()] == ["kept"]


def test_an_item_without_an_object_s_form_is_named_and_the_tree_not_called_equal(place: Place, tmp_path: Path) -> None:
    place.load([record(SUB)])
    (own,) = place.items()
    odd = own | {"recordId": {"S": "2"}, "recordKey": {"S": "user-profile#2"}, "tags": {"SS": ["a"]}}
    place.client.put_item(TableName=place.table.name, Item=odd)
    done = rollback(place.client, LocalStore(tmp_path / "back"), tmp_path / "work", system=place.system)
    assert (done.equal, done.objects, len(done.refused), done.missing) == (False, 1, 1, 1)
    assert "JSON has no SS" in done.refused[0]
    later = own | {BEFORE: {"S": SUB}, "userId": {"S": OTHER}}
    place.client.put_item(TableName=place.table.name, Item=later)
    with pytest.raises(InputError, match="two items"):
        rollback(place.client, LocalStore(tmp_path / "other"), tmp_path / "more", system=place.system)


def test_the_command_writes_a_tree_in_s3(place: Place, ministack: str, monkeypatch: pytest.MonkeyPatch) -> None:
    place.load([record(SUB), record(OTHER)])
    bucket = f"tree-{secrets.token_hex(6)}"
    aws_client("s3", ministack, "us-east-1").create_bucket(Bucket=bucket)
    monkeypatch.setattr(model, "SYSTEM", place.system)
    monkeypatch.setenv("BILLIO_DYNAMODB_ENDPOINT", ministack)
    monkeypatch.setenv("BILLIO_S3_ENDPOINT", ministack)
    result = CliRunner().invoke(app, ["thrivecalc", "--to", f"s3://{bucket}/back", "--json"])
    said = json.loads(result.stdout)
    assert (result.exit_code, said["equal"], said["objects"]) == (0, True, 2)
    store = open_store(f"s3://{bucket}/back", replace(place.settings, s3_endpoint=ministack))
    assert store.exists(f"users/{SUB}/user-profile/profile.json")
