"""Each check of a loaded DynamoDB target is failed by the mutation it is for, planted by hand, and by no other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import servers
from item_rows import fixture, staged_rows
from item_runs import ALL, Migration, impatient, migration, outcome

from assets.algoitny.generator import generate
from assets.algoitny.model import BUCKETS, SYSTEM, USAGE
from assets.algoitny.source import load_source
from billio_pipeline.migrate.sql_source import SqlSource
from billio_pipeline.migrate.stage import ItemStage
from billio_pipeline.model.entity import RowSystem
from billio_pipeline.model.tables import Gsi
from billio_pipeline.model.words import Derived
from billio_pipeline.report.checks import CHECKS
from billio_pipeline.settings import Settings
from billio_pipeline.stores.dynamodb import tables

Item = dict[str, Any]


@dataclass(frozen=True)
class Loaded:
    """A finished load, and a hand on its tables that puts back what it did."""

    migration: Migration
    stage: ItemStage
    undo: ExitStack

    def name(self, entity: str) -> str:
        table = self.migration.system.by_name[entity].items
        assert table is not None
        return table.name

    def one(self, entity: str, belongs: Callable[[Item], bool] = lambda item: True) -> Item:
        """The first item of the kind, by key, that `belongs` says is meant."""
        found = self.migration.client.scan(TableName=self.name(entity), ConsistentRead=True)["Items"]
        kind = [item for item in found if item["EntityType"] == {"S": entity} and belongs(item)]
        return min(kind, key=lambda item: (item["PK"]["S"], item["SK"]["S"]))

    def put(self, entity: str, item: Item) -> None:
        name, client = self.name(entity), self.migration.client
        key = {part: item[part] for part in ("PK", "SK")}
        if old := client.get_item(TableName=name, Key=key, ConsistentRead=True).get("Item"):
            self.undo.callback(client.put_item, TableName=name, Item=old)
        else:
            self.undo.callback(client.delete_item, TableName=name, Key=key)
        client.put_item(TableName=name, Item=item)

    def delete(self, entity: str, item: Item) -> None:
        name, client = self.name(entity), self.migration.client
        self.undo.callback(client.put_item, TableName=name, Item=item)
        client.delete_item(TableName=name, Key={part: item[part] for part in ("PK", "SK")})


@pytest.fixture(scope="module")
def made(
    postgres_server: servers.TestPostgres, ministack: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Migration, ItemStage]]:
    """Two users' rows, migrated once for all mutations."""
    home, name = tmp_path_factory.mktemp("home"), postgres_server.create("template_plain")
    settings = Settings.from_env({"BILLIO_HOME": str(home), "BILLIO_WORKERS": "1"})
    dsn = postgres_server.dsn(name)
    load_source(dsn, generate(2, as_of=datetime.now(UTC)))
    run = migration(settings, ministack, SYSTEM, SqlSource(dsn, SYSTEM, settings))
    stage = run.stage()
    run.load(stage)
    yield run, stage
    postgres_server.drop(name)


@pytest.fixture
def loaded(made: tuple[Migration, ItemStage], monkeypatch: pytest.MonkeyPatch) -> Iterator[Loaded]:
    impatient(monkeypatch)
    with ExitStack() as undo:
        yield Loaded(*made, undo)


def without(item: Item, *names: str) -> Item:
    return {name: wire for name, wire in item.items() if name not in names}


def attribute_changed(loaded: Loaded) -> None:
    loaded.put("User", loaded.one("User") | {"Name": {"S": "somebody else"}})


def attribute_emptied(loaded: Loaded) -> None:
    """As a writer would that takes an empty string for nothing."""
    loaded.put("TestCase", without(loaded.one("TestCase"), "Input"))


def number_through_a_float(loaded: Loaded) -> None:
    found = loaded.one("Problem", lambda item: "big" in item["Metadata"]["M"])
    changed = found["Metadata"]["M"] | {"big": {"N": str(int(float(found["Metadata"]["M"]["big"]["N"])))}}
    loaded.put("Problem", found | {"Metadata": {"M": changed}})


def item_deleted(loaded: Loaded) -> None:
    loaded.delete("TestCase", loaded.one("TestCase"))


def indexed_item_deleted(loaded: Loaded) -> None:
    loaded.delete("ScriptGenerationJob", loaded.one("ScriptGenerationJob"))


def declared_stranger(loaded: Loaded) -> None:
    loaded.put("TestCase", loaded.one("TestCase") | {"SK": {"S": "TESTCASE#0"}})


def undeclared_stranger(loaded: Loaded) -> None:
    loaded.put("User", {"PK": {"S": "USER#x"}, "SK": {"S": "SETTINGS"}, "EntityType": {"S": "Settings"}})


def stranger_for_an_item(loaded: Loaded) -> None:
    found = loaded.one("TestCase")
    loaded.delete("TestCase", found)
    loaded.put("TestCase", found | {"SK": {"S": "TESTCASE#0"}})


def index_keys_removed(loaded: Loaded) -> None:
    found = loaded.one("SearchHistory", lambda item: "GSI1PK" in item)
    loaded.put("SearchHistory", without(found, "GSI1PK", "GSI1SK"))


def index_key_removed(loaded: Loaded) -> None:
    loaded.put("SubscriptionPlan", without(loaded.one("SubscriptionPlan"), "GSI1SK"))


def index_keys_given(loaded: Loaded) -> None:
    """A private history is made public in the index alone."""
    found = loaded.one("SearchHistory", lambda item: item["IsCodePublic"] == {"BOOL": False})
    loaded.put("SearchHistory", found | {"GSI1PK": {"S": "PUBLIC#true"}, "GSI1SK": found["CreatedAt"]})


def deleted_problem_found_again(loaded: Loaded) -> None:
    found = loaded.one("Problem", lambda item: item["IsDeleted"] == {"BOOL": True})
    assert not [name for name in found if name.startswith("GSI")]
    keys = {"GSI1PK": {"S": "PLATFORM#x"}, "GSI1SK": found["CreatedAt"]}
    loaded.put("Problem", found | keys)


def milliseconds_for_seconds(loaded: Loaded) -> None:
    found = loaded.one("UsageLog")
    loaded.put("UsageLog", found | {"TTL": {"N": found["TTL"]["N"] + "000"}})


def counted(loaded: Loaded) -> None:
    loaded.put("Problem", {"PK": {"S": "COUNTER#x"}, "SK": {"S": "VALUE"}, "EntityType": {"S": "Counter"}})


def numbers_respelt(loaded: Loaded) -> None:
    free = loaded.one("SubscriptionPlan", lambda item: item["MaxHintsPerDay"] == {"N": "5"})
    loaded.put("SubscriptionPlan", free | {"MaxHintsPerDay": {"N": "5.0"}})


MUTATIONS: dict[Callable[[Loaded], None], set[str]] = {
    attribute_changed: {"rows_equal"},
    attribute_emptied: {"rows_equal"},
    number_through_a_float: {"rows_equal"},
    item_deleted: {"count", "keys", "rows_equal"},
    indexed_item_deleted: {"count", "keys", "rows_equal", "gsi_members"},
    declared_stranger: {"count", "keys"},
    undeclared_stranger: {"keys"},
    stranger_for_an_item: {"count", "keys", "rows_equal"},
    index_keys_removed: {"rows_equal", "gsi_members"},
    index_key_removed: {"rows_equal", "gsi_members"},
    index_keys_given: {"rows_equal", "gsi_members"},
    deleted_problem_found_again: {"rows_equal", "gsi_members"},
    milliseconds_for_seconds: {"rows_equal"},
    counted: set(),
    numbers_respelt: set(),
}


@pytest.mark.parametrize(("mutate", "failed"), MUTATIONS.items(), ids=lambda each: getattr(each, "__name__", ""))
def test_a_mutation_of_the_tables_fails_the_checks_it_is_for(
    loaded: Loaded, mutate: Callable[[Loaded], None], failed: set[str]
) -> None:
    mutate(loaded)
    assert loaded.migration.failed(loaded.stage) == failed


def test_untouched_tables_fail_no_check_and_every_check_is_one_that_is_explained(loaded: Loaded) -> None:
    assert loaded.migration.failed(loaded.stage, ALL) == set()
    assert set(ALL) <= CHECKS.keys()


def test_an_index_that_was_not_filled_from_a_table_that_is_right_fails_the_members_alone(
    loaded: Loaded, ministack: str
) -> None:
    """The live index is over other attributes, so it holds others; schema_matches warns of it, too."""
    run = migration(loaded.migration.settings, ministack, SYSTEM, loaded.migration.source)
    users = run.system.by_name["User"].items
    assert users is not None
    wrong = replace(users, indexes=(Gsi("GSI1", ("GSI2PK", "S"), ("GSI2SK", "S")), *users.indexes[1:]))
    tables.create(run.client, wrong)
    stage = run.stage()
    run.load(stage)
    assert run.failed(stage) == {"gsi_members"}
    assert run.failed(stage, ["schema_matches"]) == {"schema_matches"}


# ── what only a warning tells: the tables hold what was staged, and what was staged is odd


def usage_rows(number: int) -> list[dict[str, Any]]:
    created = datetime.now(UTC) - timedelta(days=1)
    one = fixture(USAGE, 9001, created_at=created.isoformat(), user_id=None)
    return [one | {"id": n} for n in range(number)]


def warned(settings: Settings, *changed: Derived, rows: Sequence[dict[str, Any]], check: str) -> bool:
    """Whether the check, which reads the stage alone, fails where usage is declared with these changes."""
    kept = [part for part in USAGE.parts if getattr(part, "attribute", "") not in {each.attribute for each in changed}]
    system = RowSystem("algoitny", (replace(USAGE, parts=(*kept, *changed)),))
    stage = staged_rows(settings, system, {"UsageLog": rows})
    return not outcome(stage, system.tables[0], check)


def test_an_expiry_in_milliseconds_is_warned_of(settings: Settings) -> None:
    wrong = Derived("TTL", "{CreatedAt|epoch_s|+90d}000", type="N")
    assert warned(settings, wrong, rows=usage_rows(3), check="ttl_plausible")
    assert not warned(settings, rows=usage_rows(3), check="ttl_plausible")


def test_everything_anonymous_under_one_key_is_warned_of(settings: Settings) -> None:
    rows = usage_rows(1_000)
    assert warned(settings, Derived("PK", "USER#anonymous"), rows=rows, check="hottest_key")
    assert BUCKETS > 10
    assert not warned(settings, rows=rows, check="hottest_key"), "in sixteen partitions none has a tenth"


@pytest.mark.parametrize(("size", "odd"), [(360_000, False), (370_000, True), (409_000, True)])
def test_an_item_near_the_limit_is_warned_of(settings: Settings, size: int, odd: bool) -> None:
    (row,) = usage_rows(1)
    row["metadata"] = '{"x": "' + "x" * size + '"}'
    assert warned(settings, rows=[row], check="item_sizes") is odd
