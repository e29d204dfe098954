"""A system's DynamoDB tables emptied for a restart: dropped, made anew as declared, and forgotten by the ledger.

Nothing else of the target is touched, and nothing of the source or an archive.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

from billio_pipeline.errors import ConfigurationError
from billio_pipeline.model.entity import RowSystem
from billio_pipeline.model.tables import DynamoTable
from billio_pipeline.stores.dynamodb import ledger, tables
from billio_pipeline.stores.dynamodb.retry import repeat
from billio_pipeline.stores.objects.aws import explained

State = Literal["missing", "empty", "ours", "not ours"]

_DROPPED = {"Delay": 1, "MaxAttempts": 600}


@dataclass(frozen=True)
class Held:
    """A table as it is. `items` is DynamoDB's own count, up to six hours old; `ours`: claimed by a load from here."""

    table: DynamoTable
    state: State
    items: int


@dataclass(frozen=True)
class Emptied:
    """What a reset did: tables dropped and made anew, and made because they were missing; ledger entries removed."""

    emptied: tuple[str, ...]
    made: tuple[str, ...]
    entries: int


def look(client: Any, system: RowSystem) -> list[Held]:
    """The system's tables, each as it is. Changes nothing."""
    known = tables.live(client, ledger.LEDGER.name) is not None
    return [_held(client, table, known) for table in system.tables]


def reset(
    client: Any,
    system: RowSystem,
    *,
    force: bool = False,
    make: Callable[[DynamoTable], None] | None = None,
    progress: Callable[[int], None] = lambda tables: None,
) -> Emptied:
    """Empty the tables; safe to repeat, and to kill. `make` creates one, by default as it is declared.

    A table that is empty stays as it is. Raises ConfigurationError, before anything is dropped, for one that holds
    items no load from here claimed, unless `force`.
    """
    found = look(client, system)
    strange = [each.table.name for each in found if each.state == "not ours"]
    if strange and not force:
        raise ConfigurationError(
            f"{', '.join(strange)}: holds items that were not loaded from here",
            remedy="Check BILLIO_DYNAMODB_ENDPOINT and AWS_REGION; --force empties it all the same.",
        )
    full = [each.table for each in found if each.state in ("ours", "not ours")]
    missing = [each.table for each in found if each.state == "missing"]
    for table in full:
        _drop(client, table)
        progress(1)
    # Forgotten before there are tables again: a claim is of a table's id, which no new one has.
    entries = ledger.forget(client, _names(system.tables), [entity.name for entity in system.entities])
    for table in (*full, *missing):
        make(table) if make else tables.create(client, table)
    return Emptied(_names(full), _names(missing), entries)


def _held(client: Any, table: DynamoTable, known: bool) -> Held:
    live = tables.live(client, table.name)
    if live is None:
        return Held(table, "missing", 0)
    if tables.is_empty(client, table.name):
        return Held(table, "empty", 0)
    described = repeat(lambda: client.describe_table(TableName=table.name), f"table {table.name}")["Table"]
    ours = known and ledger.claimed(client, table, live.id)
    return Held(table, "ours" if ours else "not ours", described.get("ItemCount", 0))


def _drop(client: Any, table: DynamoTable) -> None:
    with explained(f"table {table.name}"):
        client.delete_table(TableName=table.name)
        client.get_waiter("table_not_exists").wait(TableName=table.name, WaiterConfig=_DROPPED)


def _names(of: Iterable[DynamoTable]) -> tuple[str, ...]:
    return tuple(table.name for table in of)
