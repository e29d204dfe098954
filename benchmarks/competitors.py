"""Everything that is run: the limits, the seed's script, the peers, ourselves; and what each is."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from benchmarks import differences, finish
from benchmarks.bench import Bench, counted
from benchmarks.copy_file import copy_in, full_join
from benchmarks.measure import Run, watch
from benchmarks.sling_peer import sling
from billio_pipeline.settings import CHECKOUT

SLICE = 20_000  # items the seed's script is run on: it takes longer than all else together
BILLIO = Path(sys.executable).with_name("billio")


@dataclass(frozen=True)
class Competitor:
    """One line of a table. `venv`: the peer's, if it needs one. `indexes`: said of them where they are no stage."""

    name: str
    label: str
    about: str
    run: Callable[[Bench], Run]
    venv: str = ""
    indexes: str = "—"
    kind: Literal["load", "verify", "parts"] = "load"


def _copy(bench: Bench) -> Run:
    with bench.server.database() as dsn:
        finish.create(dsn)
        return bench.finished(copy_in(bench.server, dsn, bench.data, bench.folder), dsn)


def _floor(bench: Bench) -> Run:
    with bench.server.database() as dsn:
        finish.create(dsn)
        return counted(bench.child("floor", dsn, bench.data), dsn)


def _seed(commit_each: bool) -> Callable[[Bench], Run]:
    def run(bench: Bench) -> Run:
        part = min(SLICE, bench.small.items // 4)
        with bench.server.database() as dsn:
            finish.create(dsn)
            finish.finish(dsn)
            options = {"slice": part, "commit_each": commit_each}
            return counted(bench.child("seed_script", dsn, bench.small, items=part, options=options), dsn)

    return run


def _dlt(arrow: bool) -> Callable[[Bench], Run]:
    def run(bench: Bench) -> Run:
        state = bench.folder / "dlt"
        shutil.rmtree(state, ignore_errors=True)
        with bench.server.database() as dsn:
            done = bench.child(
                "dlt_peer", dsn, bench.small, venv="dlt", options={"arrow": arrow},
                environment={"DLT_DATA_DIR": str(state), "RUNTIME__DLTHUB_TELEMETRY": "false"},
            )  # fmt: skip
            return bench.finished(done, dsn)

    return run


def _ours(*, checks: bool, refusing: bool = False, guarded: bool = False) -> Callable[[Bench], Run]:
    def run(bench: Bench) -> Run:
        shutil.rmtree(bench.home, ignore_errors=True)
        with bench.server.database(guarded=guarded) as dsn:
            export = bench.data.refusing if refusing else bench.data.export
            return counted(bench.child("ours", dsn, bench.data, export=export, options={"checks": checks}), dsn)

    return run


def _command(bench: Bench) -> Run:
    """The command on a handful of items first: what that takes is the start-up, Dagster's above all."""
    start = _migrate(bench, bench.data.tiny, 4)
    done = _migrate(bench, bench.data.export, bench.data.items)
    done.error = start.error or done.error
    done.facts |= {"startup_wall": start.wall, "startup_cpu": start.cpu}
    return done


def _migrate(bench: Bench, export: Path, items: int) -> Run:
    shutil.rmtree(bench.home, ignore_errors=True)
    home = bench.folder / "dagster"
    home.mkdir(exist_ok=True)
    shutil.copyfile(CHECKOUT / "dagster_home" / "dagster.yaml", home / "dagster.yaml")
    dagster = {"DAGSTER_HOME": str(home), "DAGSTER_DISABLE_TELEMETRY": "yes"}
    with bench.server.database() as dsn:
        done = watch(
            [BILLIO, "migrate", "billio", "--export", export, "--json"], items=items, postmaster=bench.server.pid,
            log=bench.folder / "migrate.log", environment=bench.environment(dsn, BILLIO_POSTGRES_DSN=dsn, **dagster),
        )  # fmt: skip
        return counted(done, dsn)


def _verified(bench: Bench, work: Callable[[str], Run]) -> Run:
    """`work` on two tables of the small size that differ in known rows; all of them must be found."""
    with bench.server.database() as dsn:
        finish.create(dsn)
        loaded = copy_in(bench.server, dsn, bench.small, bench.folder)
        if loaded.error:
            return loaded
        finish.finish(dsn)
        differences.plant(dsn)
        done = work(dsn)
        done.facts["planted"] = differences.PLANTED
        return done


def _our_copy(bench: Bench) -> Run:
    with bench.server.database() as dsn:
        finish.create(dsn)
        return counted(bench.child("our_copy", dsn, bench.data, options={"stage": str(bench.data.stage().path)}), dsn)


def _parts(bench: Bench) -> Run:
    shutil.rmtree(bench.home, ignore_errors=True)
    with bench.server.database() as dsn:
        return bench.child("parts", dsn, bench.data)


def _data_diff(algorithm: str) -> Callable[[Bench], Run]:
    def run(bench: Bench) -> Run:
        def work(dsn: str) -> Run:
            options = {"algorithm": algorithm}
            return bench.child("data_diff_peer", dsn, bench.small, venv="data-diff", options=options)

        return _verified(bench, work)

    return run


def _ours_verify(mode: str) -> Callable[[Bench], Run]:
    def run(bench: Bench) -> Run:
        options = {"mode": mode, "stage": str(bench.small.stage().path)}
        return _verified(bench, lambda dsn: bench.child("verify_ours", dsn, bench.small, options=options))

    return run


def _join(bench: Bench) -> Run:
    def work(dsn: str) -> Run:
        return full_join(bench.server, dsn, bench.small, bench.folder)

    return _verified(bench, work)


_THEN = "; then the same indexes"
COMPETITORS = (
    Competitor("parts", "decoding", "reading, decoding, writing; by one process and two", _parts, kind="parts"),
    Competitor("our-copy", "our COPY alone", "staged rows, encoded and copied by batches", _our_copy, kind="parts"),
    Competitor("ours", "ours", "engine: decode, settle, COPY with ledger, indexes", _ours(checks=False)),
    Competitor("ours-checks", "ours, all checks", "the same and every check: this is the job", _ours(checks=True)),
    Competitor(
        "ours-quarantine", "ours, quarantine and checks", "1 % of the items are refused, with reason and bytes",
        _ours(checks=True, refusing=True),
    ),
    Competitor(
        "ours-dsql", "ours, quarantine, checks, DSQL mode", "the same under DSQL's limits and guard",
        _ours(checks=True, refusing=True, guarded=True),
    ),
    Competitor("ours-command", "billio migrate", "the whole command, Dagster and report included", _command),
    Competitor("copy", "psql \\copy BINARY", f"the limit: a file encoded beforehand{_THEN}", _copy),
    Competitor("floor", "gzip + orjson + COPY", f"one file of Python, no check{_THEN}", _floor),
    Competitor("sling", "sling 1.4.11", f"its lines as JSON, one statement makes rows{_THEN}", sling, venv="sling"),
    Competitor("dlt-arrow", "dlt, arrow", f"yields Arrow tables, loads CSV{_THEN}", _dlt(True), venv="dlt"),
    Competitor("dlt", "dlt, default", f"yields dicts, loads INSERTs{_THEN}", _dlt(False), venv="dlt"),
    Competitor(
        "seed", "the seed's script, one transaction", "kinder than written: no commit per row", _seed(False),
        indexes="live",
    ),
    Competitor(
        "seed-commits", "the seed's script", "as written: every INSERT commits", _seed(True), indexes="live"
    ),
    Competitor("verify-join", "SQL full join", "in one database, nothing but the count", _join, kind="verify"),
    Competitor(
        "verify-ours", "ours, full", "every row read back, against an export's stage", _ours_verify("full"),
        kind="verify",
    ),
    Competitor(
        "verify-fingerprint", "ours, fingerprint", "fingerprints first, differing buckets read back",
        _ours_verify("fingerprint"), kind="verify",
    ),
    Competitor(
        "verify-data-diff", "data-diff, hashdiff", "its way across databases", _data_diff("hashdiff"),
        venv="data-diff", kind="verify",
    ),
    Competitor(
        "verify-data-diff-join", "data-diff, joindiff", "its way inside one database", _data_diff("joindiff"),
        venv="data-diff", kind="verify",
    ),
)  # fmt: skip
