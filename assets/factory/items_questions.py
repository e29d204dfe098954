"""What the checks of a loaded DynamoDB table ask of it, and of what was staged for it."""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from assets.factory.checks import Outcome
from assets.factory.run import markdown
from billio_pipeline.migrate.stage import ItemStage
from billio_pipeline.model.size import MAX_ITEM_BYTES
from billio_pipeline.model.tables import DynamoTable
from billio_pipeline.stores.dynamodb import tables
from billio_pipeline.stores.dynamodb.members import members
from billio_pipeline.verify.expiry import expiries
from billio_pipeline.verify.members import gsi_difference
from billio_pipeline.verify.reconcile import Verdict
from billio_pipeline.verify.spread import hot_share, sizes
from resources.dynamodb import DynamoDBResource

HOT_SHARE = 0.1  # of a table's items under one partition key; a partition takes 1,000 write units per second
KEYS_SHOWN = 500  # characters of keys
LARGE = 0.9  # of DynamoDB's 400 KB: such an item soon takes no further update


def asked(
    stage: ItemStage, table: DynamoTable, verdict: Verdict, surveyed: Path, dynamodb: DynamoDBResource
) -> dict[str, Callable[[], Outcome]]:
    """The checks of one loaded table, by name."""
    return {
        "count": lambda: _count(stage, table, verdict),
        "keys": lambda: _keys(stage, table, verdict),
        "rows_equal": lambda: _rows_equal(stage, table, verdict),
        "gsi_members": lambda: _gsi_members(stage, table, surveyed, dynamodb),
        "ttl_plausible": lambda: _ttl_plausible(stage, table, surveyed),
        "item_sizes": lambda: _item_sizes(stage, table, surveyed),
        "hottest_key": lambda: _hottest_key(stage, table, surveyed),
        "schema_matches": lambda: _schema_matches(table, dynamodb),
    }


def _counts(stage: ItemStage, table: DynamoTable, verdict: Verdict) -> dict[str, dict[str, int]]:
    """Per entity of the table what the source had and the target has."""
    counts = {}
    for entity in stage.system.within(table):
        staged, found = stage.summary["counts"][entity.name], verdict.counts[entity.name]
        counts[entity.name] = {
            "source": staged["source"],
            "loaded": found["loaded"],
            "quarantined": staged["quarantined"],
            "excluded": staged["excluded"],
            "expired": found["expired"],
            "missing": found["missing"],
            "extra": found["extra"],
            "different": found["different"],
            "target": found["target"],
        }
    return counts


def _count(stage: ItemStage, table: DynamoTable, verdict: Verdict) -> Outcome:
    counts = _counts(stage, table, verdict)
    total = {name: sum(each[name] for each in counts.values()) for name in next(iter(counts.values()))}
    accounted = ("loaded", "missing", "quarantined", "excluded", "expired")
    passed = all(
        sum(each[name] for name in accounted) == each["source"] and each["target"] == each["loaded"]
        for each in counts.values()
    )
    rows = [[name, *each.values()] for name, each in counts.items()]
    return passed and not total["missing"], {**total, "counts": markdown(["entity", *total], rows)}


def _keys(stage: ItemStage, table: DynamoTable, verdict: Verdict) -> Outcome:
    own = {entity.name for entity in stage.system.within(table)}
    last = table == stage.system.tables[-1]  # what no entity knows is told once
    strangers = {name: each["extra"] for name, each in verdict.counts.items() if name not in stage.system.by_name}
    missing = sum(verdict.counts[name]["missing"] for name in own)
    extra = sum(verdict.counts[name]["extra"] for name in own) + (sum(strangers.values()) if last else 0)
    named = own | (strangers.keys() if last else set())
    shown = [
        [each["entity"], each["key"], "missing" if each["source"] else "extra"]
        for each in verdict.differences
        if each["column"] is None and each["entity"] in named
    ]
    return not missing and not extra, {
        "missing": missing,
        "extra": extra,
        "first": markdown(["entity", "key", "is"], shown),
        "differences_path": str(verdict.path),
    }


def _rows_equal(stage: ItemStage, table: DynamoTable, verdict: Verdict) -> Outcome:
    own = {entity.name for entity in stage.system.within(table)}
    counts = [verdict.counts[name] for name in own]
    different, missing = sum(each["different"] for each in counts), sum(each["missing"] for each in counts)
    columns = ["entity", "key", "column", "source", "target"]
    shown = [[each[name] for name in columns] for each in verdict.differences if each["entity"] in own]
    return not different and not missing, {
        "compared": sum(each["loaded"] for each in counts),
        "different": different,
        "missing": missing,
        "differences": markdown(columns, shown),
        "differences_path": str(verdict.path),
    }


def _gsi_members(stage: ItemStage, table: DynamoTable, surveyed: Path, dynamodb: DynamoDBResource) -> Outcome:
    client, now = dynamodb.client(), int(time.time())
    found = [
        gsi_difference(
            table,
            index,
            surveyed,
            stage.dropped,
            partial(members, client, table, index),
            stage.path / "verdict",
            now=now,
        )
        for index in table.indexes
    ]
    columns = ["index", "expected", "found", "missing", "extra", "first keys"]
    rows = [
        [m.index, m.expected, m.found, m.missing, m.extra, ", ".join((*m.missing_keys, *m.extra_keys))[:KEYS_SHOWN]]
        for m in found
    ]
    return all(each.equal for each in found), {
        "missing": sum(m.missing for m in found),
        "extra": sum(m.extra for m in found),
        "indexes": markdown(columns, rows),
    }


def _ttl_plausible(stage: ItemStage, table: DynamoTable, surveyed: Path) -> Outcome:
    if table.ttl is None:
        return True, {"ttl": "none"}
    found = expiries(table, surveyed, stage.dropped, now=int(time.time()))
    return not found.odd, {
        "ttl": table.ttl,
        "items": found.items,
        "odd": found.odd,
        "earliest": found.earliest,
        "latest": found.latest,
    }


def _item_sizes(stage: ItemStage, table: DynamoTable, surveyed: Path) -> Outcome:
    found = sizes(surveyed, stage.dropped).get(table.name)
    if found is None:
        return True, {"items": 0}
    return found.most < LARGE * MAX_ITEM_BYTES, {
        "items": found.items,
        "p99_bytes": found.p99,
        "most_bytes": found.most,
        "largest": found.largest,
    }


def _hottest_key(stage: ItemStage, table: DynamoTable, surveyed: Path) -> Outcome:
    found = [
        each
        for each in hot_share(stage.system.tables, surveyed, stage.dropped, stage.path / "verdict")
        if each.table == table.name
    ]
    rows = [[each.index or table.name, each.key, each.items, each.of, round(each.share, 4)] for each in found]
    own = [each for each in found if each.index is None]
    return all(each.share <= HOT_SHARE or each.of < 1_000 for each in own), {
        "share": max((each.share for each in own), default=0.0),
        "keys": markdown(["table or index", "key", "items", "of", "share"], rows),
    }


def _schema_matches(table: DynamoTable, dynamodb: DynamoDBResource) -> Outcome:
    found = tables.drift(dynamodb.client(), dynamodb.fitting(table), dynamodb.scaler())
    rows = [[each.kind, each.table, each.name, each.expected, each.found] for each in found]
    return not found, {
        "drift": len(found),
        "differences": markdown(["kind", "table", "name", "expected", "found"], rows),
    }
