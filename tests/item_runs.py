"""A migration of rows into DynamoDB as a run does it, step by step and without Dagster."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pyarrow.parquet as pq
from item_rows import own_tables

from assets.factory.items_checks import _asked
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
from billio_pipeline.stores.dynamodb import dynamodb_client, tables
from billio_pipeline.stores.dynamodb.load import Loaded
from billio_pipeline.verify.members import gsi_difference
from billio_pipeline.verify.reconcile import Verdict
from billio_pipeline.verify.survey import survey
from resources.dynamodb import DynamoDBResource


@dataclass(frozen=True)
class Migration:
    """A source, a system with tables of its own, and where DynamoDB answers."""

    settings: Settings
    system: RowSystem
    source: RowSource

    @property
    def client(self) -> Any:
        return dynamodb_client(self.settings)

    def copy(self, run: str = "run") -> Copied:
        return copies.take(self.source, self.settings.home, self.system.name, run, lambda rows: None)

    def stage(self, run: str = "run", copied: Copied | None = None) -> ItemStage:
        taken = copied or self.copy(run)
        return prepare_items(taken, self.source.read, self.system, self.settings, run, lambda rows: None)

    def load(self, stage: ItemStage, policy: Policy = "insert") -> dict[str, Loaded]:
        """Make the tables and load each; what the tables refuse joins the quarantine."""
        done = {}
        for table in self.system.tables:
            tables.create(self.client, table)
            done[table.name] = load_table(
                self.client, stage, table, policy, max_wcu=None, progress=lambda items: None
            )
        refused = [(entry, each) for loaded in done.values() for entry, each in loaded.refused]
        add_refused_items(stage, [RefusedItem(e.entity, e.file, each.item, each.refusal) for e, each in refused])
        return done

    def judge(self, stage: ItemStage) -> Verdict:
        return judge_items(stage, self.client)

    def failed(self, stage: ItemStage, table: DynamoTable | None = None) -> set[str]:
        """Names of the checks that fail on the tables as they are now."""
        return {name for name, (passed, _) in self.outcomes(stage, table).items() if not passed}

    def outcomes(self, stage: ItemStage, table: DynamoTable | None = None) -> dict[str, tuple[bool, dict[str, Any]]]:
        """Every check's outcome: of one table, or of all, where the first that fails is shown."""
        verdict, surveyed = self.judge(stage), stage.path / "verdict" / "survey.parquet"
        survey(self.system.tables, staged_paths(stage), surveyed)
        resource = DynamoDBResource(endpoint=self.settings.dynamodb_endpoint, region=self.settings.region)
        found: dict[str, tuple[bool, dict[str, Any]]] = {}
        for each in (table,) if table else self.system.tables:
            for name, ask in _asked(stage, each, verdict, surveyed, resource).items():
                if found.get(name, (True,))[0]:
                    found[name] = ask()
        return found


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
