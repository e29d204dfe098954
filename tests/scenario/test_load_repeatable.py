"""Loading into a target in DSQL mode: once, again, over other people's rows, beside another loader."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier

import pyarrow as pa
import pytest
from loading import accepted, all_batches, asked, listed_batches, load, opened, same, total, verdict
from staging import staged
from wire import plain

from assets.billio.model import SYSTEM
from billio_pipeline.errors import TargetError
from billio_pipeline.migrate.batch import Batch
from billio_pipeline.migrate.load import Loader
from billio_pipeline.stores.sql.target import Target


def uid(n: int) -> str:
    return f"00000000-0000-4000-8000-{n:012d}"


# Eight files; in each some books, a series and a season of the series in the file before it.
FILES = [
    [plain(key=uid(100 * file + n), rating={"N": str(1 + n % 10)}, notes={"S": f"ünï 📚 \\N\t{n}"}) for n in range(9)]
    + [plain("TvSeries", uid(100 * file + 50)), plain("Movie", uid(100 * file + 60))]
    + [plain("TvSeason", uid(100 * file + 70), seriesId={"S": uid(100 * max(file - 1, 0) + 50)})]
    for file in range(8)
]


@pytest.fixture
def stage(settings):
    return staged(settings, *FILES)


@pytest.fixture
def target(dsql_database, settings):
    with opened(dsql_database, settings) as target:
        yield target


def test_every_accepted_row_arrives_and_each_batch_has_its_ledger_row(target, stage):
    done = load(target, stage)
    assert same(target, stage)
    assert total(done, "rows") == accepted(stage) == 8 * 12
    assert total(done, "present") == total(done, "conflicts") == total(done, "replaced") == 0
    expected = {
        (batch.id, entity.name, batch.file, batch.first_line, batch.rows.num_rows, batch.content_hash)
        for entity in SYSTEM.entities
        for batch in all_batches(stage, entity.name)
    }
    assert {row[:-1] for row in listed_batches(target)} == expected


@pytest.mark.parametrize("listed", [True, False], ids=["the ledger asked", "the ledger not asked"])
@pytest.mark.parametrize("policy", ["insert", "replace"])
def test_loading_twice_changes_nothing(target, stage, policy, listed):
    load(target, stage, policy)
    rows = "SELECT xmin::text, ctid::text, i.* FROM items i ORDER BY id"
    before = asked(target, rows), listed_batches(target)
    again = load(target, stage, policy, listed=listed)
    assert (asked(target, rows), listed_batches(target)) == before
    assert total(again, "rows") == total(again, "conflicts") == total(again, "replaced") == 0
    assert total(again, "present") == accepted(stage)


def test_another_export_of_the_same_items_finds_them_present(target, stage, settings):
    load(target, stage)
    other = staged(settings, [item for file in reversed(FILES) for item in file])
    again = load(target, other)
    assert (total(again, "rows"), total(again, "present")) == (0, accepted(stage))
    assert same(target, other)
    assert len({row[0] for row in listed_batches(target)}) == len(listed_batches(target)) == 8 * 4 + 4


def test_policy_insert_keeps_a_row_that_differs_and_names_it(target, stage):
    asked(target, "INSERT INTO items (id, type, shelf, title) VALUES (%s, 'Book', 'Read', 'theirs')", uid(203))
    done = load(target, stage)
    assert asked(target, "SELECT title FROM items WHERE id = %s", uid(203)) == [("theirs",)]
    assert (done["Book"].conflicts, done["Book"].conflict_keys) == (1, [uid(203)])
    assert total(done, "conflicts") == 1
    found = verdict(target, stage)
    assert (found.total("loaded"), found.total("different")) == (accepted(stage), 1)
    assert {each["key"] for each in found.differences} == {uid(203)}
    again = load(target, stage)
    assert (again["Book"].conflicts, again["Book"].conflict_keys) == (1, [uid(203)]), "a rerun says the same"


def test_policy_replace_makes_the_row_ours_every_column_of_it(target, stage):
    load(target, stage)
    asked(
        target,
        "UPDATE items SET title = 'theirs', rating = NULL, data = '{}', moved_at = now(), notes = 'x' WHERE id = %s",
        uid(203),
    )
    done = load(target, stage, "replace")
    assert (done["Book"].replaced, done["Book"].conflicts, total(done, "rows")) == (1, 0, 0)
    assert same(target, stage)


def test_rows_of_others_are_left_alone(target, stage):
    asked(target, "INSERT INTO items (id, type, shelf, title) VALUES (%s, 'Book', 'Read', 'theirs')", uid(99_999))
    load(target, stage, "replace")
    found = verdict(target, stage)
    assert [(each["key"], each["column"], each["source"]) for each in found.differences] == [(uid(99_999), None, None)]


def test_rows_deleted_by_hand_come_back_although_the_ledger_lists_their_batch(target, stage):
    load(target, stage)
    before = listed_batches(target)
    asked(target, "DELETE FROM items WHERE id = %s OR type = 'Feature' AND id < %s", uid(303), uid(400))
    done = load(target, stage)
    assert (done["Book"].rows, done["Feature"].rows, total(done, "rows")) == (1, 4, 5)
    assert same(target, stage)
    assert listed_batches(target) == before


def test_a_lost_ledger_is_written_again_beside_the_rows(target, stage):
    load(target, stage)
    before = [row[:-1] for row in listed_batches(target)]
    asked(target, "DELETE FROM _billio_ledger")
    assert total(load(target, stage), "rows") == 0
    assert [row[:-1] for row in listed_batches(target)] == before


def test_two_loaders_at_once_end_in_the_same_target(dsql_database, target, stage, settings):
    start = Barrier(2)

    def one(_: int) -> int:
        with Target.open(dsql_database, settings) as own:
            start.wait(timeout=30)
            done = load(own, stage, loaders=2)
            assert total(done, "conflicts") == 0
            return total(done, "rows")

    with ThreadPoolExecutor(2) as pool:
        written = list(pool.map(one, range(2)))
    assert sum(written) == accepted(stage), "each row was written by one of them"
    assert same(target, stage)
    assert len(listed_batches(target)) == 8 * 4


def test_a_fifth_of_all_commits_failing_still_ends_in_the_same_target(dsql_database, stage, settings):
    with opened(dsql_database, replace(settings, dsql_occ_rate=0.2)) as target:
        done = load(target, stage)
        again = load(target, stage)
    retries = [each.retries for each in (*done.values(), *again.values()) if each.retries]
    # 64 commits and more: that none of them failed has a chance of 0.8⁶⁴, less than one in a million.
    assert sum(each["40001"] for each in retries) > 0
    assert {state for each in retries for state in each} == {"40001"}
    assert (total(done, "rows"), total(again, "rows")) == (accepted(stage), 0)
    with Target.open(dsql_database, settings) as target:
        assert same(target, stage)


def test_a_batch_beyond_the_targets_limit_is_split_until_it_fits(target, settings):
    stage = staged(settings, [plain(key=uid(n)) for n in range(7_000)])
    parts = all_batches(stage, "Book")
    assert [part.rows.num_rows for part in parts] == [2500, 2500, 2000]
    whole = Batch("export", "Book", parts[0].file, pa.concat_tables([part.rows for part in parts]))
    done = Loader(target, SYSTEM, "Book", "insert").run([whole], set(), loaders=1)
    assert (done.rows, done.batches, done.refused) == (7_000, 1, [])
    assert same(target, stage)
    assert sorted(row[4] for row in listed_batches(target)) == [1750] * 4


def test_a_table_that_cannot_take_the_rows_stops_the_load_and_says_what_to_do(dsql_database, settings, stage):
    with Target.open(dsql_database, settings) as bare, pytest.raises(TargetError) as caught:
        Loader(bare, SYSTEM, "Book", "insert").run(all_batches(stage, "Book"), set(), loaders=2)
    assert "billio schema" in caught.value.remedy
