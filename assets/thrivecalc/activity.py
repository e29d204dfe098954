"""A day of ThriveCalc: what a daily active user does, and the requests its data store makes for it.

The seed says nothing about its users but what a thousand of them cost: all numbers are assumptions of ours.
"""

from decimal import Decimal

from assets.thrivecalc.model import RECORD
from billio_pipeline.plan.activity import Activity, Event, Read, Write

_ONE = Read({RECORD.name: 1})


def _event(name: str, times: str, *steps: Read | Write) -> Event:
    return Event(name, steps, per_user=Decimal(times))


ACTIVITY = Activity(
    (
        _event("get a record", "20", _ONE),
        _event("list a type", "10", Read({RECORD.name: 8})),
        _event("list all", "3", Read({RECORD.name: 30})),
        _event("save a new record", "1", Write(RECORD.name, new=True)),
        _event("update a record", "6", Write(RECORD.name)),
        # A save of what is there is refused by its condition, which takes units too, and becomes an update.
        _event("save one that is there", "2", Write(RECORD.name, indexed=False), Write(RECORD.name)),
        _event("delete a record", "0.2", Write(RECORD.name)),
    )
)
