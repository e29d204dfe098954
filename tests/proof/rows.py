"""The rows of the fault matrix: what each proves, how often it runs when published, how often in every `make test`."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module

from proof.outcome import Outcome, Workspace


@dataclass(frozen=True)
class Row:
    """One row. `n` is the published number, `few` that of the bounded subset; `unit` says what is counted."""

    name: str
    module: str
    n: int
    few: int
    unit: str
    proves: str

    def run(self, n: int, seed: int, workspace: Workspace) -> Outcome:
        return import_module(f"proof.{self.module}").run(n, seed, workspace)


ROWS = (
    Row(
        "kill-engine", "kill_engine", 200, 3, "runs",
        "SIGKILL of the whole process tree: between files, while settling, before, in and after COMMIT, while "
        "indexing, at any time; at most two re-runs",
    ),
    Row(
        "kill-command", "kill_command", 20, 1, "runs",
        "The same to `billio migrate`, at moments seen from the target",
    ),
    Row(
        "crash-after-commit", "replayed", 100, 3, "crashes",
        "Death between COMMIT and everything after it; the ledger makes the replay a no-op",
    ),
    Row(
        "server-stopped", "stopped", 50, 1, "stops",
        "PostgreSQL stopped `-m immediate` in mid-load and started again",
    ),
    Row(
        "lost-transactions", "conflicts", 60, 4, "loads",
        "40001 at COMMIT, TCP resets, terminated backends and expired connections on 1, 10 and 50 % of "
        "transactions",
    ),
    Row(
        "corruption", "corruption", 300, 25, "cases",
        "Any byte of any file of an export flipped, cut, swapped, missing or doubled, a third of them with "
        "checksums made to agree",
    ),
    Row(
        "poison", "poison", 20, 1, "exports",
        "Every reason code among good items",
    ),
    Row(
        "round-trip", "roundtrip", 10_000, 150, "examples",
        "All ten DynamoDB types, arbitrarily nested: item → row → item; fast path ≡ exact path; our reading ≡ "
        "boto3's",
    ),
    Row(
        "mutations", "mutations", 50, 1, "rounds",
        "Differences planted in the target, and equal items written differently",
    ),
    Row(
        "two-at-once", "together", 20, 1, "pairs",
        "Two migrates of the same export into the same target at once",
    ),
    Row(
        "disk-full", "disk_full", 12, 2, "disks",
        "No room while decoding, and under the target while loading",
    ),
    Row(
        "memory", "memory", 5_000_000, 40_000, "items",
        "Peak memory of the process tree, PostgreSQL apart, at a twenty-fifth of the items and at all of them",
    ),
    Row(
        "clock-and-change", "changed", 40, 4, "runs",
        "The clock jumps, or the export changes, under a running migrate",
    ),
)  # fmt: skip
