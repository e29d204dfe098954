"""ThriveCalc's data store as the application uses it: one behaviour over a DynamoDB table or a tree of JSON objects."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol
from uuid import uuid4

from assets.thrivecalc.model import USER_DATA
from assets.thrivecalc.places import Places
from assets.thrivecalc.store.dynamodb import TableRecords
from assets.thrivecalc.store.objects import ObjectRecords
from assets.thrivecalc.store.record import TYPE, USER, Key, Record, checked, data_wire, named
from billio_pipeline.errors import InputError
from billio_pipeline.settings import Settings
from billio_pipeline.stores import objects
from billio_pipeline.stores.dynamodb import dynamodb_client
from billio_pipeline.stores.dynamodb.encode import Wire


class RecordNotFound(InputError):
    """An update names a record that isn't there."""

    code = "no_such_record"
    remedy = "Save it first; it may have been deleted, or be another user's or type's."


class Records(Protocol):
    """Where records are kept. Names were checked, `data` is exact; `now` is the ISO text of the write."""

    def read(self, key: Key) -> Record | None: ...

    def listed(self, user_id: str, data_type: str | None) -> list[Record]:
        """All of the user's records, or all of one type, in any order."""

    def save(self, key: Key, data: Wire, now: str) -> None: ...

    def update(self, key: Key, data: Wire, now: str) -> bool:
        """Whether there was such a record."""

    def remove(self, key: Key) -> bool:
        """Whether there was such a record."""


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class UserData:
    """Users' records, wherever they are kept; safe to share between threads. Each method also has the camelCase name
    of the application's own data store.

    Names (user, type, id) are taken letter by letter, `Ada@x.org` and `ada@x.org` being two users. All methods raise
    InputError for a name no store may keep and for something found that is no record, TransientError when the store
    doesn't answer after several tries. `clock` gives the aware time of a write.
    """

    records: Records
    clock: Callable[[], datetime] = _now

    def save_user_data(self, user_id: str, data_type: str, data: object, record_id: str | None = None) -> str:
        """Keep `data` as a record, a new one unless `record_id` names one that is there; returns its id.

        A record that was there keeps its createdAt and whatever else is beside `data`. Raises InputError for a float
        anywhere in `data`, for what JSON can't hold, and for more than 400 KB.
        """
        key = named(user_id, data_type, str(uuid4()) if record_id is None else record_id)
        self.records.save(key, data_wire(data), self._moment())
        return key.record_id

    def get_user_data(self, user_id: str, data_type: str, record_id: str) -> Record | None:
        """The record, or None."""
        return self.records.read(named(user_id, data_type, record_id))

    def list_user_data(self, user_id: str, data_type: str) -> list[Record]:
        """Every record of exactly that type, however many, by id (code points)."""
        found = self.records.listed(checked(USER, user_id), checked(TYPE, data_type))
        return sorted(found, key=lambda record: record.key)

    def list_all_user_data(self, user_id: str) -> list[Record]:
        """Every record of the user, however many, by type, then id (code points)."""
        return sorted(self.records.listed(checked(USER, user_id), None), key=lambda record: record.key)

    def update_user_data(self, user_id: str, data_type: str, record_id: str, data: object) -> None:
        """Replace the record's `data` whole; createdAt and whatever else is beside it stays.

        Raises RecordNotFound when there is no such record, else as `save_user_data`.
        """
        key = named(user_id, data_type, record_id)
        if not self.records.update(key, data_wire(data), self._moment()):
            raise RecordNotFound(f"there is no {key}")

    def delete_user_data(self, user_id: str, data_type: str, record_id: str) -> bool:
        """Remove the record; whether there was one."""
        return self.records.remove(named(user_id, data_type, record_id))

    def _moment(self) -> str:
        return self.clock().astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

    saveUserData = save_user_data
    getUserData = get_user_data
    listUserData = list_user_data
    listAllUserData = list_all_user_data
    updateUserData = update_user_data
    deleteUserData = delete_user_data


def open_store(
    env: Mapping[str, str] | None = None,
    *,
    location: str | Path | None = None,
    settings: Settings | None = None,
    clock: Callable[[], datetime] = _now,
) -> UserData:
    """The store that is meant; connects to nothing yet.

    The objects at `location` (a folder or s3://bucket/prefix) if given; else the table a variable names; else the
    objects a variable names; else the table `thrivecalc-user-data`. `settings` holds endpoints and region, read from
    `env` (by default the process's environment) unless given. Raises InputError or ConfigurationError for a setting
    that can't work.
    """
    places = Places.from_env(env)
    settings = settings or Settings.from_env(env)
    place = location or (None if places.table else places.location)
    if place is not None:
        return UserData(ObjectRecords(objects.open_store(place, settings)), clock)
    return UserData(TableRecords(dynamodb_client(settings), places.table or USER_DATA.name), clock)
