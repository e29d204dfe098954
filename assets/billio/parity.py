"""Parity: the application's questions, asked of the new store and of the old table's indexes, get the same answers.

The old answers come from the oracle over the staged items, or from a live table. Both are asked for items in step
with their declaration: a Movie counts as a Feature, as a rule rewrote it. Items whose index attributes disagree with
their other attributes can't be compared through those indexes; a case's note counts them. Ties compare as sets.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count, groupby
from typing import Any
from uuid import UUID

from assets.billio.in_step import application_form, in_step, old_names
from assets.billio.model import TABLE
from assets.billio.oracle import LiveTable, Oracle, keys_in
from assets.billio.pages import Page
from assets.billio.plain import Plain
from assets.billio.staged import Row, Staged
from assets.billio.store import WATCHING, Store
from billio_pipeline.stores.dynamodb.client_form import Item

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_INDEX = {index.name: index for index in TABLE.indexes}
_WINDOW = 25  # items a window is meant to hold,
_TOO_MANY = 500  # and may hold when many share a time
_PAGE = 7  # small, so that a window spans several pages and their cursors
_SORTS = (("MOVED_AT", "moved_at", "movedAt"), ("ADDED_AT", "added_at", "addedAt"))
Groups = list[tuple[Any, frozenset[str]]]


@dataclass(frozen=True)
class ParityCase:
    """One question and both answers. `equal` is the verdict; `note` says what was left out or found to differ."""

    pattern: str
    arguments: dict[str, Any]
    expected: Any
    found: Any
    equal: bool
    note: str = ""


def parity(
    store: Store,
    staged_items: str | Sequence[str],
    quarantined_keys: Collection[str],
    *,
    samples: int = 20,
    seed: int = 0,
    live: LiveTable | None = None,
) -> list[ParityCase]:
    """Ask each access pattern `samples` times (fewer where there are fewer arguments). Same seed, same questions.

    `staged_items`: path, glob or paths of staged Parquet with the target's columns and `_source`, the export's lines.
    """
    with Staged(staged_items, quarantined_keys) as staged:
        return list(_Parity(store, staged, live, samples, str(seed)).cases())


@dataclass(frozen=True)
class _Parity:
    store: Store
    staged: Staged
    live: LiveTable | None
    samples: int
    seed: str

    def cases(self) -> Iterator[ParityCase]:
        yield from self._with_id()
        yield from self._with_external_id()
        yield from self._with_series_id()
        for sort in _SORTS:
            yield from self._of_type(*sort)
            yield from self._on_shelf(*sort)
        yield from self._for_watching()
        yield from self._title_search()
        if self.live is None:
            yield from self._counts()

    def _with_id(self) -> Iterator[ParityCase]:
        for row in self._sample("withId"):
            old = self._source_of(row)
            expected = old and application_form(old)
            found = self.store.with_id(row["type"], row["id"])
            note = "" if expected == found else f"differs in {', '.join(_differing(expected, found))}"
            arguments = {"type": row["type"], "id": row["id"]}
            yield ParityCase("withId", arguments, expected, found, expected == found, note)
        ids = (str(UUID(int=number)) for number in count())
        nobody = next(each for each in ids if not self.staged.count("id = ?", each))
        found = self.store.with_id("Book", nobody)
        yield ParityCase("withId", {"type": "Book", "id": nobody}, None, found, found is None, "an id no item has")

    def _with_external_id(self) -> Iterator[ParityCase]:
        for row in self._sample("withExternalId", "external_id <> ''"):
            value = row["external_id"]
            old = self._ask("externalId", [value], self.staged.items("external_id = ?", value), forward=True)
            yield _compared("withExternalId", {"externalId": value}, old, self.store.with_external_id(value), "movedAt")

    def _with_series_id(self) -> Iterator[ParityCase]:
        for row in self._sample("withSeriesId", "series_id IS NOT NULL"):
            value = row["series_id"]
            old = self._ask("seriesId", [value], self.staged.items("series_id = ?", value), forward=True)
            yield _compared("withSeriesId", {"seriesId": value}, old, self.store.with_series_id(value), "seasonNumber")

    def _of_type(self, sort_by: str, column: str, attribute: str) -> Iterator[ParityCase]:
        index = "type" if sort_by == "MOVED_AT" else "type-addedAt"
        for row, low in self._windows(f"ofType {sort_by}", column, lambda row: ("type = ?", [row["type"]])):
            found = lambda **page: self.store.of_type(row["type"], sort_by=sort_by, **page)  # noqa: B023, E731
            old = self._between(index, old_names("type", row["type"]), column, low, row, "type = ?", row["type"])
            yield _windowed(
                "ofType", {"type": row["type"], "sort_by": sort_by}, old, found, attribute, low, row[column]
            )

    def _on_shelf(self, sort_by: str, column: str, attribute: str) -> Iterator[ParityCase]:
        index, where = "shelf" if sort_by == "MOVED_AT" else "shelf-addedAt", "type = ? AND shelf = ?"
        for row, low in self._windows(f"onShelf {sort_by}", column, lambda row: (where, [row["type"], row["shelf"]])):
            found = lambda **page: self.store.on_shelf(row["type"], row["shelf"], sort_by=sort_by, **page)  # noqa: B023, E731
            partitions = [f"{name}:{row['shelf']}" for name in old_names("type", row["type"])]
            old = self._between(index, partitions, column, low, row, where, row["type"], row["shelf"])
            arguments = {"type": row["type"], "shelf": row["shelf"], "sort_by": sort_by}
            yield _windowed("onShelf", arguments, old, found, attribute, low, row[column])

    def _for_watching(self) -> Iterator[ParityCase]:
        where = f"type IN ({', '.join('?' * len(WATCHING))})"
        watched = " OR ".join(f"type = '{name}'" for name in WATCHING)  # declared names
        for row, low in self._windows("forWatching", "moved_at", lambda _: (where, list(WATCHING)), watched):
            old = self._between("category", ["Watching"], "moved_at", low, row, where, *WATCHING)
            yield _windowed("forWatching", {}, old, self.store.for_watching, "movedAt", low, row["moved_at"])

    def _title_search(self) -> Iterator[ParityCase]:
        for row in self._sample("search", "title <> ''"):
            like, length = "type = ? AND contains(lower(title), lower(?))", 3
            while (
                length < len(row["title"]) and self.staged.count(like, row["type"], row["title"][:length]) > _TOO_MANY
            ):
                length *= 2
            prefix = row["title"][:length]
            old = self._ask(
                "title",
                old_names("type", row["type"]),
                self.staged.items("type = ? AND starts_with(title, ?)", row["type"], prefix),
                begins_with=prefix,
            )
            pages = _pages(lambda **page: self.store.of_type(row["type"], search=prefix, **page), 100)  # noqa: B023
            found = {item["id"] for page in pages for item in page.items}
            lacking = {item["id"]["S"] for item in old.items} - found
            note = f"{len(lacking)} prefix hits are no substring hits" if lacking else "prefix hits ⊆ substring hits"
            arguments = {"type": row["type"], "search": prefix}
            hits = sorted(item["id"]["S"] for item in old.items)
            yield ParityCase("search", arguments, hits, sorted(found), not lacking, _join(note, old.note))

    def _counts(self) -> Iterator[ParityCase]:
        shelves = self.staged.shelves()
        for row in shelves:
            found = self.store.on_shelf(row["type"], row["shelf"], first=1).count
            arguments = {"type": row["type"], "shelf": row["shelf"]}
            yield ParityCase("onShelf count", arguments, row["n"], found, found == row["n"])
        for name, rows in groupby(shelves, key=lambda row: row["type"]):
            expected, found = sum(row["n"] for row in rows), self.store.of_type(name, first=1).count
            yield ParityCase("ofType count", {"type": name}, expected, found, found == expected)

    def _sample(self, pattern: str, where: str = "true") -> list[Row]:
        return self.staged.sample(self.samples, f"{self.seed} {pattern}", where)

    def _windows(
        self, pattern: str, column: str, within: Callable[[Row], tuple[str, list[Any]]], where: str = "true"
    ) -> Iterator[tuple[Row, int]]:
        """Sampled rows, each with the start of a window that ends at its time and holds few items."""
        left = self.samples
        for row in self.staged.sample(4 * self.samples, f"{self.seed} {pattern}", where):
            if not left:
                return
            condition, values = within(row)
            low, items = self.staged.window(column, _WINDOW, row[column], condition, *values)
            if items <= _TOO_MANY:
                left -= 1
                yield row, low

    def _between(
        self, index: str, partitions: list[str], column: str, low: int, row: Row, where: str, *values: Any
    ) -> _Old:
        bounds = f"{where} AND epoch_us({column}) BETWEEN ? AND ?"
        items = self.staged.items(bounds, *values, low, row[column])
        return self._ask(index, partitions, items, between=(_ms(low), _ms(row[column])), forward=False)

    def _source_of(self, row: Row) -> Item | None:
        if self.live is None:
            return next(iter(self.staged.items("id = ?", row["id"])), None)
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
