"""The checks of a migration from an export to SQL, one definition per stage; each says what it proves and can't see."""

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

import dagster as dg

from assets.factory.parity import ParityCase
from assets.factory.run import explained, markdown, stage_of
from assets.factory.verdict import judge, require_table
from billio_pipeline import progress
from billio_pipeline.migrate.reverse import reversed_rows
from billio_pipeline.migrate.stage import Stage
from billio_pipeline.model.entity import System
from billio_pipeline.report.checks import CHECKS
from billio_pipeline.settings import Settings
from billio_pipeline.stores.sql import integrity
from billio_pipeline.stores.sql.drift import drift
from billio_pipeline.stores.sql.target import Target
from billio_pipeline.verify.reconcile import Verdict
from resources.dynamodb import DynamoDBResource
from resources.migration import MigrationResource
from resources.sql import SqlTargetResource

# Below this share of lines decoded by the fast path, a run takes long without need.
FAST_SHARE = 0.9
SHOWN = 20  # examples in a check's metadata

Outcome = tuple[bool, dict[str, Any]]
# A system's own checks of its finished table: name → what it finds, given the open target, the stage, the resources.
TableCheck = Callable[[Target, Stage, MigrationResource, DynamoDBResource], Outcome]


def check_spec(
    name: str, asset: dg.AssetKey, *, blocking: bool = False, against: Iterable[dg.AssetKey] = ()
) -> dg.AssetCheckSpec:
    """A check's specification, with the sentences that say what it proves. `against`: what else it reads."""
    return dg.AssetCheckSpec(
        name, asset=asset, blocking=blocking, additional_deps=list(against), description=CHECKS[name].description
    )


def export_to_sql_checks(
    system: System, errors: dict[str, TableCheck], warnings: dict[str, TableCheck]
) -> list[dg.AssetChecksDefinition]:
    """All checks of `system`; `errors` (blocking) and `warnings` are its own, on the finished table."""
    return [_rows(system), _loaded(system), _table(system, errors, warnings)]


def _key(result: dg.AssetCheckResult) -> dg.AssetCheckKey:
    assert result.asset_key is not None
    assert result.check_name is not None
    return dg.AssetCheckKey(result.asset_key, result.check_name)


def _row_keys(system: System) -> list[dg.AssetKey]:
    return [dg.AssetKey([system.name, "rows", entity.name]) for entity in system.entities]


def _rows(system: System) -> dg.AssetChecksDefinition:
    quarantine = dg.AssetKey([system.name, "quarantine"])
    export = dg.AssetKey([system.name, "export"])
    reversible = [
        check_spec("reversible", dg.AssetKey([system.name, "rows", entity.name]), blocking=True)
        for entity in system.entities
    ]
    others = [
        check_spec("quarantine_empty", quarantine),
        check_spec("fast_share", quarantine),
        check_spec("complete", export),
    ]

    @dg.multi_asset_check(name=f"{system.name}_rows_checks", specs=[*reversible, *others], can_subset=True)
    def rows_checks(
        context: dg.AssetCheckExecutionContext, migration: MigrationResource
    ) -> Iterator[dg.AssetCheckResult]:
        with explained():
            stage = stage_of(context, system, migration)
        selected = context.selected_asset_check_keys
        rows = {entity.name: dg.AssetKey([system.name, "rows", entity.name]) for entity in system.entities}
        results = [*reversed_results(stage, rows, selected), *_staged(system, stage, quarantine, export)]
        yield from (each for each in results if _key(each) in selected)

    return rows_checks


def reversed_results(
    stage: Stage, keys: Mapping[str, dg.AssetKey], selected: Collection[dg.AssetCheckKey]
) -> Iterator[dg.AssetCheckResult]:
    """The check `reversible` on the assets of these entities, as far as they are selected."""
    wanted = [name for name, key in keys.items() if dg.AssetCheckKey(key, "reversible") in selected]
    started, files, workers = time.perf_counter(), stage.files(), Settings.from_env().workers
    for name, found in reversed_rows(
        stage, wanted, workers=workers, progress=lambda rows: progress.tell("rebuild", rows)
    ).items():
        examples = [[files[file], line, why] for file, line, why in found.examples]
        yield dg.AssetCheckResult(
            asset_key=keys[name],
            check_name="reversible",
            passed=found.failed == 0,
            metadata={
                "rows": found.rows,
                "failed": found.failed,
                "examples": markdown(["file", "line", "why"], examples),
                "seconds": round(time.perf_counter() - started, 3),
            },
        )


def _staged(
    system: System, stage: Stage, quarantine: dg.AssetKey, export: dg.AssetKey
) -> Iterator[dg.AssetCheckResult]:
    summary = stage.summary
    yield quarantine_empty(stage, quarantine)
    items = summary["export"]["items"]
    share = summary["fast"] / items if items else 1.0
    yield dg.AssetCheckResult(
        asset_key=quarantine,
        check_name="fast_share",
        passed=share >= FAST_SHARE,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"fast_share": share, "fast": summary["fast"], "items": items, "wanted": FAST_SHARE},
    )
    yield dg.AssetCheckResult(
        asset_key=export,
        check_name="complete",
        passed=bool(summary["complete"]),
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "kind": summary["kind"],
            "why": "a table export counts its own items"
            if summary["complete"]
            else "a backup read through an index can't prove that it holds every item",
        },
    )


def _loaded(system: System) -> dg.AssetChecksDefinition:
    keys = {entity.name: dg.AssetKey([system.name, "loaded", entity.name]) for entity in system.entities}
    rows = _row_keys(system)
    specs = [
        check_spec(name, key, blocking=True, against=rows) for key in keys.values() for name in ("count", "rows_equal")
    ]

    @dg.multi_asset_check(name=f"{system.name}_loaded_checks", specs=specs, can_subset=True)
    def loaded_checks(
        context: dg.AssetCheckExecutionContext, migration: MigrationResource, target: SqlTargetResource
    ) -> Iterator[dg.AssetCheckResult]:
        started = time.perf_counter()
        with explained(), target.open() as opened:
            stage = stage_of(context, system, migration)
            verdict = judge(stage, opened)
        seconds = round(time.perf_counter() - started, 3)
        selected = context.selected_asset_check_keys
        for name, key in keys.items():
            for result in (_count(key, name, stage, verdict), _rows_equal(key, name, verdict, seconds)):
                if _key(result) in selected:
                    yield result

    return loaded_checks


def _count(key: dg.AssetKey, entity: str, stage: Stage, verdict: Verdict) -> dg.AssetCheckResult:
    staged, found = stage.summary["counts"][entity], verdict.counts[entity]
    counts = {
        "source": staged["source"],
        "loaded": found["loaded"],
        "quarantined": staged["quarantined"],
        "excluded": staged["excluded"],
        "missing": found["missing"],
        "extra": found["extra"],
        "different": found["different"],
        "target": found["target"],
    }
    accounted = counts["loaded"] + counts["missing"] + counts["quarantined"] + counts["excluded"]
    return dg.AssetCheckResult(
        asset_key=key,
        check_name="count",
        passed=accounted == counts["source"] and not counts["missing"] and not counts["extra"],
        metadata={**counts, "counts": markdown(["entity", *counts], [[entity, *counts.values()]])},
    )


def _rows_equal(key: dg.AssetKey, entity: str, verdict: Verdict, seconds: float) -> dg.AssetCheckResult:
    counts = verdict.counts[entity]
    shown = [each for each in verdict.differences if each["entity"] == entity]
    columns = ["key", "column", "source", "target"]
    return dg.AssetCheckResult(
        asset_key=key,
        check_name="rows_equal",
        passed=counts["different"] == 0 and counts["missing"] == 0,
        metadata={
            "compared": counts["loaded"],
            "mode": verdict.mode,
            "different": counts["different"],
            "missing": counts["missing"],
            "differences": markdown(columns, [[each[name] for name in columns] for each in shown]),
            "differences_path": str(verdict.path),
            "seconds": seconds,
        },
    )


def _table(system: System, errors: dict[str, TableCheck], warnings: dict[str, TableCheck]) -> dg.AssetChecksDefinition:
    key = dg.AssetKey([system.name, system.target.name])
    blocking: dict[str, TableCheck] = {"references_valid": references_valid, "rules_hold": rules_hold, **errors}
    warning: dict[str, TableCheck] = {"schema_matches": schema_matches, **warnings}
    rows = _row_keys(system)
    specs = [check_spec(n, key, blocking=n in blocking, against=rows) for n in (*blocking, *warning)]

    @dg.multi_asset_check(name=f"{system.name}_{system.target.name}_checks", specs=specs, can_subset=True)
    def table_checks(
        context: dg.AssetCheckExecutionContext,
        migration: MigrationResource,
        target: SqlTargetResource,
        dynamodb: DynamoDBResource,
    ) -> Iterable[dg.AssetCheckResult]:
        with explained(), target.open() as opened:
            require_table(opened, system)
            stage = stage_of(context, system, migration)
            for name, check in {**blocking, **warning}.items():
                if dg.AssetCheckKey(key, name) not in context.selected_asset_check_keys:
                    continue
                started = time.perf_counter()
                try:
                    passed, metadata = check(opened, stage, migration, dynamodb)
                except Exception as error:  # a value altered by hand can break any question: that is its answer
                    passed, metadata = False, {"error": f"{type(error).__name__}: {error}"}
                progress.tell("checks", 1, len(blocking) + len(warning))
                yield dg.AssetCheckResult(
                    asset_key=key,
                    check_name=name,
                    passed=passed,
                    severity=dg.AssetCheckSeverity.WARN if name in warning else dg.AssetCheckSeverity.ERROR,
                    metadata={**metadata, "seconds": round(time.perf_counter() - started, 3)},
                )

    return table_checks


def references_valid(target: Target, stage: Stage, *_: object) -> Outcome:
    declared = [reference.name for reference in stage.system.target.references]
    return _integrity(target, stage, integrity.broken_references, declared)


def rules_hold(target: Target, stage: Stage, *_: object) -> Outcome:
    declared = [check.name for check in stage.system.target.checks]
    return _integrity(target, stage, integrity.broken_rules, declared)


def _integrity(
    target: Target, stage: Stage, ask: Callable[..., list[integrity.Broken]], declared: list[str]
) -> Outcome:
    with target.connection() as connection:
        broken = ask(connection, stage.system)
        pending = integrity.unvalidated(connection, declared, stage.system.target.name)
    table = markdown(["rule", "rows", "first keys"], [[each.rule, each.rows, ", ".join(each.keys)] for each in broken])
    metadata = {"rows": sum(each.rows for each in broken), "broken": table, "not_validated": ", ".join(pending)}
    return not broken and not pending, metadata


def schema_matches(target: Target, stage: Stage, *_: object) -> Outcome:
    found = drift(target, stage.system)
    rows = [[each.kind, each.table, each.name, each.expected, each.found] for each in found]
    return not found, {
        "drift": len(found),
        "differences": markdown(["kind", "table", "name", "expected", "found"], rows),
    }


def parity_outcome(cases: Sequence[ParityCase]) -> Outcome:
    """Whether all questions were answered alike, and what a check tells of them."""
    wrong = [case for case in cases if not case.equal]
    rows = [[case.pattern, case.arguments, case.note, case.expected, case.found] for case in wrong[:SHOWN]]
    return not wrong, {
        "questions": len(cases),
        "different": len(wrong),
        "patterns": dict(Counter(case.pattern for case in cases)),
        "examples": markdown(["pattern", "arguments", "note", "expected", "found"], rows),
    }


def quarantine_empty(stage: Stage, quarantine: dg.AssetKey) -> dg.AssetCheckResult:
    """The warning that something was refused."""
    counts = stage.summary["counts"]
    refused = {name: each["quarantined"] for name, each in counts.items() if each["quarantined"]}
    return dg.AssetCheckResult(
        asset_key=quarantine,
        check_name="quarantine_empty",
        passed=not refused,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"quarantined": sum(refused.values()), **refused, "path": str(stage.quarantine)},
    )
