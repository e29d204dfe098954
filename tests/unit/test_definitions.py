"""What Dagster loads: asset keys, checks, jobs and sensors, as the architecture names them."""

from __future__ import annotations

import dagster as dg
import pytest

from billio_pipeline.definitions import defs
from billio_pipeline.report.checks import CHECKS

ENTITIES = ("Book", "VideoGame", "Feature", "TvSeries", "TvSeason")
KINDS = ("Problem", "TestCase", "SearchHistory", "UsageLog", "ScriptGenerationJob", "User", "SubscriptionPlan")
TABLES = (
    "subscription_plans", "users", "problems", "test_cases", "search_history", "script_generation_jobs", "usage_logs",
    "task_results",
)  # fmt: skip
LOADED = ("algoitny/loaded/main", "algoitny/loaded/users", "algoitny/loaded/plans", "thrivecalc/loaded/user_data")
ASSETS = {
    *(f"algoitny/snapshot/{name}" for name in TABLES),
    "algoitny/archive/source",
    "algoitny/archive/usage",
    "algoitny/counters",
    *(f"algoitny/items/{name}" for name in KINDS),
    *(f"{system}/{name}" for system in ("algoitny", "thrivecalc") for name in ("quarantine", "schema")),
    "thrivecalc/records/listing",
    "thrivecalc/items/record",
    "thrivecalc/export",
    "thrivecalc/lake/user_data",
    *LOADED,
    "billio/export",
    *(f"billio/rows/{name}" for name in ENTITIES),
    "billio/quarantine",
    "billio/schema",
    *(f"billio/loaded/{name}" for name in ENTITIES),
    "billio/items",
}
BLOCKING = {
    "algoitny/archive/usage": {"archived"},
    "algoitny/counters": {"parity"},
    **{f"algoitny/items/{name}": {"reversible"} for name in KINDS},
    "thrivecalc/items/record": {"reversible"},
    **{name: {"count", "keys", "rows_equal", "gsi_members"} for name in LOADED},
    "billio/export": {"manifest_complete"},
    **{f"billio/rows/{name}": {"reversible"} for name in ENTITIES},
    **{f"billio/loaded/{name}": {"count", "rows_equal"} for name in ENTITIES},
    "billio/items": {"references_valid", "rules_hold", "parity"},
}
WARNING = {
    "algoitny/quarantine": {"quarantine_empty"},
    "thrivecalc/quarantine": {"quarantine_empty"},
    "thrivecalc/records/listing": {"orphans"},
    "thrivecalc/export": {"exported"},
    "thrivecalc/lake/user_data": {"exported"},
    **{name: {"schema_matches", "ttl_plausible", "item_sizes", "hottest_key"} for name in LOADED},
    "billio/export": {"complete"},
    "billio/quarantine": {"quarantine_empty", "fast_share"},
    "billio/items": {"schema_matches", "series_follow_last_season", "category_derivable", "shelves_known"},
}


@pytest.fixture(scope="module")
def graph() -> dg.AssetGraph:
    return defs.resolve_asset_graph()


def test_the_graph_has_the_assets_of_the_architecture(graph: dg.AssetGraph) -> None:
    assert {key.to_user_string() for key in graph.get_all_asset_keys()} == ASSETS
    assert all(graph.get(key).group_name == key.path[0] for key in graph.get_all_asset_keys())


def test_every_check_blocks_or_warns_as_declared(graph: dg.AssetGraph) -> None:
    found: dict[bool, dict[str, set[str]]] = {True: {}, False: {}}
    for key in graph.asset_check_keys:
        node = graph.get(key)
        found[node.blocking].setdefault(key.asset_key.to_user_string(), set()).add(key.name)
    assert found[True] == BLOCKING
    assert found[False] == WARNING


def test_every_check_says_what_it_proves_and_cannot_see(graph: dg.AssetGraph) -> None:
    for key in graph.asset_check_keys:
        assert graph.get(key).description == CHECKS[key.name].description


def test_nothing_of_the_target_is_touched_before_the_rows_are_proven(graph: dg.AssetGraph) -> None:
    rows = {dg.AssetKey(["billio", "rows", name]) for name in ENTITIES}
    assert graph.get(dg.AssetKey(["billio", "schema"])).parent_keys == rows
    items = {dg.AssetKey(["algoitny", "items", name]) for name in KINDS}
    archived = {dg.AssetKey(["algoitny", "archive", "usage"])}
    assert graph.get(dg.AssetKey(["algoitny", "schema"])).parent_keys == items | archived


def test_jobs_and_sensors_are_listed() -> None:
    repository = defs.get_repository_def()
    jobs = {f"{verb}_{system}" for verb in ("migrate", "verify") for system in ("billio", "algoitny", "thrivecalc")}
    assert jobs <= {job.name for job in repository.get_all_jobs()}
    sensors = {sensor.name: sensor.default_status for sensor in repository.sensor_defs}
    expected = {"alert_on_success", "alert_on_failure", "alert_undelivered", "report_on_success", "report_on_failure"}
    assert sensors == dict.fromkeys(expected, dg.DefaultSensorStatus.RUNNING)


def test_verify_writes_nothing_of_tables_either() -> None:
    job = defs.resolve_job_def("verify_algoitny")
    written = {key.to_user_string() for key in job.asset_layer.executable_asset_keys}
    staged = {f"algoitny/snapshot/{name}" for name in TABLES} | {f"algoitny/items/{name}" for name in KINDS}
    assert written == staged | {"algoitny/quarantine"}


def test_the_lake_is_made_on_its_own() -> None:
    for verb in ("migrate", "verify"):
        layer = defs.resolve_job_def(f"{verb}_thrivecalc").asset_layer
        made = {key.to_user_string() for key in layer.executable_asset_keys}
        checked = {key.asset_key.to_user_string() for key in layer.asset_graph.asset_check_keys}
        assert not {"thrivecalc/export", "thrivecalc/lake/user_data"} & (made | checked)
        assert "thrivecalc/records/listing" in made & checked


def test_verify_writes_nothing_of_the_target() -> None:
    job = defs.resolve_job_def("verify_billio")
    written = {key.to_user_string() for key in job.asset_layer.executable_asset_keys}
    assert written == {"billio/export", "billio/quarantine", *(f"billio/rows/{name}" for name in ENTITIES)}
