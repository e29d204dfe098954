"""The terminal's bars show items per second, the time left and how often a transaction was repeated."""

from __future__ import annotations

import io
import logging

import psycopg
import pytest
from rich.console import Console

from billio_pipeline import logs, progress
from billio_pipeline.cli.run import RETRIES, bars
from billio_pipeline.stores.retry import Backoff, Retries
from billio_pipeline.stores.sql.retry import repeat


def conflicts(times: int, result: str) -> str:
    """`result`, after that many conflicts borne by the product's own retry loop."""
    left = [times]

    def work() -> str:
        if left[0]:
            left[0] -= 1
            raise psycopg.errors.SerializationFailure("conflict")
        return result

    return repeat(work, retries=Retries(), what="test", backoff=Backoff(first=0.0))


def test_bars_show_the_rate_the_time_and_the_retries() -> None:
    screen = io.StringIO()
    with bars(Console(file=screen, force_terminal=True, width=140, color_system=None)):
        progress.tell("load", 500, 1_000)
        assert conflicts(3, "done") == "done"
        progress.tell("load", 500, 1_000)
    last = [line for line in screen.getvalue().splitlines() if "load" in line][-1]
    assert "1000/1000" in last
    assert "/s" in last
    assert "0:00:0" in last
    assert "3 retries" in last


def test_a_retry_that_is_counted_is_said_only_when_its_level_is(caplog: pytest.LogCaptureFixture) -> None:
    told: list[int] = []
    logger = logging.getLogger(RETRIES)
    before = logger.level
    with logs.heard(RETRIES, lambda: told.append(1)):
        conflicts(2, "done")
    assert len(told) == 2
    assert not caplog.records
    assert (logger.level, logger.filters) == (before, [])
