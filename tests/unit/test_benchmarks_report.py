"""The bench's page: every competitor has its line or says why not, every figure its command; the picture is an SVG."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest
from test_benchmarks_goals import run_of, sheet

from benchmarks import plot, report, tables
from benchmarks.competitors import COMPETITORS
from benchmarks.results import Results

DECODING = ("read", "read and decode", "one process", "two processes", "our decoder", "TypeDeserializer")


def full(items: int = 200_000, seconds: float = 2.0) -> Results:
    """A sheet on which everything has run three times."""
    runs = {}
    for each in COMPETITORS:
        facts = {"found": 60, "planted": 60, "fast": 95, "items": 100, "lines": 40_000, "startup_wall": 7.5}
        stages = {"load": (seconds, 1.0, 1.0), "indexes": (1.0, 0.0, 1.0)}
        if each.name == "parts":
            stages = {name: (seconds, 1.0 + place, 0.0) for place, name in enumerate(DECODING)}
        elif each.kind == "verify":
            stages = {"verify": (seconds, 1.0, 1.0)}
        runs[each.name] = [run_of(items, facts=facts, **stages) for _ in range(3)]
    return sheet(runs, items)


def test_every_competitor_has_a_line_with_the_command_that_makes_it() -> None:
    text = report.page([full()])
    for each in (each for each in COMPETITORS if each.kind != "parts"):
        assert re.search(
            rf'^\| {re.escape(each.label).replace("|", ".")} \|.*`make bench ONLY="{each.name}"`', text, re.M
        )
    assert 'ONLY="parts"' in text
    assert "<built-in" not in text


def test_another_size_is_in_its_commands() -> None:
    assert tables.command(full(1_000_000), "copy") == '`make bench SIZE=1000000 ONLY="copy"`'
    assert tables.command(full(), "copy") == '`make bench ONLY="copy"`'


def test_a_peer_that_is_missing_or_failed_is_said_in_its_place() -> None:
    kept = full()
    del kept.runs["sling"]
    kept.missing["sling"] = "its installation failed: no such package"
    kept.runs["dlt"] = [run_of(1, error="exit code 1: a | b\nc")]
    text = report.page([kept])
    assert re.search(r"^\| sling .*\*\*not run: its installation failed: no such package\*\*", text, re.M)
    assert re.search(r"^\| dlt, default .*\*\*failed: exit code 1: a \\\| b c\*\*", text, re.M)
    assert "sling" not in report.picture(kept, kept)


@pytest.mark.parametrize("several", [[200_000], [200_000, 1_000_000]])
def test_all_tables_have_as_many_cells_as_columns(several: list[int]) -> None:
    text = report.page([full(size, size / 100_000) for size in several])
    for block in re.findall(r"(?:^\|.*\n)+", text, re.M):
        assert len({len(re.split(r"(?<!\\)\|", line)) for line in block.splitlines()}) == 1
    assert text.count("## Goals") == 1
    assert all(f"## {size:,} items" in text for size in several)


def test_the_page_names_region_and_date_of_the_prices() -> None:
    text = report.page([full()])
    assert "us-east-1, 2026-11-21" in text
    assert "× $8.00 per million DPU" in text


def test_the_terminal_shows_goals_and_fast_share() -> None:
    text = report.terminal(full())
    assert "| fast_share | lines decoded by the fast path | ≥ 90 % | 95 % — reached |" in text
    assert "7.5 s of it are its start-up" in text


def test_the_picture_is_well_formed_and_shows_labels_as_they_are() -> None:
    root = ElementTree.fromstring(report.picture(full(), full(1_000_000)))
    words = {element.text for element in root.iter("{http://www.w3.org/2000/svg}text")}
    assert {"psql \\copy BINARY", "ours, all checks", "billio migrate"} <= words
    shapes, _ = plot.bars("a < b & c", [("<x>", 2.0, "red"), ("y", 1.0, "red")])
    bars = ElementTree.fromstring(plot.drawing((shapes, 100))).iter("{http://www.w3.org/2000/svg}rect")
    widths = [float(bar.get("width", "0")) for bar in bars if bar.get("fill") == "red"]
    assert widths[0] == pytest.approx(2 * widths[1])


@pytest.mark.parametrize(
    ("seconds", "told"), [(12.4, "12 s"), (89, "89 s"), (240, "4 min"), (4_980, "1 h 23 min"), (3_599, "1 h 0 min")]
)
def test_durations_read_as_people_say_them(seconds: float, told: str) -> None:
    assert tables.duration(seconds) == told
