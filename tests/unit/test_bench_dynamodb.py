"""The bench into DynamoDB, tiny: every line that needs no venv brings all its items; the page says what was found."""

from __future__ import annotations

import importlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import servers
from test_benchmarks_goals import run_of, sheet

from benchmarks.dynamodb import data, endpoints, report, seams, sheets
from benchmarks.dynamodb.bench import Bench
from benchmarks.dynamodb.endpoints import Endpoint
from benchmarks.dynamodb.lines import BY_NAME, LINES, WRANGLER, Line
from benchmarks.order import DSN, Order
from benchmarks.results import Results
from benchmarks.stages import Stages

ITEMS = 50
OURS = [line for line in LINES if not line.venv]
# Each module once, and each of its options; the others are the same again elsewhere.
QUICK = ("encode", "put-item", "batch-writer", "ours-4", "seams-botocore", "ours-while", "whole")


@pytest.fixture(scope="module")
def bench(postgres_server: servers.TestPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    name = postgres_server.create("template_plain")
    folder = tmp_path_factory.mktemp("bench")
    made = data.made(folder / "data", postgres_server.dsn(name), ITEMS)
    with endpoints.null() as null, endpoints.null(1.0) as slow, endpoints.embedded(folder / "ministack") as embedded:
        yield Bench(folder, made, made, {"at once": null, "after a while": slow, "embedded": embedded})
    postgres_server.drop(name)


@pytest.mark.parametrize(
    "line", [pytest.param(line, id=line.name, marks=[pytest.mark.slow] * (line.name not in QUICK)) for line in OURS]
)
def test_every_line_brings_every_item(
    bench: Bench, line: Line, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BILLIO_HOME", str(tmp_path))
    monkeypatch.setenv(DSN, bench.data.dsn)
    at = bench.endpoints.get(line.where, Endpoint("", os.getpid()))
    at.emptied()
    before = at.put() if at.url else 0
    options = {"endpoint": at.url, **line.options, "passes": 1}
    order = Order(str(bench.data.stage if line.staged else bench.data.lines), "", at.pid, options)
    stages = Stages(at.pid)
    facts = importlib.import_module(f"benchmarks.dynamodb.{line.module}").run(order, stages)
    assert facts["items"] == bench.data.items >= ITEMS
    assert next(stage.name for stage in stages.done) == "start"
    if at.url:
        assert at.put() - before == facts["items"]
    if line.module == "encoders":
        assert facts["different"] == 0
        assert all(len(spent) == 1 for spent in facts["cpu"].values())
    if line.options.get("seams"):
        assert facts["cpu"][seams.SERIALISE] > 0
        assert all(spent >= 0 for spent in facts["cpu"].values())


def test_a_run_is_a_process_of_its_own_and_one_that_loses_items_has_failed(bench: Bench) -> None:
    line = BY_NAME["batch-writer"]
    run = bench.run(line)
    assert (run.error, run.items, [stage.name for stage in run.job]) == (None, bench.data.items, ["load"])
    assert run.peak > 0
    lossy = Bench(bench.folder, bench.data, bench.small, {"at once": _Deaf(**vars(bench.endpoints["at once"]))})
    assert lossy.run(line).error == f"0 items arrived, of {bench.data.items}"


class _Deaf(Endpoint):
    def put(self) -> int:
        return 0


def test_the_page_says_what_was_found_and_why_a_peer_was_not_run() -> None:
    kept = full()
    kept.missing = {line.name: "its installation failed: no such package" for line in LINES if line.venv}
    assert report.publishable(kept)
    page = report.page(kept, 1_000)
    for line in LINES:
        if line.loads:
            assert re.search(rf"^\| {re.escape(line.label)} \|", page, re.M)
    assert page.count("**NOT RUN: its installation failed: no such package**") == sum(1 for line in LINES if line.venv)
    assert "| encoding ÷ TypeSerializer | items per CPU-second, to wire | ≥ 5.00× | 6.00× — reached |" in page
    assert "| ours ÷ the seed's script | items/s, answered at once | — | 3.00× |" in page
    assert "Of 70.0 CPU-s per 100 k items 14 % read the stage" in page
    for block in re.findall(r"(?:^\|.*\n)+", page, re.M):
        assert len({len(re.split(r"(?<!\\)\|", row)) for row in block.splitlines()}) == 1


def test_nothing_is_published_of_a_bench_that_is_not_whole() -> None:
    kept = full()
    assert not report.publishable(kept), WRANGLER
    kept.missing = {line.name: "no network" for line in LINES if line.venv}
    kept.runs["encode"][-1].facts["different"] = 1
    assert not report.publishable(kept)
    assert "encoding" in sheets.goals(kept).markdown()


def full() -> Results:
    """A sheet on which all lines without a venv have run three times; ours in a third of the script's time."""
    runs = {}
    for line in OURS:
        seconds = 1.0 if line.name.startswith("ours") else 3.0
        facts: dict = {"items": 1_000}
        if line.module == "encoders":
            cpu = {"ours, wire": [1.0], "boto3, wire": [6.0], "ours, bytes": [1.0], "boto3, bytes": [7.0]}
            facts |= {"different": 0, "cpu": cpu | {"botocore, bytes": [9.0]}}
        if line.options.get("seams"):
            parts = (seams.OURS, seams.CHECK, *seams.INNER, seams.REST)
            facts["cpu"] = dict.fromkeys(parts, 0.1)
        runs[line.name] = [run_of(1_000, facts=dict(facts), load=(seconds, 1.0, 0.1)) for _ in range(3)]
    return sheet(runs)
