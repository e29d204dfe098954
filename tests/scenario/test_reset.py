"""`billio reset`: the system's own tables are empty and can be loaded again; nobody else's are touched."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
import typer
from algoitny_places import own_tables
from typer.testing import CliRunner

from assets.thrivecalc import model
from assets.thrivecalc.model import SYSTEM
from billio_pipeline.cli.reset import reset as command
from billio_pipeline.errors import ConfigurationError
from billio_pipeline.migrate.reset import look, reset
from billio_pipeline.model.entity import RowSystem
from billio_pipeline.model.tables import DynamoTable
from billio_pipeline.settings import Settings
from billio_pipeline.stores.dynamodb import dynamodb_client, ledger, put_items, tables
from billio_pipeline.stores.dynamodb.ledger import Entry

ITEMS = [{"userId": {"S": "u"}, "recordKey": {"S": f"account#{n}"}} for n in range(30)]
app = typer.Typer()
app.command()(command)


@dataclass(frozen=True)
class Loaded:
    client: Any
    system: RowSystem
    export: str

    @property
    def table(self) -> DynamoTable:
        return self.system.tables[0]

    @property
    def state(self) -> str:
        return look(self.client, self.system)[0].state

    def entry(self, entity: str) -> Entry:
        return Entry("batch", self.export, entity, "file", 1, 30, "hash")


@pytest.fixture
def loaded(ministack: str, settings: Settings) -> Iterator[Loaded]:
    """A claimed table of 30 items, and the ledger's entry of their batch, of an entity nobody else has."""
    client, system = dynamodb_client(replace(settings, dynamodb_endpoint=ministack)), own_tables(SYSTEM)
    name = f"record-{system.tables[0].name}"
    system = replace(system, entities=tuple(replace(entity, name=name) for entity in system.entities))
    made = Loaded(client, system, system.tables[0].name)
    tables.create(client, made.table)
    ledger.create(client)
    ledger.claim(client, made.table)
    put_items(client, made.table, ITEMS)
    ledger.record(client, made.entry(name))
    ledger.record(client, replace(made.entry("somebody else's"), batch_id="other"))
    yield made
    client.delete_table(TableName=made.table.name)


def test_a_reset_leaves_the_table_as_declared_and_empty_and_forgets_its_batches(loaded: Loaded) -> None:
    before = tables.live(loaded.client, loaded.table.name)
    assert loaded.state == "ours"
    done = reset(loaded.client, loaded.system)
    assert (done.emptied, done.made, done.entries) == ((loaded.table.name,), (), 2)
    after = tables.live(loaded.client, loaded.table.name)
    assert before
    assert after
    assert before.id != after.id
    assert loaded.state == "empty"
    assert not list(tables.drift(loaded.client, loaded.table))
    assert [entry.entity for entry in ledger.entries(loaded.client, loaded.export)] == ["somebody else's"]
    ledger.claim(loaded.client, loaded.table)
    assert reset(loaded.client, loaded.system).emptied == (), "an empty table stays as it is"
    assert tables.live(loaded.client, loaded.table.name) == after


def test_what_was_not_loaded_from_here_is_dropped_only_by_force(loaded: Loaded) -> None:
    loaded.client.delete_table(TableName=loaded.table.name)
    tables.create(loaded.client, loaded.table)  # a new table of the name, which was never claimed
    put_items(loaded.client, loaded.table, ITEMS[:1])
    with pytest.raises(ConfigurationError, match="not loaded from here"):
        reset(loaded.client, loaded.system)
    assert loaded.state == "not ours"
    assert len(list(ledger.entries(loaded.client, loaded.export))) == 2
    assert reset(loaded.client, loaded.system, force=True).emptied == (loaded.table.name,)
    assert loaded.state == "empty"


def test_a_reset_that_was_killed_after_dropping_is_finished_by_the_next(loaded: Loaded) -> None:
    loaded.client.delete_table(TableName=loaded.table.name)
    done = reset(loaded.client, loaded.system)
    assert (done.emptied, done.made, done.entries) == ((), (loaded.table.name,), 2)
    assert loaded.state == "empty"


def test_the_command_drops_nothing_until_the_name_is_typed(
    loaded: Loaded, ministack: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BILLIO_DYNAMODB_ENDPOINT", ministack)
    monkeypatch.setattr(model, "SYSTEM", loaded.system)
    for arguments, typed in ((["--json"], None), ([], "thrive\n"), ([], None)):
        assert CliRunner().invoke(app, ["thrivecalc", *arguments], input=typed).exit_code == 2
        assert loaded.state == "ours"
    shown = CliRunner().invoke(app, ["thrivecalc"], input="thrivecalc\n")
    assert shown.exit_code == 0
    assert ministack in shown.stdout
    assert f"{len(ITEMS)}" in shown.stdout
    assert loaded.state == "empty"
    said = json.loads(CliRunner().invoke(app, ["thrivecalc", "--yes", "--json"]).stdout)
    assert (said["emptied"], said["tables"][0]["was"]) == ([], "empty")
