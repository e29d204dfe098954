"""A system's DynamoDB tables as commands reach them, and the folder such a command works in."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from billio_pipeline.cli.systems import system_named, systems
from billio_pipeline.errors import ConfigurationError
from billio_pipeline.model.entity import RowSystem
from billio_pipeline.settings import Settings
from billio_pipeline.stores.dynamodb.client import dynamodb_client


def row_system_named(name: str, only: tuple[str, ...] = ()) -> RowSystem:
    """The system of that name, whose target is DynamoDB; one of `only`, if given. Raises ConfigurationError."""
    system = system_named(name)
    known = only or tuple(each.name for each in systems().values() if isinstance(each, RowSystem))
    if not isinstance(system, RowSystem) or name not in known:
        raise ConfigurationError(f"{name} can't be named here", remedy=f"Name one of: {', '.join(known)}.")
    return system


def reached(settings: Settings) -> Settings:
    """The settings with the DynamoDB endpoint that is meant: the one configured, else the embedded stack's."""
    from billio_pipeline.local.resolve import resolve_dynamodb

    return replace(settings, dynamodb_endpoint=resolve_dynamodb(settings))


def loaded_tables(system: RowSystem, settings: Settings) -> Any:
    """A client that reaches all tables of the system. Raises ConfigurationError when one isn't there."""
    from assets.factory.items_verdict import require_tables

    client = dynamodb_client(settings)
    require_tables(client, system)
    return client


@contextmanager
def work_folder(settings: Settings, what: str) -> Iterator[Path]:
    """A new folder below our home, removed at the end. Raises ConfigurationError when there can't be one."""
    above = settings.home / what
    try:
        above.mkdir(parents=True, exist_ok=True)
        folder = tempfile.TemporaryDirectory(dir=above)
    except OSError as error:
        raise ConfigurationError(
            f"can't write to {above}: {error}", remedy="Set BILLIO_HOME to a folder with room."
        ) from error
    with folder as name:
        yield Path(name)
