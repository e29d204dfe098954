"""Row 6: every reason code has its cases among good items; they alone are quarantined, the rest of the file loads."""

from __future__ import annotations

import shutil
from collections import Counter
from random import Random
from typing import Any
from uuid import UUID

import pyarrow.parquet as pq
import wire
from exports import write_export
from loading import asked, opened
from unit.test_codec_refusals import REFUSED, line_of

from assets.billio.generator import generate
from assets.billio.model import SYSTEM
from billio_pipeline.migrate.prepare import prepare
from billio_pipeline.migrate.refused import add_refused
from billio_pipeline.model.refusal import Reason
from billio_pipeline.stores.dynamodb import open_source
from proof import engine, independent
from proof.inputs import line
from proof.outcome import Outcome, Workspace

ITEMS, FILES = 200, 3
_NO_POISON = "ALTER TABLE items ADD CONSTRAINT no_poison CHECK (title <> 'poison')"

Plant = tuple[Reason, bytes]


def run(n: int, seed: int, workspace: Workspace) -> Outcome:
    """`n` exports: the first with every known case, the others with one per reason, at random places."""
    random = Random(seed)
    failures: list[str] = []
    planted: Counter[str] = Counter()
    for number in range(n):
        items = list(generate(ITEMS, seed + number))
        plants = [*_decoding(random, every=number == 0), *_settling(random, items), _refused_by_target(random)]
        if missing := set(Reason) - {reason for reason, _ in plants}:
            failures.append(f"no case for {sorted(missing)}")
        planted.update(reason.value for reason, _ in plants)
        failures += [f"export {number}: {each}" for each in _loaded(workspace, random, items, plants)]
    figure = (
        f"{len(planted)} reasons, {planted.total()} cases in {n} exports: each quarantined as such, nothing else was"
    )
    return Outcome.of(failures, planted.total(), figure, cases=dict(sorted(planted.items())))


def _loaded(workspace: Workspace, random: Random, items: list[dict[str, Any]], plants: list[Plant]) -> list[str]:
    lines = [line(item) for item in items] + [content for _, content in plants]
    random.shuffle(lines)
    folder = workspace.home()
    export = write_export(folder / "export", [lines[n::FILES] for n in range(FILES)])
    settings = workspace.settings()
    with workspace.database(guarded=False) as dsn, opened(dsn, settings) as target:
        asked(target, _NO_POISON)
        stage = prepare(open_source(str(export), SYSTEM, settings), SYSTEM, settings, "poison")
        add_refused(stage, engine.load(target, stage, settings))
        failures = independent.count(dsn, independent.expected(items))
    found = pq.read_table(stage.quarantine).to_pylist()
    held = Counter((row["reason"], row["original"]) for row in found)
    due = Counter((reason.value, content) for reason, content in plants)
    failures += [f"{reason} wasn't quarantined: {content[:120]!r}" for reason, content in due - held]
    failures += [f"quarantined as {reason}: {content[:120]!r}" for reason, content in held - due]
    shutil.rmtree(folder)
    shutil.rmtree(settings.home)
    return failures


def _decoding(random: Random, *, every: bool) -> list[Plant]:
    """Lines that one look at them refuses."""
    plants = []
    for reason, cases in REFUSED.items():
        held = [each for case in cases.values() for each in case]
        plants += [(reason, line_of(each)) for each in (held if every else [random.choice(held)])]
    # A newline inside a line would make two of it, and whole blank or over-long lines are the reader's business.
    return [plant for plant in plants if b"\n" not in plant[1] and plant[1].strip()]


def _settling(random: Random, items: list[dict[str, Any]]) -> list[Plant]:
    """Items that only all others show to be wrong."""
    book = next(item for item in items if item["type"]["S"] == "Book")["id"]["S"]
    twice, refused = _id(random), _id(random)
    bad_series = wire.plain("TvSeries", refused, rating={"N": "12"})
    plants = [
        (Reason.KEY_CONFLICT, wire.plain("Book", twice, title={"S": "one"})),
        (Reason.KEY_CONFLICT, wire.plain("VideoGame", twice)),
        (Reason.REFERENCE_MISSING, _season(random, _id(random))),
        (Reason.REFERENCE_WRONG_TYPE, _season(random, book)),
        (Reason.OUT_OF_RANGE, bad_series),
        (Reason.REFERENCE_REFUSED, _season(random, refused)),
    ]
    return [(reason, wire.written(item)) for reason, item in plants]


def _refused_by_target(random: Random) -> Plant:
    return Reason.TARGET_REFUSED, wire.written(wire.plain("Book", _id(random), title={"S": "poison"}))


def _season(random: Random, series: str) -> dict[str, Any]:
    return wire.plain("TvSeason", _id(random), seriesId={"S": series})


def _id(random: Random) -> str:
    return str(UUID(int=random.getrandbits(128), version=4))
