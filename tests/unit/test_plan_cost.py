"""Time and cost are arithmetic over what was measured: each line can be worked out again by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest
from staging import staged

from assets.billio.generator import generate
from assets.billio.model import SYSTEM
from billio_pipeline.plan.cost import PRICE, READ, WRITE, estimate
from billio_pipeline.plan.limits import Volume, measure
from billio_pipeline.settings import Settings
from billio_pipeline.stores.sql.ddl import tables
from billio_pipeline.stores.sql.profiles import DSQL, POSTGRES

TABLE = tables(SYSTEM, DSQL)[-1]
VOLUME = Volume(rows=1_000, row_bytes=300_000, entries=8_000, entry_bytes=1_024_000, transactions=2, billed=300_640)


def test_every_line_of_the_sum_is_bytes_times_its_factor() -> None:
    made = estimate(VOLUME, TABLE, DSQL)
    write = (300_640 + 1_024_000) * WRITE
    read = 300_000 * (len(TABLE.indexes) + 2 + 1) * READ
    assert made.dpu == pytest.approx((write + read, 2 * (write + read)))
    assert made.dollars[0] == pytest.approx((write + read) * 8 / 1e6)
    assert made.terms[0].arithmetic == "300,640 bytes × 0.00004883 = 14.68 DPU"
    assert (made.price, PRICE.region) == (PRICE, "us-east-1")


def test_a_million_billio_rows_cost_about_what_the_cost_model_says(settings: Settings) -> None:
    count = 3_000
    stage = staged(settings, list(generate(count)))
    made = estimate(measure(stage, DSQL).volume, TABLE, DSQL)
    written = sum(term.dpu for term in made.terms if term.factor == WRITE) / count * 1e6
    assert written == pytest.approx(71_500, rel=0.15)


def test_nothing_is_billed_where_nothing_is_sold() -> None:
    made = estimate(VOLUME, TABLE, POSTGRES)
    assert (made.price, made.terms, made.dollars) == (None, (), (0.0, 0.0))
    assert made.seconds[0] < made.seconds[1]


def test_an_empty_export_costs_nothing() -> None:
    made = estimate(Volume(), TABLE, DSQL)
    assert made.dpu == (0.0, 0.0)
    assert made.seconds == (0.0, 0.0)


def test_time_grows_with_the_rows() -> None:
    once, twice = (estimate(replace(VOLUME, rows=n), TABLE, DSQL).seconds for n in (1_000, 2_000))
    assert twice == pytest.approx([2 * each for each in once])
