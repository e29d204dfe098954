"""Problems and their test cases: patterns 1 to 6 and 13. What is deleted is in no list, but found by its key."""

from __future__ import annotations

from collections.abc import Iterator

from assets.algoitny.model import MAIN, PROBLEM, TEST_CASE
from assets.algoitny.repository.items import METADATA, Answer, Items, Row, answer
from assets.algoitny.repository.paging import MOST_PER_PAGE, Page, Position, Stream, Timeline, merged, page, place


class Problems:
    """Reads of problems and test cases, and what completes a problem."""

    items: Items
    problem_keys: dict[int, str]  # partition keys by internal id, as met; a key never changes

    def problem_by_id(self, id: int) -> Answer | None:
        """Pattern 1. The design has no key for the internal id: it is looked for once, then remembered.

        An id not met before costs a pass over the index of live problems, an unknown or deleted one a scan.
        """
        known = self.problem_keys.get(id)
        row = self.items.get_row(PROBLEM, known) if known else None
        if row is None or row["id"] != id:
            found = self._key_of(id)
            row = self.items.get_row(PROBLEM, found) if found else None
        return answer(PROBLEM, row) if row and row["id"] == id else None

    def problem_by_key(self, platform: str, problem_id: str) -> Answer | None:
        """Pattern 2. The problem of a platform's own id."""
        row = self.problem_row(platform, problem_id)
        return row and answer(PROBLEM, row)

    def filter_problems(
        self,
        *,
        platform: str | None = None,
        title: str | None = None,
        language: str | None = None,
        limit: int = 50,
        after: str | None = None,
    ) -> Page:
        """Pattern 3. Live problems, newest first, of a platform and a language, with `title` in theirs in any case."""
        wanted = {"platform": platform, "language": language}
        whole = [self._completed("true"), self._completed("false")]
        if platform is not None:
            whole = [Timeline(self.items, PROBLEM, f"PLATFORM#{platform}", 1).newest_first]
        elif language is not None:
            whole = [Timeline(self.items, PROBLEM, f"LANGUAGE#{language}", 3).newest_first]
        rows = merged(whole)

        def stream(after: Position | None, size: int) -> Iterator[Row]:
            few = title is not None or (platform is not None and language is not None)
            for row in rows(after, MOST_PER_PAGE if few else size):
                fits = all(value is None or row[name] == value for name, value in wanted.items())
                if fits and (title is None or lower(title) in lower(row["title"])):
                    yield row

        return page(PROBLEM, ["filter_problems", platform, title, language], limit, after, stream)

    def completed_problems(self, *, limit: int = 50, after: str | None = None) -> Page:
        """Pattern 4. Live problems that are completed, newest first."""
        return page(PROBLEM, ["completed_problems"], limit, after, self._completed("true"))

    def draft_problems(self, *, limit: int = 50, after: str | None = None) -> Page:
        """Pattern 5. Live problems that aren't completed, newest first: for administrators."""
        return page(PROBLEM, ["draft_problems"], limit, after, self._completed("false"))

    def problem_with_test_cases(self, platform: str, problem_id: str) -> Answer | None:
        """Pattern 6. {"problem", "test_cases"} by one consistent query; test cases oldest first."""
        problem, cases = None, []
        for item in self.items.query(MAIN, problem_key(platform, problem_id)):
            if item["SK"]["S"] == METADATA:
                problem = self.items.row(PROBLEM, item)
            else:
                cases.append(self.items.row(TEST_CASE, item))
        if problem is None or not _named(problem, platform, problem_id):
            return None
        own = sorted((row for row in cases if row["problem_id"] == problem["id"]), key=place)
        return {"problem": answer(PROBLEM, problem), "test_cases": [answer(TEST_CASE, row) for row in own]}

    def test_cases(self, platform: str, problem_id: str) -> list[Answer]:
        """Pattern 13. A problem's test cases, oldest first; none where there is no such problem."""
        found = self.problem_with_test_cases(platform, problem_id)
        return found["test_cases"] if found else []

    def complete_problem(self, platform: str, problem_id: str, *, completed: bool = True) -> Answer | None:
        """Move a problem between patterns 4 and 5, its index keys in the same update; None when there is none."""
        if self.problem_row(platform, problem_id) is None:
            return None
        key = problem_key(platform, problem_id)
        row = self.items.rewrite(PROBLEM, key, METADATA, lambda row: row | {"is_completed": completed})
        return row and answer(PROBLEM, row)

    def problem_row(self, platform: str, problem_id: str) -> Row | None:
        """The row of a platform's own id. Its key may be another's, when there is a # in the platform."""
        row = self.items.get_row(PROBLEM, problem_key(platform, problem_id))
        return row if row and _named(row, platform, problem_id) else None

    def _completed(self, which: str) -> Stream:
        return Timeline(self.items, PROBLEM, f"COMPLETED#{which}", 2).newest_first

    def _key_of(self, id: int) -> str | None:
        select = ("PK", "InternalId")
        for which in ("true", "false"):
            for item in self.items.query(MAIN, f"COMPLETED#{which}", index=2, select=select):
                self.problem_keys[int(item["InternalId"]["S"])] = item["PK"]["S"]
        if id not in self.problem_keys:
            where = {"EntityType": PROBLEM.name, "InternalId": str(id)}
            for item in self.items.scan(MAIN, where=where, select=select):
                self.problem_keys[id] = item["PK"]["S"]
        return self.problem_keys.get(id)


def problem_key(platform: str, problem_id: str) -> str:
    """The partition of a problem and its test cases."""
    return f"PROBLEM#{platform}#{problem_id}"


def lower(text: str) -> str:
    """In lower case, character by character, as PostgreSQL's lower() has it."""
    return "".join([small if len(small := each.lower()) == 1 else each for each in text])


def _named(row: Row, platform: str, problem_id: str) -> bool:
    return (row["platform"], row["problem_id"]) == (platform, problem_id)
