"""A migration of rows into DynamoDB as a run does it, step by step and without Dagster."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import pyarrow.parquet as pq
from algoitny_places import own_tables

from assets.factory.items_questions import asked
from assets.factory.items_verdict import judge_items, staged_paths
from billio_pipeline.migrate import copied as copies
from billio_pipeline.migrate.copied import Copied, RowSource
from billio_pipeline.migrate.load_items import Policy, load_table
from billio_pipeline.migrate.prepare_items import prepare_items
from billio_pipeline.migrate.refused import RefusedItem, add_refused_items
from billio_pipeline.migrate.stage import ItemStage
from billio_pipeline.model.entity import RowSystem
from billio_pipeline.model.tables import DynamoTable
from billio_pipeline.settings import Settings
from billio_pipeline.stores.dynamodb import tables, writing_client
from billio_pipeline.stores.dynamodb.load import Loaded
from billio_pipeline.verify.members import gsi_difference
from billio_pipeline.verify.reconcile import Verdict
from billio_pipeline.verify.survey import survey
from resources.dynamodb import DynamoDBResource

BLOCKING = ("count", "keys", "rows_equal", "gsi_members")
ALL = (*BLOCKING, "ttl_plausible", "item_sizes", "hottest_key", "schema_matches")


@cache
def _client(endpoint: str) -> Any:
    return DynamoDBResource(endpoint=endpoint).client()


class OneClient(DynamoDBResource):
    """The resource with one client for all: making one takes a quarter of a second."""

    def client(self) -> Any:
        return _client(str(self.endpoint))


@dataclass(frozen=True)
class Migration:
    """A source, a system with tables of its own, and where DynamoDB answers."""

    settings: Settings
    system: RowSystem
    source: RowSource

    @property
    def client(self) -> Any:
        return _client(str(self.settings.dynamodb_endpoint))

    def copy(self, run: str = "run") -> Copied:
        return copies.take(self.source, self.settings.home, self.system.name, run, lambda rows: None)

    def stage(self, run: str = "run", copied: Copied | None = None) -> ItemStage:
        taken = copied or self.copy(run)
        return prepare_items(taken, self.source.read, self.system, self.settings, run, lambda rows: None)

    def load(self, stage: ItemStage, policy: Policy = "insert") -> dict[str, Loaded]:
        """Make the tables and load each; what the tables refuse joins the quarantine."""
        done, writing = {}, writing_client(self.settings)
        for table in self.system.tables:
            tables.create(self.client, table)
            done[table.name] = load_table(writing, stage, table, policy, max_wcu=None, progress=lambda items: None)
        refused = [(entry, each) for loaded in done.values() for entry, each in loaded.refused]
        add_refused_items(stage, [RefusedItem(e.entity, e.file, each.item, each.refusal) for e, each in refused])
        return done

    def judge(self, stage: ItemStage) -> Verdict:
        return judge_items(stage, self.client)

    def failed(self, stage: ItemStage, names: Collection[str] = BLOCKING) -> set[str]:
        """Those of the named checks that fail on some table as it is now."""
        verdict, surveyed = self.judge(stage), stage.path / "verdict" / "survey.parquet"
        survey(self.system.tables, staged_paths(stage), surveyed)
        resource = OneClient(endpoint=self.settings.dynamodb_endpoint)
        checks = [asked(stage, table, verdict, surveyed, resource) for table in self.system.tables]
        return {name for each in checks for name, ask in each.items() if name in names and not ask()[0]}


def outcome(stage: ItemStage, table: DynamoTable, check: str) -> bool:
    """Whether a check passes that reads the stage alone."""
    surveyed = stage.path / "survey.parquet"
    survey([table], staged_paths(stage), surveyed)
    passed, _ = asked(stage, table, Verdict(), surveyed, DynamoDBResource())[check]()
    return passed


def migration(settings: Settings, endpoint: str, system: RowSystem, source: RowSource) -> Migration:
    """`source` must be of the same entities; its tables' names don't matter."""
    return Migration(replace(settings, dynamodb_endpoint=endpoint), own_tables(system), source)


def quarantined(stage: ItemStage) -> list[dict[str, Any]]:
    return pq.read_table(stage.quarantine).to_pylist()


def counted(stage: ItemStage, what: str) -> int:
    return sum(counts[what] for counts in stage.summary["counts"].values())


def impatient(monkeypatch: Any) -> None:
    """Look at an index once only: a difference that stays is what the test is about."""
    assert gsi_difference.__kwdefaults__ is not None
    monkeypatch.setitem(gsi_difference.__kwdefaults__, "pauses", ())
