"""Search history: patterns 7 to 12, 17, 18 and 31. Who is not signed in shares 16 partitions, merged by time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

from assets.algoitny.model import HISTORY, MAIN
from assets.algoitny.repository.changes import check_columns
from assets.algoitny.repository.counters import Counters
from assets.algoitny.repository.items import METADATA, Answer, Items, Row, answer
from assets.algoitny.repository.moments import micros
from assets.algoitny.repository.paging import Page, Position, Stream, Timeline, iso_second, merged, page
from assets.algoitny.repository.partitions import partition, partitions
from assets.algoitny.repository.problems import Problems, problem_key
from billio_pipeline.errors import InputError, TargetError
from billio_pipeline.model.canonical import jsonb_text
from billio_pipeline.stores.dynamodb.client_form import Item

_PREFIX = "HISTORY#"
_JSON = ("result_summary", "test_results", "hints", "metadata")


class Histories(Problems):
    """Reads and writes of search history."""

    items: Items
    counters: Counters
    clock: Callable[[], datetime]

    def user_history(self, user_id: int | None, *, limit: int = 50, after: str | None = None) -> Page:
        """Pattern 7. A user's history, newest first; of all who are not signed in for None."""
        return page(HISTORY, ["user_history", user_id], limit, after, self._own(user_id))

    def public_history(self, *, limit: int = 50, after: str | None = None) -> Page:
        """Pattern 8. History with public code, newest first."""
        return page(HISTORY, ["public_history"], limit, after, self._public())

    def own_and_public_history(self, user_id: int, *, limit: int = 50, after: str | None = None) -> Page:
        """Pattern 9. A user's own history and what is public, each once, newest first."""
        public = self._public()

        def of_others(after: Position | None, size: int) -> Iterator[Row]:
            return (row for row in public(after, size) if row["user_id"] != user_id)

        both = merged([self._own(user_id), of_others])
        return page(HISTORY, ["own_and_public_history", user_id], limit, after, both)

    def history_detail(self, user_id: int | None, history_id: int, created_at: int | None = None) -> Answer | None:
        """Pattern 10. One entry of a user (None: of someone not signed in), as it is now.

        With its `created_at`, µs as lists have it, a read of one key's second; without, of the user's whole history.
        """
        item = self._entry(user_id, history_id, created_at)
        return item and answer(HISTORY, self.items.row(HISTORY, item))

    def filter_history(
        self, *, platform: str | None = None, language: str | None = None, limit: int = 50, after: str | None = None
    ) -> Page:
        """Pattern 11. History of a platform, of a language, or of both, newest first."""
        if platform is not None:
            where = {} if language is None else {"Language": language}
            stream = Timeline(self.items, HISTORY, f"PLATFORM#{platform}", 2, where=where).newest_first
        elif language is not None:
            stream = Timeline(self.items, HISTORY, f"LANGUAGE#{language}", 3).newest_first
        else:
            raise InputError("neither a platform nor a language to filter by", remedy="Give one, or both.")
        return page(HISTORY, ["filter_history", platform, language], limit, after, stream)

    def create_history(
        self, platform: str, problem_id: str, *, user_id: int | None, user_identifier: str, **columns: Any
    ) -> Answer | None:
        """Pattern 12. Add an entry about a problem and count it in the problem's metadata (`execution_count`), both or
        neither; None when there is no such problem.

        `columns` are the entry's others: code, counts and flags as values, documents as JSON values. Raises InputError.
        """
        problem = self.problem_row(platform, problem_id)
        if problem is None:
            return None
        about = {"problem_id": problem["id"], "problem_number": problem_id, "problem_title": problem["title"]}
        who = {"user_id": user_id, "user_identifier": user_identifier, "created_at": micros(self.clock())}
        row = history_row(columns) | about | who | {"platform": platform, "id": self.counters.next_id(HISTORY)}
        count = self.items.update(
            MAIN,
            problem_key(platform, problem_id),
            METADATA,
            UpdateExpression="SET #m.#c = if_not_exists(#m.#c, :none) + :one",
            ConditionExpression="#id = :id",
            ExpressionAttributeNames={"#m": "Metadata", "#c": "execution_count", "#id": "InternalId"},
            ExpressionAttributeValues={":none": {"N": "0"}, ":one": {"N": "1"}, ":id": {"S": str(problem["id"])}},
        )
        failed = self.items.transact([self.items.creation(MAIN, self.items.item(HISTORY, row)), {"Update": count}])
        if failed:
            raise TargetError(f"history {row['id']} or its problem is in the way", remedy="Seed the counters again.")
        return answer(HISTORY, row)

    def set_hints(
        self, user_id: int | None, history_id: int, hints: Any, created_at: int | None = None
    ) -> Answer | None:
        """Pattern 17. Give an entry its hints, a JSON value; None when there is no such entry."""
        item = self._entry(user_id, history_id, created_at)
        if item is None:
            return None
        text = None if hints is None else jsonb_text(hints)
        row = self.items.rewrite(HISTORY, item["PK"]["S"], item["SK"]["S"], lambda row: row | {"hints": text})
        return row and answer(HISTORY, row)

    def hints(self, user_id: int | None, history_id: int, created_at: int | None = None) -> Any:
        """Pattern 18. An entry's hints as they are now; None when it has none, or isn't there."""
        found = self.history_detail(user_id, history_id, created_at)
        return found and found["hints"]

    def user_stats(self, user_id: int | None) -> list[Answer]:
        """Pattern 31. A user's entries by platform and language, in their order: {"platform", "language", "entries",
        "passed", "failed", "total"}."""
        names = {"passed": "PassedCount", "failed": "FailedCount", "total": "TotalCount"}
        stats: dict[tuple[str, str | None], Answer] = {}
        for key in partitions(user_id):
            select = ("Platform", "Language", *names.values())
            between = (_PREFIX, _PREFIX + "~")
            for item in self.items.query(MAIN, key, between=between, where=dict(HISTORY.when), select=select):
                group = item["Platform"]["S"], item.get("Language", {}).get("S")
                empty = {"platform": group[0], "language": group[1], "entries": 0, **dict.fromkeys(names, 0)}
                found = stats.setdefault(group, empty)
                found["entries"] += 1
                for name, attribute in names.items():
                    found[name] += int(item[attribute]["N"])
        return [stats[group] for group in sorted(stats, key=lambda g: (g[0], g[1] is None, g[1] or ""))]

    def _own(self, user_id: int | None) -> Stream:
        keys = partitions(user_id)
        return merged(Timeline(self.items, HISTORY, key, prefix=_PREFIX).newest_first for key in keys)

    def _public(self) -> Stream:
        return Timeline(self.items, HISTORY, "PUBLIC#true", 1).newest_first

    def _entry(self, user_id: int | None, history_id: int, created_at: int | None) -> Item | None:
        begin = _PREFIX + ("" if created_at is None else iso_second(created_at))
        where = {**HISTORY.when, "HistoryId": str(history_id)}
        key = partition(user_id, history_id)
        found = self.items.query(MAIN, key, between=(begin, begin + "~"), where=where, descending=True)
        return next(found, None)


def history_row(columns: Mapping[str, Any]) -> Row:
    """The part of a new row its writer gives: documents as text, what is left out empty or 0. Raises InputError."""
    empty: Row = {
        "language": None, "code": "", "result_summary": {}, "passed_count": 0, "failed_count": 0, "total_count": 0,
        "is_code_public": False, "test_results": None, "hints": None, "metadata": {},
    }  # fmt: skip
    check_columns(columns, empty)
    row = empty | dict(columns)
    return row | {name: jsonb_text(row[name]) for name in _JSON if row[name] is not None}
