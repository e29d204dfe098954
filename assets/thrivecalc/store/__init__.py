"""ThriveCalc's data-store API over DynamoDB or objects: `open_store()` gives a `UserData`. Migrates nothing."""

from assets.thrivecalc.store.api import RecordNotFound, UserData, open_store
from assets.thrivecalc.store.record import Record

__all__ = ["Record", "RecordNotFound", "UserData", "open_store"]
