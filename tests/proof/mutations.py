"""Row 8: differences of many classes planted in the target; verify names each by key and column, and nothing else."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from random import Random

import psycopg
import pyarrow.parquet as pq
from exports import write_export
from loading import opened, verdict

from assets.billio.generator import generate
from assets.billio.model import SYSTEM
from billio_pipeline.migrate.prepare import prepare
from billio_pipeline.migrate.stage import Stage
from billio_pipeline.stores.dynamodb import open_source
from billio_pipeline.stores.sql.target import Target
from proof import engine, inputs
from proof.outcome import Outcome, Workspace
from proof.respelt import enrich, respelt

ITEMS, FILES = 300, 2
EQUAL_PER_ROUND = 200  # equal, differently written items compared per round of mutations
NEW = "00000000-0000-4000-8000-00000000e47a"


@dataclass(frozen=True)
class Mutation:
    """SQL that alters the row with key %(key)s so that `column` differs; None: the row itself is missing or extra."""

    name: str
    column: str | None
    sql: str
    where: str = "true"  # the rows it can be planted in


def _set(name: str, column: str, value: str, where: str = "true") -> Mutation:
    return Mutation(name, column, f"UPDATE items SET {column} = {value} WHERE id = %(key)s", where)  # noqa: S608


MUTATIONS = (
    _set("a millisecond later", "moved_at", "moved_at + interval '1 ms'"),
    _set("a microsecond earlier", "added_at", "added_at - interval '1 us'"),
    _set("a trailing space", "title", "title || ' '"),
    _set("upper case", "title", "upper(title)", "title <> upper(title)"),
    _set("NFC to NFD", "title", "normalize(title, NFD)", "title <> normalize(title, NFD)"),
    _set("a zero-width space", "title", "title || U&'\\200B'"),
    _set("null to empty", "notes", "''", "notes IS NULL"),
    _set("empty to null", "notes", "NULL", "notes = ''"),
    _set("a rating gone", "rating", "NULL", "rating IS NOT NULL"),
    _set("another rating", "rating", "mod(rating, 10) + 1", "rating IS NOT NULL"),
    _set("an image a pixel wider", "image_width", "image_width + 1", "image_width IS NOT NULL"),
    _set("another type", "type", "'VideoGame'", "type = 'Book'"),
    Mutation("a missing row", None, "DELETE FROM items WHERE id = %(key)s"),
    Mutation("an extra row", None, f"INSERT INTO items (id, type, shelf, title) SELECT '{NEW}', type, shelf, title FROM items WHERE id = %(key)s"),  # noqa: S608, E501
    _set("a swapped reference", "series_id", "(SELECT id FROM items s WHERE s.type = 'TvSeries' AND s.id <> items.series_id LIMIT 1)", "series_id IS NOT NULL"),  # noqa: E501
    _set("a deep JSON value", "data", "jsonb_set(data, '{deep,a,2,b}', '3')"),
    _set("a key removed", "data", "data #- '{deep,k}'"),
    _set("a key added", "data", "data || '{\"new\": null}'"),
    _set("a list's order", "data", "jsonb_set(data, '{deep,a}', jsonb_build_array(data #> '{deep,a,1}', data #> '{deep,a,0}', data #> '{deep,a,2}'))"),  # noqa: E501
    _set("a number as text", "data", "jsonb_set(data, '{seven}', '\"7\"')"),
    _set("the last of 38 digits", "data", "jsonb_set(data, '{huge}', '12345678901234567890123456789012345679')"),
    _set("binary", "data", "jsonb_set(data, '{bytes}', '\"QUJDREVG\"')"),
    _set("a set that is a list", "data", "data #- '{$dynamodb,types,/tags}'"),
    _set("a null removed", "data", "data - 'nothing'"),
    _set("a truth", "data", "jsonb_set(data, '{truth}', 'false')"),
)  # fmt: skip


def run(n: int, seed: int, workspace: Workspace) -> Outcome:
    """`n` rounds: each plants every class once, in a row of its own, and compares; then equal items, none different."""
    random = Random(seed)
    failures: list[str] = []
    found: Counter[str] = Counter()
    items = [_accented(enrich(item, random), number) for number, item in enumerate(generate(ITEMS, seed))]
    export = inputs.export_of(workspace.folder / "export", items, FILES)
    settings = workspace.settings()
    stage = prepare(open_source(str(export.path), SYSTEM, settings), SYSTEM, settings, "stage")
    with workspace.database(guarded=False) as dsn, opened(dsn, settings) as target:
        engine.load(target, stage, settings)
        with psycopg.connect(dsn, autocommit=True) as hand:
            hand.execute("CREATE TABLE kept AS TABLE items")
            for number in range(n):
                planted = _plant(hand, random)
                for mutation, trouble in _judged(target, stage, planted):
                    if trouble:
                        failures.append(f"round {number}: {mutation}: {trouble}")
                    else:
                        found[mutation] += 1
                hand.execute("DELETE FROM items")
                hand.execute("INSERT INTO items TABLE kept")
    equal, alarms = _false_alarms(n * EQUAL_PER_ROUND, random, seed, workspace)
    failures += alarms
    figure = (
        f"{found.total()} of {n * len(MUTATIONS)} differences of {len(MUTATIONS)} classes named by key and column; "
        f"{len(alarms)} false alarms on {equal} equal, differently written items"
    )
    return Outcome.of(failures, n * len(MUTATIONS), figure, found=dict(found), equal=equal)


def _accented(item: inputs.Item, number: int) -> inputs.Item:
    """Every third title has an accent in one code point; every fifth item has empty notes, every other seventh none."""
    if number % 3 == 0:
        item["title"] = {"S": f"{item['title']['S'][:400]} é"}
    if number % 5 == 0:
        item["notes"] = {"S": ""}
    elif number % 7 == 0:
        item.pop("notes", None)
    return item


def _plant(hand: psycopg.Connection, random: Random) -> dict[str, tuple[str, str | None]]:
    """Every class in a row of its own; where each is: (key, column)."""
    planted: dict[str, tuple[str, str | None]] = {}
    taken: set[str] = {NEW}
    for mutation in random.sample(MUTATIONS, len(MUTATIONS)):
        fitting = hand.execute(f"SELECT id::text FROM kept WHERE {mutation.where} ORDER BY 1".encode())  # noqa: S608
        key = random.choice([each for (each,) in fitting if each not in taken])
        taken.add(key)
        if hand.execute(mutation.sql.encode(), {"key": key}).rowcount != 1:
            raise AssertionError(f"{mutation.name} wasn't planted")
        planted[mutation.name] = (NEW if "INSERT" in mutation.sql else key, mutation.column)
    return planted


def _judged(target: Target, stage: Stage, planted: dict[str, tuple[str, str | None]]) -> list[tuple[str, str | None]]:
    """Per class None, or what verify did with it; and what it said beyond."""
    told = {(row["key"], row["column"]) for row in pq.read_table(verdict(target, stage).path).to_pylist()}
    judged = [(name, None if place in told else "not found") for name, place in planted.items()]
    return judged + [("no mutation", f"a false alarm at {each}") for each in told - set(planted.values())]


def _false_alarms(count: int, random: Random, seed: int, workspace: Workspace) -> tuple[int, list[str]]:
    """Load items as written, then compare the target with the same items written differently."""
    items = [enrich(item, random) for item in generate(count, seed + 1)]
    settings = workspace.settings()
    first = inputs.export_of(workspace.folder / "first", items, FILES)
    lines = [respelt(item, random) for item in items]
    random.shuffle(lines)
    second = write_export(workspace.folder / "second", [lines[n::FILES] for n in range(FILES)])
    stages = [
        prepare(open_source(str(path), SYSTEM, settings), SYSTEM, settings, "stage") for path in (first.path, second)
    ]
    with workspace.database() as dsn, opened(dsn, settings) as target:
        engine.load(target, stages[0], settings)
        found = verdict(target, stages[1])
    alarms = [f"false alarm: {each}" for each in found.differences]
    if found.total("loaded") != count:
        alarms.append(f"{found.total('loaded')} of {count} equal items were found")
    return count, alarms
