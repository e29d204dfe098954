"""Row 5: a damaged export is refused with the target untouched, or ends in the identical target; never a wrong load."""

from __future__ import annotations

import shutil
from collections import Counter
from contextlib import ExitStack
from random import Random

import psycopg

from billio_pipeline.errors import BillioError
from proof import engine, independent, inputs
from proof.damage import damage
from proof.outcome import Outcome, Workspace

ITEMS, FILES = 60, 3


def run(n: int, seed: int, workspace: Workspace) -> Outcome:
    """`n` damaged copies of one export, each taken through a whole migrate."""
    random = Random(seed)
    export = inputs.generated(workspace.folder / "export", ITEMS, seed, FILES)
    ended: Counter[str] = Counter()
    failures: list[str] = []
    stack = ExitStack()
    with stack:
        dsn = stack.enter_context(workspace.database())
        for number in range(n):
            copy = workspace.folder / f"case-{number}" / export.path.name
            shutil.copytree(export.path, copy)
            told = damage(copy, random)
            home = workspace.home()
            try:
                engine.migrate(engine.Order(str(copy), dsn, str(home)))
            except BillioError as error:
                ended["refused"] += 1
                if error.exit_code != 2 or not error.remedy or _touched(dsn):
                    failures.append(f"{told}: refused, but not cleanly: {error}")
            except Exception as error:
                failures.append(f"{told}: {type(error).__name__}: {error}")
            else:
                ended["identical"] += 1
                failures += [f"{told}: accepted, and {each}" for each in independent.count(dsn, export.wanted)]
                stack.pop_all().close()
                dsn = stack.enter_context(workspace.database())
            shutil.rmtree(home)
            shutil.rmtree(copy.parent)
    figure = (
        f"{n} damaged exports: {ended['refused']} refused, target untouched; {ended['identical']} harmless, identical"
    )
    return Outcome.of(failures, n, figure, **ended)


def _touched(dsn: str) -> bool:
    with psycopg.connect(dsn, autocommit=True) as connection:
        return connection.execute("SELECT to_regclass('public.items') IS NOT NULL").fetchone() == (True,)
