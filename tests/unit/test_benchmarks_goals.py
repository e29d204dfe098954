"""What the bench divides by what: medians, ratios, goals, a hundred million items by arithmetic; no server, no peer."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from benchmarks import goals, hundred_million, results
from benchmarks.competitors import COMPETITORS
from benchmarks.goals import GOALS, Goal
from benchmarks.measure import Run
from benchmarks.results import Results
from benchmarks.stages import StageTime


def run_of(
    items: int, *, error: str | None = None, facts: dict | None = None, **stages: tuple[float, float, float]
) -> Run:
    """A run whose stages took (wall, client CPU, server CPU) seconds, one after another."""
    clock, made = 100.0, []
    for name, (wall, client, server) in stages.items():
        made.append(StageTime(name, clock, clock + wall, client, server, peak=5 << 20))
        clock += wall
    return Run(items, made, peak=50 << 20, facts=facts or {}, error=error)


def sheet(runs: dict[str, list[Run]], items: int = 1_000) -> Results:
    machine = {"cores": 2, "processor": "one", "memory_gib": 8, "python": "3.11.7", "system": "Linux x86_64"}
    volume = {
        "rows": 1_000, "row_bytes": 300_000, "entries": 8_000, "entry_bytes": 1_024_000, "transactions": 2,
        "billed": 300_640,
    }  # fmt: skip
    server = {"server_version": "18.6", "fsync": "on"}
    return Results(items, items, "0" * 16, "abc", machine, server, 1 << 20, 3, "2026-11-21", runs, volume=volume)


def test_the_start_is_no_part_of_a_job() -> None:
    run = run_of(10, start=(5.0, 4.0, 0.0), load=(2.0, 1.0, 0.5), indexes=(1.0, 0.1, 0.9))
    assert (run.wall, run.cpu) == (pytest.approx(3.0), pytest.approx(2.5))


def test_medians_are_over_the_runs_that_went_through() -> None:
    kept = sheet({"copy": [run_of(1_000, load=(s, 1.0, 1.0)) for s in (1.0, 2.0, 4.0)] + [run_of(1_000, error="no")]})
    assert kept.rate("copy") == 500.0
    assert kept.cpu("copy") == pytest.approx(2_000.0)
    assert kept.cpu("copy", side="server") == pytest.approx(1_000.0)
    assert kept.cpu("copy", "no such stage") == 0.0
    assert kept.rate("floor") is None


def test_one_stage_in_several_pieces_counts_as_one() -> None:
    run = run_of(1_000, load=(1.0, 1.0, 0.0))
    run.stages.append(StageTime("load", 200.0, 201.0, 0.5, 0.5))
    kept = sheet({"our-copy": [run]})
    assert kept.stage_names("our-copy") == ["load"]
    assert kept.wall("our-copy", "load") == pytest.approx(2.0)


def test_what_has_no_figures_says_why() -> None:
    kept = sheet({"dlt": [run_of(1, error="exit code 1: out of luck")]})
    kept.missing["sling"] = "its installation failed: no such package"
    assert kept.trouble("dlt") == "failed: exit code 1: out of luck"
    assert kept.trouble("sling") == "not run: its installation failed: no such package"
    assert kept.trouble("floor") == "not run: not asked for"


def test_results_come_back_from_their_file_as_they_were(tmp_path: Path) -> None:
    kept = sheet({"copy": [run_of(1_000, load=(1.0, 1.0, 1.0), facts={"rows": 1_000})]})
    kept.save(tmp_path / "deep" / "results.json")
    assert results.load(tmp_path / "deep" / "results.json") == kept
    assert results.load(tmp_path / "none.json") is None


def test_goals_are_ratios_of_the_job_with_all_checks() -> None:
    job = run_of(1_000, decode=(1.0, 2.0, 0.0), rows_equal=(0.5, 0.2, 0.1), reversible=(0.5, 1.7, 0.0))
    kept = sheet({"ours-checks": [job], "sling": [run_of(100, load=(0.5, 1.0, 1.0))]})
    found = {goal.what: goal for goal in GOALS}
    assert found["the job ÷ sling"].find(kept) == pytest.approx(500 / 200)
    assert found["the job ÷ sling"].reached(kept) is True
    assert found["rows_equal"].find(kept) == pytest.approx(0.3 / 4.0)
    assert found["reversible"].told(kept) == "42.5 % — **not reached**"
    assert found["the job ÷ dlt, arrow"].told(kept) == "not measured"
    assert found["archive ÷ COPY BINARY"].told(kept) == "not part of this migration"


def test_a_goal_met_exactly_is_reached() -> None:
    kept = sheet({})
    assert Goal("x", "", lambda _: 7.0, least=7).reached(kept) is True
    assert Goal("x", "", lambda _: 1.4, most=1.4).reached(kept) is True
    assert Goal("x", "", lambda _: 1.41, most=1.4).reached(kept) is False
    assert Goal("x", "", lambda _: 3.0).told(kept) == "3.00×"


def test_copy_and_decoder_ratios_divide_the_right_way_round() -> None:
    parts = run_of(1_000, **{
        "TypeDeserializer": (1.0, 4.0, 0.0), "our decoder": (1.0, 1.0, 0.0),
        "one process": (4.0, 4.0, 0.0), "two processes": (2.0, 4.0, 0.0),
    })  # fmt: skip
    kept = sheet(
        {
            "parts": [parts],
            "our-copy": [run_of(1_000, load=(1.0, 1.0, 2.0))],
            "copy": [run_of(1_000, load=(1.0, 0.5, 2.0), indexes=(9.0, 9.0, 9.0))],
        }
    )
    assert goals.decode_over_boto3(kept) == pytest.approx(4.0)
    assert goals.two_over_one(kept) == pytest.approx(2.0)
    assert goals.copy_over_psql(kept) == pytest.approx(3.0 / 2.5)


def test_every_goal_names_competitors_that_exist() -> None:
    """A goal about a competitor that was renamed would stay `not measured` for ever."""
    everything = {each.name: [run_of(1_000, load=(1.0, 1.0, 1.0))] for each in COMPETITORS}
    parts = ("our decoder", "TypeDeserializer", "one process", "two processes")
    everything["parts"] = [run_of(1_000, **dict.fromkeys(parts, (1.0, 1.0, 0.0)))]
    everything["ours"] = [run_of(1_000, load=(1.0, 1.0, 1.0), facts={"fast": 1, "items": 1})]
    everything["ours-checks"] = [run_of(1_000, rows_equal=(1.0, 1.0, 1.0), reversible=(1.0, 1.0, 0.0))]
    everything["ours-checks"][0].peak_worker = 1 << 20
    unmeasured = {goal.what for goal in GOALS if goal.find(sheet(everything)) is None}
    assert unmeasured == {"archive ÷ COPY BINARY"}


def test_what_does_not_grow_is_told_from_two_sizes() -> None:
    assert hundred_million.fixed_part((100, 5.0), (1_100, 15.0)) == pytest.approx(4.0)
    assert hundred_million.fixed_part((100, 5.0), (1_000, 4.0)) == 4.0  # nothing of it grows
    assert hundred_million.fixed_part((100, 1.0), (1_000, 20.0)) == 0.0
    assert hundred_million.fixed_part((100, 5.0), (100, 5.0)) == 0.0


def test_a_hundred_million_items_are_the_parts_multiplied() -> None:
    line = hundred_million.Line("load", 12.0, 1_000_000, fixed=2.0)
    assert line.total == pytest.approx(2 + 10 * 100)
    assert line.arithmetic == "2.00 s + 10.00 s × 100,000,000 / 1,000,000 = 1,002 s"
    assert hundred_million.Line("indexes", 10.0, 1_000_000).total == pytest.approx(
        1_000 * math.log2(1e8) / math.log2(1e6)
    )


def test_the_cost_is_the_plans_arithmetic_over_scaled_bytes() -> None:
    measured = sheet({}).volume
    once, made = hundred_million.cost({**measured, "rows": hundred_million.ITEMS}), hundred_million.cost(measured)
    assert made.dpu[0] == pytest.approx(once.dpu[0] * 100_000, rel=1e-3)
    assert made.price is not None
