"""Which failures of a run are told, in which order, and what each message says."""

from resources.evaluations import CheckRow
from resources.messages import alerts_for
from resources.redact import redact

COUNTED = {"source": 1200, "loaded": 1190, "missing": 10, "extra": 0, "different": 3, "target": 1190, "table": "| |"}


def row(check, *, passed=False, severity="ERROR", metadata=None, asset="billio/loaded/Book", **more):
    return CheckRow(asset, check, passed, severity, True, metadata or {}, **more)


def told(rows, **more):
    return alerts_for(rows, run_id="run-1", job="migrate_billio", **more)


def test_count_is_told_first_and_errors_before_warnings():
    rows = [
        row("shelves_known", severity="WARN"),
        row("rows_equal"),
        row("parity", asset="billio/items"),
        row("count", severity="WARN", asset="billio/loaded/Feature"),
        row("count", metadata=COUNTED),
    ]
    assert [(alert.severity, alert.check) for alert in told(rows)] == [
        ("ERROR", "count"),
        ("ERROR", "rows_equal"),
        ("ERROR", "parity"),
        ("WARN", "count"),
        ("WARN", "shelves_known"),
    ]


def test_a_passed_check_is_not_told():
    assert told([row("count", passed=True, metadata=COUNTED)]) == []


def test_warnings_are_left_out_when_configured_off():
    rows = [row("shelves_known", severity="WARN"), row("count")]
    assert [alert.check for alert in told(rows, warnings=False)] == ["count"]


def test_the_message_says_system_entity_and_counts():
    (alert,) = told([row("count", metadata=COUNTED)], ui_url="https://dagster.example/")
    assert (alert.system, alert.entity) == ("billio", "Book")
    assert alert.text.splitlines() == [
        "🔴 ERROR billio Book: check count failed",
        "source 1,200 · target 1,190 · missing 10 · extra 0 · loaded 1,190 · different 3",
        "run run-1 of migrate_billio",
        "https://dagster.example/runs/run-1",
    ]
    payload = alert.payload()
    assert [payload[name] for name in ("source", "target", "missing", "extra", "different")] == [1200, 1190, 10, 0, 3]


def test_a_count_that_was_not_measured_is_said_to_be_unknown():
    (alert,) = told([row("count", metadata={"source": 5, "missing": 5})])
    assert "source 5 · target unknown · missing 5 · extra unknown" in alert.text
    assert alert.payload()["target"] is None


def test_the_runs_own_failure_comes_after_failed_errors_and_before_warnings():
    rows = [row("shelves_known", severity="WARN"), row("count")]
    alerts = told(rows, failure="step items: connection lost")
    assert [alert.check for alert in alerts] == ["count", "run", "shelves_known"]
    assert "run failed" in alerts[1].text
    assert "step items: connection lost" in alerts[1].text


def test_an_asset_without_an_entity_is_named_itself():
    (alert,) = told([row("parity", asset="billio/items")])
    assert (alert.system, alert.entity) == ("billio", "items")


def test_partitions_are_told_apart():
    rows = [row("count", partition="2026-01-01"), row("count", partition="2026-01-02")]
    assert len({alert.failure for alert in told(rows)}) == 2


def test_no_secret_is_told():
    text = "at postgresql://billio:p@ss:w/rd@db.example:5432/x and https://hooks.example/T0/B0/xyz password='two words'"
    detail = row("count", description=text)
    (alert,) = told([detail], secrets=["https://hooks.example/T0/B0/xyz", None])
    for secret in ("p@ss", "w/rd", "xyz", "two words"):
        assert secret not in alert.text
    assert "db.example:5432/x" in redact("postgresql://billio:secret@db.example:5432/x")


def test_redaction_leaves_ordinary_text_alone():
    text = "12 of 30 rows differ: see https://dagster.example/runs/1?tab=checks at 10:30"
    assert redact(text) == text
