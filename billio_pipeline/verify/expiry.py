"""When staged items expire, and which of these times can't be meant: milliseconds taken for seconds lie far off."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from billio_pipeline.duck import connect
from billio_pipeline.model.tables import DynamoTable
from billio_pipeline.verify.reconcile import MEMORY
from billio_pipeline.verify.survey import survey_view

# DynamoDB never deletes what expired more than five years ago (developer guide, "Using time to live"); as far ahead it
# is as hard to mean.
_FAR = 5 * 365 * 86_400


@dataclass(frozen=True)
class Expiries:
    """Items that expire, how many of them at an odd time, and the earliest and latest, in epoch seconds."""

    items: int
    odd: int
    earliest: int | None
    latest: int | None


def expiries(table: DynamoTable, surveyed: Path, dropped: Path, *, now: int) -> Expiries:
    """Of the surveyed items (see survey.py), less `dropped`, of one table. `now` is in epoch seconds."""
    with connect(memory=MEMORY) as db:
        survey_view(db, surveyed, dropped)
        ((items, odd, earliest, latest),) = db.execute(
            """
            SELECT count(_ttl), count(*) FILTER (abs(_ttl - $1) > $2), min(_ttl), max(_ttl)
            FROM source WHERE _table = $3
            """,
            [now, _FAR, table.name],
        ).fetchall()
    return Expiries(items, odd, earliest, latest)
