"""Parity: the application's questions, asked of the new store and of the old table's indexes, get the same answers.

The old answers come from the oracle over the staged items, or from a live table. Both are asked for items in step
with their declaration: a Movie counts as a Feature, as a rule rewrote it. Items whose index attributes disagree with
their other attributes can't be compared through those indexes; a case's note counts them. Ties compare as sets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import groupby
from typing import Any
from uuid import UUID

from assets.billio.in_step import application_form, in_step, old_names
from assets.billio.model import TABLE
from assets.billio.oracle import LiveTable, Oracle, keys_in
from assets.billio.pages import Page
from assets.billio.plain import Plain
from assets.billio.staged import Row, Staged, Window, Within
from assets.billio.store import WATCHING, Store
from assets.factory.parity import ParityCase
from billio_pipeline.stores.dynamodb.client_form import Item

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_INDEX = {index.name: index for index in TABLE.indexes}
_WINDOW = 25  # items a window is meant to hold,
_TOO_MANY = 500  # and may hold when many share a time
_SPARE = 4  # times as many rows are drawn as there are samples, in place of those whose windows hold too many
_PAGE = 7  # small, so that a window spans several pages and their cursors
_SORTS = (("MOVED_AT", "moved_at", "movedAt"), ("ADDED_AT", "added_at", "addedAt"))
Groups = list[tuple[Any, frozenset[str]]]


def parity(
    store: Store,
    staged_items: str | Sequence[str],
    dropped: str,
    *,
    samples: int = 20,
    seed: int = 0,
    live: LiveTable | None = None,
) -> list[ParityCase]:
    """Ask each access pattern `samples` times (fewer where there are fewer arguments). Same seed, same questions.

    `staged_items`: path, glob or paths of staged Parquet with the target's columns and `_source`, the export's lines;
    `dropped`: Parquet with `file` and `line` of those rows that were quarantined or excluded since.
    """
    with Staged(staged_items, dropped) as staged:
        return list(_Parity(store, staged, live, samples, str(seed)).cases())


@dataclass(frozen=True)
class _Parity:
    store: Store
    staged: Staged
    live: LiveTable | None
    samples: int
    seed: str

    def cases(self) -> Iterator[ParityCase]:
        watched = " OR ".join(f"type = '{name}'" for name in WATCHING)  # declared names
        wanted = {"withId": "true", "withExternalId": "external_id <> ''", "withSeriesId": "series_id IS NOT NULL"}
        wanted |= {f"{pattern} {sort_by}": "true" for pattern in ("ofType", "onShelf") for sort_by, _, _ in _SORTS}
        wanted |= {"forWatching": watched, "search": "title <> ''"}
        rows = self.staged.samples(wanted, _SPARE * self.samples, self.seed)
        yield from self._with_id(rows["withId"][: self.samples])
        yield from self._with_external_id(rows["withExternalId"][: self.samples])
        yield from self._with_series_id(rows["withSeriesId"][: self.samples])
        for sort in _SORTS:
            yield from self._of_type(rows[f"ofType {sort[0]}"], *sort)
            yield from self._on_shelf(rows[f"onShelf {sort[0]}"], *sort)
        yield from self._for_watching(rows["forWatching"])
        yield from self._title_search(rows["search"][: self.samples])
        if self.live is None:
            yield from self._counts()

    def _with_id(self, rows: list[Row]) -> Iterator[ParityCase]:
        strangers = [str(UUID(int=number)) for number in range(100)]
        items = self.staged.having("id", [*(row["id"] for row in rows), *strangers])
        for row in rows:
            old = self._source_of(row, items)
            expected = old and application_form(old)
            found = self.store.with_id(row["type"], row["id"])
            note = "" if expected == found else f"differs in {', '.join(_differing(expected, found))}"
            arguments = {"type": row["type"], "id": row["id"]}
            yield ParityCase("withId", arguments, expected, found, expected == found, note)
        nobody = next(each for each in strangers if not items[each])
        found = self.store.with_id("Book", nobody)
        yield ParityCase("withId", {"type": "Book", "id": nobody}, None, found, found is None, "an id no item has")

    def _with_external_id(self, rows: list[Row]) -> Iterator[ParityCase]:
        items = self.staged.having("external_id", [row["external_id"] for row in rows])
        for value in (row["external_id"] for row in rows):
            old = self._ask("externalId", [value], items[value], forward=True)
            yield _compared("withExternalId", {"externalId": value}, old, self.store.with_external_id(value), "movedAt")

    def _with_series_id(self, rows: list[Row]) -> Iterator[ParityCase]:
        items = self.staged.having("series_id", [row["series_id"] for row in rows])
        for value in (row["series_id"] for row in rows):
            old = self._ask("seriesId", [value], items[value], forward=True)
            yield _compared("withSeriesId", {"seriesId": value}, old, self.store.with_series_id(value), "seasonNumber")

    def _of_type(self, rows: list[Row], sort_by: str, column: str, attribute: str) -> Iterator[ParityCase]:
        index = "type" if sort_by == "MOVED_AT" else "type-addedAt"
        for row, window in self._windows(rows, column, lambda row: Within((row["type"],), None, row[column])):
            found = lambda **page: self.store.of_type(row["type"], sort_by=sort_by, **page)  # noqa: B023, E731
            old = self._between(index, old_names("type", row["type"]), window, row[column])
            arguments = {"type": row["type"], "sort_by": sort_by}
            yield _windowed("ofType", arguments, old, found, attribute, window.low, row[column])

    def _on_shelf(self, rows: list[Row], sort_by: str, column: str, attribute: str) -> Iterator[ParityCase]:
        index = "shelf" if sort_by == "MOVED_AT" else "shelf-addedAt"
        within = lambda row: Within((row["type"],), row["shelf"], row[column])  # noqa: E731
        for row, window in self._windows(rows, column, within):
            found = lambda **page: self.store.on_shelf(row["type"], row["shelf"], sort_by=sort_by, **page)  # noqa: B023, E731
            partitions = [f"{name}:{row['shelf']}" for name in old_names("type", row["type"])]
            old = self._between(index, partitions, window, row[column])
            arguments = {"type": row["type"], "shelf": row["shelf"], "sort_by": sort_by}
            yield _windowed("onShelf", arguments, old, found, attribute, window.low, row[column])

    def _for_watching(self, rows: list[Row]) -> Iterator[ParityCase]:
        for row, window in self._windows(rows, "moved_at", lambda row: Within(tuple(WATCHING), None, row["moved_at"])):
            old = self._between("category", ["Watching"], window, row["moved_at"])
            yield _windowed("forWatching", {}, old, self.store.for_watching, "movedAt", window.low, row["moved_at"])

    def _title_search(self, rows: list[Row]) -> Iterator[ParityCase]:
        wanted = self._prefixes(rows)
        for (name, prefix), items in zip(wanted, self.staged.starting(wanted), strict=True):
            old = self._ask("title", old_names("type", name), items, begins_with=prefix)
            pages = _pages(lambda **page: self.store.of_type(name, search=prefix, **page), _TOO_MANY)  # noqa: B023
            found = {item["id"] for page in pages for item in page.items}
            lacking = {item["id"]["S"] for item in old.items} - found
            note = f"{len(lacking)} prefix hits are no substring hits" if lacking else "prefix hits ⊆ substring hits"
            hits = sorted(item["id"]["S"] for item in old.items)
            arguments = {"type": name, "search": prefix}
            yield ParityCase("search", arguments, hits, sorted(found), not lacking, _join(note, old.note))

    def _prefixes(self, rows: list[Row]) -> list[tuple[str, str]]:
        """Per row its type and a beginning of its title, long enough that few titles contain it."""
        lengths = [3] * len(rows)
        while True:
            wanted = [(row["type"], row["title"][:length]) for row, length in zip(rows, lengths, strict=True)]
            common = [hits > _TOO_MANY for hits in self.staged.containing(wanted)]
            longer = [
                length * 2 if often and length < len(row["title"]) else length
                for row, length, often in zip(rows, lengths, common, strict=True)
            ]
            if longer == lengths:
                return wanted
            lengths = longer

    def _counts(self) -> Iterator[ParityCase]:
        shelves = self.staged.shelves()
        for row in shelves:
            found = self.store.on_shelf(row["type"], row["shelf"], first=1).count
            arguments = {"type": row["type"], "shelf": row["shelf"]}
            yield ParityCase("onShelf count", arguments, row["n"], found, found == row["n"])
        for name, rows in groupby(shelves, key=lambda row: row["type"]):
            expected, found = sum(row["n"] for row in rows), self.store.of_type(name, first=1).count
            yield ParityCase("ofType count", {"type": name}, expected, found, found == expected)

    def _windows(self, rows: list[Row], column: str, within: Callable[[Row], Within]) -> Iterator[tuple[Row, Window]]:
        """As many of the rows as there are samples, each with the window that ends at its time and holds few items."""
        left = self.samples
        while left and rows:
            batch, rows = rows[:left], rows[left:]
            for row, window in zip(
                batch, self.staged.windows(column, [*map(within, batch)], _WINDOW, _TOO_MANY), strict=True
            ):
                if window is not None:
                    left -= 1
                    yield row, window

    def _between(self, index: str, partitions: list[str], window: Window, end: int) -> _Old:
        return self._ask(index, partitions, window.items, between=(_ms(window.low), _ms(end)), forward=False)

    def _source_of(self, row: Row, items: dict[str, list[Item]]) -> Item | None:
        if self.live is None:
            return next(iter(items[row["id"]]), None)
        keys = (f"{name}:{row['id']}" for name in old_names("type", row["type"]))
        return next((item for key in keys if (item := self.live.get(key))), None)

    def _ask(self, index: str, partitions: list[str], items: list[Item], **condition: Any) -> _Old:
        """The old answer: of the oracle over `items` put in step, or of the live table's partitions."""
        stepped = [in_step(item) for item in items]
        if self.live is None:
            moved = sum(_place(index, old) != _place(index, new) for old, new in zip(items, stepped, strict=True))
            note = f"{moved} compared under their rewritten or recomputed index attributes" if moved else ""
            return _Old(Oracle(stepped).query(index, partitions[0], **condition), note)
        live = [item for partition in partitions for item in self.live.query(index, partition, **condition)]
        answered = {item["id"]["S"] for item in live}
        hidden = frozenset(
            old["id"]["S"]
            for old, new in zip(items, stepped, strict=True)
            if old["id"]["S"] not in answered and _place(index, old) != _place(index, new)
        )
        note = f"{len(hidden)} the index can't show left out" if hidden else ""
        return _Old(sorted(map(in_step, live), key=lambda i: keys_in(_INDEX[index], i) or ("", "")), note, hidden)


@dataclass(frozen=True)
class _Old:
    """The old answer, and the ids the old index keeps elsewhere."""

    items: list[Item]
    note: str = ""
    hidden: frozenset[str] = frozenset()


def _windowed(
    pattern: str,
    arguments: dict[str, Any],
    old: _Old,
    ask: Callable[..., Page],
    attribute: str,
    low: int,
    high: int,
) -> ParityCase:
    start, end = (_EPOCH + timedelta(microseconds=at) for at in (low, high))
    pages = list(_pages(lambda **page: ask(start=start, end=end, **page), _PAGE))
    found = [item for page in pages for item in page.items]
    told = {page.count for page in pages}
    arguments = arguments | {"start": start.isoformat(), "end": end.isoformat()}
    note = "" if told == {len(found)} else f"{len(found)} items on all pages, counted as {sorted(told)}"
    return _compared(pattern, arguments, old, found, attribute, descending=True, wrong=note)


def _compared(
    pattern: str,
    arguments: dict[str, Any],
    old: _Old,
    found: list[Plain],
    attribute: str,
    *,
    descending: bool = False,
    wrong: str = "",
) -> ParityCase:
    expected = _groups(sorted(((_old_value(i, attribute), i["id"]["S"]) for i in old.items), reverse=descending))
    shown = [(_new_value(item, attribute), item["id"]) for item in found if item["id"] not in old.hidden]
    groups = _groups(shown)
    equal = not wrong and expected == groups and len({id for _, id in shown}) == len(shown)
    ids = [sorted(ids) for _, ids in expected], [sorted(ids) for _, ids in groups]
    return ParityCase(pattern, arguments, *ids, equal, _join(wrong, old.note))


def _pages(ask: Callable[..., Page], first: int) -> Iterator[Page]:
    page = ask(first=first)
    yield page
    while page.cursor:
        page = ask(first=first, after=page.cursor)
        yield page


def _groups(pairs: Iterable[tuple[Any, str]]) -> Groups:
    """Runs of one sort value, each as the set of its ids: what order means when ties have none."""
    return [(value, frozenset(id for _, id in run)) for value, run in groupby(pairs, key=lambda pair: pair[0])]


def _old_value(item: Item, attribute: str) -> Decimal:
    return Decimal(item[attribute]["N"])


def _new_value(item: Plain, attribute: str) -> Decimal:
    if attribute == "seasonNumber":
        return Decimal(item[attribute])
    return _ms((datetime.fromisoformat(item[attribute]) - _EPOCH) // timedelta(microseconds=1))


def _ms(micros: int) -> Decimal:
    return Decimal(micros) / 1000


def _place(index: str, item: Item) -> object:
    return keys_in(_INDEX[index], item)


def _differing(expected: Plain | None, found: Plain | None) -> list[str]:
    if expected is None or found is None:
        return ["existence"]
    absent = object()
    return sorted(n for n in expected | found if expected.get(n, absent) != found.get(n, absent))


def _join(*notes: str) -> str:
    return "; ".join(note for note in notes if note)
