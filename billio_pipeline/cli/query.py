"""`billio query billio PATTERN …`: the application's questions, asked of a target from the command line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer
from rich.table import Table
from rich.text import Text

from billio_pipeline.cli.output import JsonOption, Output
from billio_pipeline.errors import InputError
from billio_pipeline.model.canonical import jsonb_text
from billio_pipeline.settings import Settings

if TYPE_CHECKING:
    from assets.billio.pages import Page
    from assets.billio.store import Store

_LEAST_WIDTH = 150


class Sort(StrEnum):
    """What a page is sorted by, newest first."""

    MOVED_AT = "MOVED_AT"
    ADDED_AT = "ADDED_AT"


TargetOption = Annotated[
    str | None,
    typer.Option("--target", help="DSN of the target; by default the configured one, or the embedded stack."),
]
Search = Annotated[str | None, typer.Option("--search", help="Text the title holds, whatever its case.")]
Start = Annotated[
    str | None, typer.Option("--start", help="Earliest time on the sort column, included: 2024-01-31, or with T…Z.")
]
End = Annotated[str | None, typer.Option("--end", help="Latest time, included; a date means its last moment, UTC.")]
MinRating = Annotated[int | None, typer.Option("--min-rating", help="Lowest rating, 1 to 10.")]
SortOption = Annotated[Sort, typer.Option("--sort", case_sensitive=False, help="The time to sort by, newest first.")]
First = Annotated[int, typer.Option("--first", help="Items on a page, 1 to 1000.")]
After = Annotated[str | None, typer.Option("--after", help="The cursor of the previous page.")]

app = typer.Typer(no_args_is_help=True, help="Ask a migrated system the application's questions.")
billio = typer.Typer(no_args_is_help=True, help="Billio's access patterns.")
app.add_typer(billio, name="billio")


@billio.command("with-id")
def with_id(type: str, id: str, target: TargetOption = None, json: JsonOption = False) -> None:
    """The item of a type and id."""

    def ask(store: Store) -> list[Any]:
        found = store.with_id(type, id)
        return [] if found is None else [found]

    _answer(Output(json), target, ask)


@billio.command("with-external-id")
def with_external_id(external_id: str, target: TargetOption = None, json: JsonOption = False) -> None:
    """Every item of an external id, earliest movedAt first."""
    _answer(Output(json), target, lambda store: store.with_external_id(external_id))


@billio.command("with-series-id")
def with_series_id(series_id: str, target: TargetOption = None, json: JsonOption = False) -> None:
    """A series' seasons, by season number."""
    _answer(Output(json), target, lambda store: store.with_series_id(series_id))


@billio.command("of-type")
def of_type(
    type: str,
    search: Search = None,
    start: Start = None,
    end: End = None,
    min_rating: MinRating = None,
    sort: SortOption = Sort.MOVED_AT,
    first: First = 50,
    after: After = None,
    target: TargetOption = None,
    json: JsonOption = False,
) -> None:
    """A type's items, newest first."""
    asked = _Asked(search, start, end, min_rating, sort, first, after)
    _answer_page(Output(json), target, asked, lambda store, given: store.of_type(type, **given))


@billio.command("on-shelf")
def on_shelf(
    type: str,
    shelf: str,
    search: Search = None,
    start: Start = None,
    end: End = None,
    min_rating: MinRating = None,
    sort: SortOption = Sort.MOVED_AT,
    first: First = 50,
    after: After = None,
    target: TargetOption = None,
    json: JsonOption = False,
) -> None:
    """One shelf's items, newest first."""
    asked = _Asked(search, start, end, min_rating, sort, first, after)
    _answer_page(Output(json), target, asked, lambda store, given: store.on_shelf(type, shelf, **given))


@billio.command("for-watching")
def for_watching(
    search: Search = None,
    start: Start = None,
    end: End = None,
    min_rating: MinRating = None,
    sort: SortOption = Sort.MOVED_AT,
    first: First = 50,
    after: After = None,
    target: TargetOption = None,
    json: JsonOption = False,
) -> None:
    """Features and series together, newest first."""
    asked = _Asked(search, start, end, min_rating, sort, first, after)
    _answer_page(Output(json), target, asked, lambda store, given: store.for_watching(**given))


@dataclass(frozen=True)
class _Asked:
    """The options of a page as they were typed."""

    search: str | None
    start: str | None
    end: str | None
    min_rating: int | None
    sort: Sort
    first: int
    after: str | None

    def arguments(self) -> dict[str, Any]:
        """The store's arguments. Raises InputError for a time that is none."""
        return {
            "search": self.search,
            "start": self.start and _time(self.start, "--start", "T00:00:00Z"),
            "end": self.end and _time(self.end, "--end", "T23:59:59.999999Z"),
            "min_rating": self.min_rating,
            "sort_by": self.sort.value,
            "first": self.first,
            "after": self.after,
        }


def _time(text: str, option: str, of_day: str) -> datetime:
    try:
        time = datetime.fromisoformat(text + of_day if len(text) == len("2024-01-31") else text)
    except ValueError:
        remedy = "Write 2024-01-31 or 2024-01-31T20:15:00Z."
        raise InputError(f"{option} {text!r} is not a time", remedy=remedy) from None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _answer_page(
    output: Output, target: str | None, asked: _Asked, ask: Callable[[Store, dict[str, Any]], Page]
) -> None:
    with output.guarded():
        given = asked.arguments()  # before anything is started or connected to
    _answer(output, target, lambda store: ask(store, given))


def _answer(output: Output, target: str | None, ask: Callable[[Store], Page | list[Any]]) -> None:
    """Ask an open store and print what it found: `{"items", "count", "cursor"}`, or a table."""
    with output.guarded(), _open(target) as store:
        found = ask(store)
        items, count, cursor = (
            (found, len(found), None) if isinstance(found, list) else (found.items, found.count, found.cursor)
        )
        # Fragments: the numbers' own digits, which a float would round.
        output.emit({"items": [orjson.Fragment(jsonb_text(item)) for item in items], "count": count, "cursor": cursor})
        if not output.json:
            _show(output, items, count, cursor)


@contextmanager
def _open(target: str | None) -> Iterator[Store]:
    from assets.billio.store import Store
    from billio_pipeline.local.resolve import resolve_target
    from billio_pipeline.stores.sql.target import Target

    settings = Settings.from_env()
    with Target.open(resolve_target(settings, target), settings, connections=1) as opened:
        yield Store(opened)


def _show(output: Output, items: list[dict[str, Any]], count: int, cursor: str | None) -> None:
    shown = ("type", "shelf", "title", "rating", "movedAt", "addedAt", "id")
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in shown:
        table.add_column(name, justify="right" if name == "rating" else "left", no_wrap=name != "title")
    for item in items:
        table.add_row(*(_cell(name, item.get(name)) for name in shown))
    if items:
        # Wider than a narrow terminal rather than unreadable in it.
        output.console.width = max(output.console.width, _LEAST_WIDTH)
        output.console.print(table, crop=False)
    more = f"; continue with --after {cursor}" if cursor else ""
    output.console.print(f"{len(items)} of {count}{more}", markup=False)


def _cell(name: str, value: object) -> Text:
    """A value on one line, as it is: titles may look like markup. Times to the second."""
    text = "" if value is None else " ".join(str(value).split())
    return Text(text[: len("2024-01-31T20:15:00")].replace("T", " ") if name in ("movedAt", "addedAt") else text)
