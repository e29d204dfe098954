"""The adaptive rate, against a table of known capacity on a clock of its own."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from billio_pipeline.errors import ConfigurationError
from billio_pipeline.stores.dynamodb.rate import AdaptiveRate

STEP = 25.0  # units in a request


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [0.0]
    monkeypatch.setattr("billio_pipeline.stores.dynamodb.rate.time.monotonic", lambda: now[0])
    return now


def drive(
    rate: AdaptiveRate, clock: list[float], seconds: float, capacity: float, share: Callable[[], float] = lambda: 0.0
) -> tuple[float, float]:
    """Send as fast as the rate lets us; units per second (taken, refused) by a table of `capacity` per second, which
    besides refuses a `share` for no reason."""
    began, second, used = clock[0], clock[0], 0.0
    taken = refused = 0.0
    while clock[0] - began < seconds:
        clock[0] += max(rate.pay(STEP), 0.001)
        if clock[0] - second >= 1.0:
            second, used = clock[0], 0.0
        fits = min(STEP, max(0.0, capacity - used)) * (1.0 - share())
        used += fits
        rate.answered(fits, STEP - fits)
        taken, refused = taken + fits, refused + STEP - fits
    return taken / seconds, refused / seconds


def test_a_table_that_takes_a_tenth_soon_gets_little_more_and_is_still_used(clock):
    rate = AdaptiveRate(4_000)
    drive(rate, clock, 5, capacity=400)
    taken, refused = drive(rate, clock, 60, capacity=400)
    assert taken > 0.8 * 400
    assert refused < 0.15 * 400


def test_the_pace_recovers_once_the_table_takes_more(clock):
    rate = AdaptiveRate(4_000)
    drive(rate, clock, 10, capacity=400)
    drive(rate, clock, 60, capacity=4_000)
    taken, _ = drive(rate, clock, 20, capacity=4_000)
    assert taken > 0.8 * 4_000


def test_a_cap_is_never_exceeded(clock):
    rate = AdaptiveRate(4_000, most=100)
    taken, _ = drive(rate, clock, 100, capacity=1e9)
    assert 95 < taken <= 101  # the bucket's first second comes on top


def test_refusals_that_a_slower_pace_does_not_lessen_do_not_slow_it_down(clock):
    rate = AdaptiveRate(1_000, most=1_000)
    taken, refused = drive(rate, clock, 60, capacity=1e9, share=lambda: 0.3)
    assert taken + refused > 0.9 * 1_000


def test_a_pace_is_a_number_above_zero(clock):
    for wrong in (0, -1, float("nan")):
        with pytest.raises(ConfigurationError, match="write units/s"):
            AdaptiveRate(4_000, most=wrong)
