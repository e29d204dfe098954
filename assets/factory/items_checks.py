"""The checks of a migration from rows to DynamoDB, one definition per stage; each says what it proves and can't see."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg

from assets.factory.checks import Outcome, check_spec, reversed_results
from assets.factory.items import table_key
from assets.factory.items_verdict import judge_items, require_tables, staged_paths
from assets.factory.run import explained, markdown, staged_items
from billio_pipeline import progress
from billio_pipeline.migrate.stage import ItemStage
from billio_pipeline.model.entity import RowSystem
from billio_pipeline.model.size import MAX_ITEM_BYTES
from billio_pipeline.model.tables import DynamoTable
from billio_pipeline.stores.dynamodb import tables
from billio_pipeline.stores.dynamodb.members import members
from billio_pipeline.verify.expiry import expiries
from billio_pipeline.verify.members import gsi_difference
from billio_pipeline.verify.reconcile import Verdict
from billio_pipeline.verify.spread import hot_share, sizes
from billio_pipeline.verify.survey import survey
from resources.dynamodb import DynamoDBResource
from resources.migration import MigrationResource

HOT_SHARE = 0.1  # of a table's items under one partition key; a partition takes 1,000 write units per second
LARGE = 0.9  # of DynamoDB's 400 KB: such an item soon takes no further update

_BLOCKING = ("count", "keys", "rows_equal", "gsi_members")
_WARNING = ("ttl_plausible", "item_sizes", "hottest_key", "schema_matches")


def rows_to_items_checks(system: RowSystem) -> list[dg.AssetChecksDefinition]:
    """All checks of `system`."""
    return [_items(system), _loaded(system)]


def _items(system: RowSystem) -> dg.AssetChecksDefinition:
    keys = {entity.name: dg.AssetKey([system.name, "items", entity.name]) for entity in system.entities}
    quarantine = dg.AssetKey([system.name, "quarantine"])
    specs = [check_spec("reversible", key, blocking=True) for key in keys.values()]

    @dg.multi_asset_check(
        name=f"{system.name}_items_checks", specs=[*specs, check_spec("quarantine_empty", quarantine)], can_subset=True
    )
    def items_checks(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        with explained():
            stage = staged_items(context, system)
        selected = context.selected_asset_check_keys
        yield from reversed_results(stage, keys, selected)
        refused = {name: c["quarantined"] for name, c in stage.summary["counts"].items() if c["quarantined"]}
        if dg.AssetCheckKey(quarantine, "quarantine_empty") in selected:
            yield dg.AssetCheckResult(
                asset_key=quarantine,
                check_name="quarantine_empty",
                passed=not refused,
                severity=dg.AssetCheckSeverity.WARN,
                metadata={"quarantined": sum(refused.values()), **refused, "path": str(stage.quarantine)},
            )

    return items_checks


def _loaded(system: RowSystem) -> dg.AssetChecksDefinition:
    keys = {table.name: dg.AssetKey([system.name, "loaded", table_key(table)]) for table in system.tables}
    items = [dg.AssetKey([system.name, "items", entity.name]) for entity in system.entities]
    specs = [
        check_spec(name, key, blocking=name in _BLOCKING, against=items)
        for key in keys.values()
        for name in (*_BLOCKING, *_WARNING)
    ]

    @dg.multi_asset_check(name=f"{system.name}_loaded_checks", specs=specs, can_subset=True)
    def loaded_checks(
        context: dg.AssetCheckExecutionContext, migration: MigrationResource, dynamodb: DynamoDBResource
    ) -> Iterator[dg.AssetCheckResult]:
        with explained():
            stage, client = staged_items(context, system), dynamodb.client()
            require_tables(client, system)
            verdict = judge_items(stage, client)
            surveyed = stage.path / "verdict" / "survey.parquet"
            survey(system.tables, staged_paths(stage), surveyed)
        selected = context.selected_asset_check_keys
        for table in system.tables:
            for name, ask in asked(stage, table, verdict, surveyed, dynamodb).items():
                if dg.AssetCheckKey(keys[table.name], name) not in selected:
                    continue
                started = time.perf_counter()
                with explained():
                    passed, metadata = ask()
                progress.tell("checks", 1, len(selected))
                yield dg.AssetCheckResult(
                    asset_key=keys[table.name],
                    check_name=name,
                    passed=passed,
                    severity=dg.AssetCheckSeverity.WARN if name in _WARNING else dg.AssetCheckSeverity.ERROR,
                    metadata={**metadata, "seconds": round(time.perf_counter() - started, 3)},
                )

    return loaded_checks


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
    shown = [[d["entity"], d["key"], "missing" if d["source"] else "extra"] for d in verdict.differences
             if d["column"] is None and (d["entity"] in own or (last and d["entity"] in strangers))]  # fmt: skip
    return not missing and not extra, {
        "missing": missing, "extra": extra, "first": markdown(["entity", "key", "is"], shown),
        "differences_path": str(verdict.path),
    }  # fmt: skip


def _rows_equal(stage: ItemStage, table: DynamoTable, verdict: Verdict) -> Outcome:
    own = {entity.name for entity in stage.system.within(table)}
    counts = [verdict.counts[name] for name in own]
    different, missing = sum(each["different"] for each in counts), sum(each["missing"] for each in counts)
    columns = ["entity", "key", "column", "source", "target"]
    shown = [[each[name] for name in columns] for each in verdict.differences if each["entity"] in own]
    return not different and not missing, {
        "compared": sum(each["loaded"] for each in counts), "different": different, "missing": missing,
        "differences": markdown(columns, shown), "differences_path": str(verdict.path),
    }  # fmt: skip


def _gsi_members(stage: ItemStage, table: DynamoTable, surveyed: Path, dynamodb: DynamoDBResource) -> Outcome:
    client, now = dynamodb.client(), int(time.time())
    found = [
        gsi_difference(
            table, index, surveyed, stage.dropped, lambda i=index: members(client, table, i),  # type: ignore[misc]
            stage.path / "verdict", now=now,
        )
        for index in table.indexes
    ]  # fmt: skip
    rows = [[m.index, m.expected, m.found, m.missing, m.extra, ", ".join((*m.missing_keys, *m.extra_keys))[:500]]
            for m in found]  # fmt: skip
    columns = ["index", "expected", "found", "missing", "extra", "first keys"]
    return all(each.equal for each in found), {
        "missing": sum(m.missing for m in found), "extra": sum(m.extra for m in found),
        "indexes": markdown(columns, rows),
    }  # fmt: skip


def _ttl_plausible(stage: ItemStage, table: DynamoTable, surveyed: Path) -> Outcome:
    if table.ttl is None:
        return True, {"ttl": "none"}
    found = expiries(table, surveyed, stage.dropped, now=int(time.time()))
    return not found.odd, {"ttl": table.ttl, "items": found.items, "odd": found.odd, "earliest": found.earliest,
                           "latest": found.latest}  # fmt: skip


def _item_sizes(stage: ItemStage, table: DynamoTable, surveyed: Path) -> Outcome:
    found = sizes(surveyed, stage.dropped).get(table.name)
    if found is None:
        return True, {"items": 0}
    return found.most < LARGE * MAX_ITEM_BYTES, {
        "items": found.items, "p99_bytes": found.p99, "most_bytes": found.most, "largest": found.largest,
    }  # fmt: skip


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
        "drift": len(found), "differences": markdown(["kind", "table", "name", "expected", "found"], rows)
    }  # fmt: skip
