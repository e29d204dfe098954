"""Billio's items in use: the application's reads and writes over either profile, every transaction retried on conflict.

Rows are validated, and documents merged, by the same codec that migrates; no second opinion on what an item is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import uuid4

import psycopg
from psycopg.rows import dict_row

from assets.billio import queries
from assets.billio.model import SYSTEM
from assets.billio.pages import Page, Position, read_cursor, write_cursor
from assets.billio.plain import COLUMN_OF, DERIVED, Plain, from_row, to_wire
from assets.billio.queries import MOST_PER_PAGE, SORT_ATTRIBUTE, Question, Statement
from billio_pipeline.codec.compile import Refused, compile, derive
from billio_pipeline.errors import InputError, TargetError
from billio_pipeline.model.entity import Entity
from billio_pipeline.model.words import RESERVED
from billio_pipeline.stores.retry import Retries
from billio_pipeline.stores.sql.retry import run_transaction
from billio_pipeline.stores.sql.target import Target

T = TypeVar("T")
Row = dict[str, Any]

WATCHING = tuple(e.name for e in SYSTEM.entities if any(d.attribute == "category" for d in e.derived))
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_KEYS = ("id", "type")


class NotFound(InputError):
    """No item has that type and id."""

    code = "not_found"
    remedy = "Look the item up by another attribute; it may have been deleted, or have another type."


class AlreadyExists(InputError):
    """An item of that id is there."""

    code = "already_exists"
    remedy = "Change the item that is there, or give the new one another id."


class HasSeasons(InputError):
    """A series that seasons refer to can't be deleted."""

    code = "has_seasons"
    remedy = "Delete its seasons first."


class Store:
    """The access patterns over one target. Safe to share between threads as its Target is."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._codec = compile(SYSTEM)
        self.retries = Retries()

    def with_id(self, type: str, id: str) -> Plain | None:
        """The item of that type and id."""
        queries.check_type(type)
        rows = self._rows(queries.by_key(type, id)) if _UUID.fullmatch(id) else []
        return from_row(rows[0]) if rows else None

    def with_external_id(self, external_id: str) -> list[Plain]:
        """Every item of that external id (it is not unique), ascending movedAt."""
        return [from_row(row) for row in self._rows(queries.by_external_id(external_id))] if _sound(external_id) else []

    def with_series_id(self, series_id: str) -> list[Plain]:
        """A series' seasons by seasonNumber; rewatched ones by movedAt."""
        rows = self._rows(queries.by_series_id(series_id)) if _UUID.fullmatch(series_id) else []
        items = [from_row(row) for row in sorted(rows, key=lambda row: (row[COLUMN_OF["movedAt"]], row["id"]))]
        return sorted(items, key=lambda item: item["seasonNumber"])

    def of_type(self, type: str, *, first: int = 50, after: str | None = None, **filters: Any) -> Page:
        """A page of a type's items, newest first. `filters` are Question's: search, start, end, min_rating, sort_by."""
        return self._page(Question((type,), **filters), first, after)

    def on_shelf(self, type: str, shelf: str, *, first: int = 50, after: str | None = None, **filters: Any) -> Page:
        """A page of one shelf's items, newest first. `filters` as for `of_type`."""
        return self._page(Question((type,), shelf, **filters), first, after)

    def for_watching(self, *, first: int = 50, after: str | None = None, **filters: Any) -> Page:
        """A page of what is watched, features and series together, newest first. `filters` as for `of_type`."""
        return self._page(Question(WATCHING, **filters), first, after)

    def create(self, item: Mapping[str, Any]) -> Plain:
        """Add an item; without id, addedAt or movedAt it gets a new one, or now. Raises InputError, AlreadyExists."""
        queries.check_type(str(item.get("type")))
        now = datetime.now(UTC)
        entity = SYSTEM.by_name[str(item["type"])]
        given = {"id": str(uuid4()), "addedAt": now, "movedAt": now} | {k: v for k, v in item.items() if v is not None}
        row = self._row(entity, _with_derived(entity, to_wire(_allowed(given)), given))

        def work(connection: psycopg.Connection) -> Plain:
            _touch_series(connection, row)
            connection.execute(*queries.insert(row))
            return from_row(row)

        def outcome(connection: psycopg.Connection) -> Plain | None:
            found = _fetch(connection, queries.by_key(row["type"], row["id"]))
            return from_row(row) if found == [row] else None

        try:
            return self._transaction(work, outcome)
        except psycopg.errors.UniqueViolation:
            remedy = "Update it, or create the new one under another id."
            raise AlreadyExists(f"an item with the id {row['id']} exists", remedy=remedy) from None

    def update(self, type: str, id: str, changes: Mapping[str, Any]) -> Plain:
        """Change the attributes named and leave all others; None removes one. A new shelf moves movedAt to now.

        A map such as `image` is replaced whole. Raises NotFound, and InputError for what the item may not be.
        """
        queries.check_type(type)
        if derived := [name for name in changes if name in DERIVED]:
            raise InputError(f"{' and '.join(derived)} can't be changed", remedy="Change what it follows from.")
        if fixed := [name for name in _KEYS if name in changes and changes[name] != {"id": id, "type": type}[name]]:
            raise InputError(f"{' and '.join(fixed)} can't be changed", remedy="Create another item, delete this one.")
        now = datetime.now(UTC)
        # What names the item is not written: an old item is still a Movie where its origin is remembered.
        wanted = to_wire({name: value for name, value in _allowed(changes).items() if name not in _KEYS})
        removed = [name for name, value in changes.items() if value is None]
        entity = SYSTEM.by_name[type]

        def work(connection: psycopg.Connection) -> Plain:
            row = _existing(connection, type, id)
            item = self._codec.to_item(entity, row)
            moves = "shelf" in wanted and wanted["shelf"] != item["shelf"] and "movedAt" not in wanted
            kept = {name: wire for name, wire in item.items() if name not in removed}
            item = kept | wanted | (to_wire({"movedAt": now}) if moves else {})
            for each in entity.derived:
                if set(each.inputs) & wanted.keys():
                    item[each.attribute] = {"S": derive(each, item)}
            new = self._row(entity, item)
            changed = [name for name in new if new[name] != row[name]]
            if "series_id" in changed:
                _touch_series(connection, new)
            if changed:
                connection.execute(*queries.write(new, changed))
            return from_row(new)

        return self._transaction(work)

    def delete(self, type: str, id: str) -> None:
        """Remove an item. Raises NotFound, and HasSeasons for a series that has some."""
        queries.check_type(type)
        seasons = HasSeasons(f"{type} {id} has seasons")

        def work(connection: psycopg.Connection) -> bool:
            _existing(connection, type, id)
            if connection.execute(*queries.referring(id)).fetchone():
                raise seasons
            connection.execute(*queries.remove(type, id))
            return True

        def outcome(connection: psycopg.Connection) -> bool | None:
            return None if _fetch(connection, queries.by_key(type, id)) else True

        try:
            self._transaction(work, outcome)
        except psycopg.errors.ForeignKeyViolation:
            raise seasons from None

    def _page(self, question: Question, first: int, after: str | None) -> Page:
        if not 1 <= first <= MOST_PER_PAGE:
            raise InputError(f"a page of {first} items", remedy=f"Ask for 1 to {MOST_PER_PAGE} at a time.")
        position = None if after is None else read_cursor(after, question.identity)

        def work(connection: psycopg.Connection) -> Page:
            rows = _fetch(connection, queries.page(question, first + 1, position))
            total = _fetch(connection, queries.count(question))[0]["count"]
            shown, sort = rows[:first], COLUMN_OF[SORT_ATTRIBUTE[question.sort_by]]
            more = len(rows) > first
            cursor = write_cursor(Position(shown[-1][sort], shown[-1]["id"]), question.identity) if more else None
            return Page([from_row(row) for row in shown], total, cursor)

        return self._transaction(work)

    def _rows(self, statement: Statement) -> list[Row]:
        return self._transaction(lambda connection: _fetch(connection, statement))

    def _row(self, entity: Entity, item: dict[str, Any]) -> Row:
        found = self._codec.to_row(item)
        if isinstance(found, Refused):
            raise InputError(f"not a {entity.name}: {found.refusal.message}", reason=found.refusal.reason.value)
        return found[1]

    def _transaction(
        self,
        work: Callable[[psycopg.Connection], T],
        outcome: Callable[[psycopg.Connection], T | None] | None = None,
    ) -> T:
        try:
            return run_transaction(self._target, work, retries=self.retries, outcome=outcome)
        except psycopg.errors.UndefinedTable:
            message = f"{self._target.name} has no table {SYSTEM.target.name}"
            raise TargetError(message, remedy="Run `billio schema up`, or migrate an export to it.") from None


def _fetch(connection: psycopg.Connection, statement: Statement) -> list[Row]:
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(*statement).fetchall()


def _existing(connection: psycopg.Connection, type: str, id: str) -> Row:
    rows = _fetch(connection, queries.by_key(type, id, lock=True)) if _UUID.fullmatch(id) else []
    if not rows:
        raise NotFound(f"no {type} has the id {id!r}", remedy="Look it up with `billio query billio of-type`.")
    return rows[0]


def _touch_series(connection: psycopg.Connection, row: Row) -> None:
    """Hold a season's series against a concurrent delete, with or without its foreign key; it must exist.

    A write, not a lock: a snapshot older than it then conflicts, whichever of the two commits first.
    """
    if row["series_id"] is None:
        return
    if connection.execute(*queries.touch("TvSeries", row["series_id"])).rowcount != 1:
        raise InputError(f"no TvSeries has the id {row['series_id']}", remedy="Create the series before its seasons.")


def _allowed(item: Mapping[str, Any]) -> Mapping[str, Any]:
    if RESERVED in item:
        raise InputError(f"{RESERVED!r} is no attribute an application may set", remedy="Leave it out.")
    return {name: value for name, value in item.items() if name not in DERIVED}


def _with_derived(entity: Entity, wire: dict[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """The wire item completed by what follows from it; what the caller gave of that must agree."""
    own = {each.attribute for each in entity.derived}
    if stray := [name for name in given if name in DERIVED - own]:
        raise InputError(f"a {entity.name} has no {' and no '.join(stray)}", remedy="Leave it out.")
    for each in entity.derived:
        if all("S" in wire.get(name, {}) for name in each.inputs):  # else the codec says what is missing
            wire[each.attribute] = {"S": derive(each, wire)}
            if given.get(each.attribute, wire[each.attribute]["S"]) != wire[each.attribute]["S"]:
                raise InputError(f"{each.attribute} disagrees with {', '.join(each.inputs) or 'the type'}")
    return wire


def _sound(text: str) -> bool:
    return "\0" not in text
