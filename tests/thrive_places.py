"""ThriveCalc's data store in the places tests keep it: a new table of a real DynamoDB API, a folder, a new bucket."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

from assets.thrivecalc.model import USER_DATA
from assets.thrivecalc.store import UserData
from assets.thrivecalc.store.dynamodb import TableRecords
from assets.thrivecalc.store.objects import ObjectRecords
from billio_pipeline.settings import Settings
from billio_pipeline.stores import objects
from billio_pipeline.stores.dynamodb import dynamodb_client, tables
from billio_pipeline.stores.dynamodb.client_form import for_client
from billio_pipeline.stores.dynamodb.encode import encode_item
from billio_pipeline.stores.objects.aws import aws_client

ADA = "a1b2c3d4-0000-70aa-0000-0123456789ab"
START = datetime(2025, 11, 17, 10, tzinfo=UTC)


@dataclass(frozen=True)
class Place:
    """A store under test, and a way to put into it what another program might have left there."""

    store: UserData
    plant: Callable[[str, str, str, dict[str, Any]], None]


def ticking() -> Callable[[], datetime]:
    """A clock that is a second later each time it is asked."""
    seconds = count()
    return lambda: START + timedelta(seconds=next(seconds))


def at(second: int) -> str:
    return f"2025-11-17T10:00:{second:02d}.000Z"


def in_table(settings: Settings, page: int | None = None) -> Place:
    client, name = dynamodb_client(settings), f"thrive-{secrets.token_hex(6)}"
    tables.create(client, replace(USER_DATA, name=name))

    def plant(user: str, kind: str, id: str, values: dict[str, Any]) -> None:
        item = encode_item(values | {"userId": user, "recordKey": f"{kind}#{id}"})
        client.put_item(TableName=name, Item=for_client(item))

    return Place(UserData(TableRecords(client, name, page), ticking()), plant)


def in_objects(settings: Settings, location: str | Path) -> Place:
    place = objects.open_store(location, settings)

    def plant(user: str, kind: str, id: str, values: dict[str, Any]) -> None:
        place.write(f"users/{user}/{kind}/{id}.json", json.dumps({"userId": user} | values).encode())

    return Place(UserData(ObjectRecords(place), ticking()), plant)


def bucket(settings: Settings) -> str:
    name = f"thrive-{secrets.token_hex(6)}"
    aws_client("s3", settings.s3_endpoint, settings.region).create_bucket(Bucket=name)
    return name
