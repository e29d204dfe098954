"""How far each step of a schema has come, judged by the catalog first and the tracking table second."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from psycopg import Connection

from billio_pipeline.model.entity import System
from billio_pipeline.stores.drift import Drift
from billio_pipeline.stores.retry import Retries
from billio_pipeline.stores.sql.catalog import Recorded, read_recorded
from billio_pipeline.stores.sql.ddl import Step, statements, tables
from billio_pipeline.stores.sql.drift import Spelling, compare
from billio_pipeline.stores.sql.profiles import Profile
from billio_pipeline.stores.sql.retry import repeat
from billio_pipeline.stores.sql.target import Target

State = Literal["applied", "unrecorded", "pending", "invalid", "different"]

# What of a table's drift belongs to the step that makes it. A column somebody added is drift, but not of that step.
_TABLE_DRIFT = {"primary_key", "missing_column", "column_type", "column_nullable", "column_default"}
_ABSENT = {"missing_table", "missing_index", "missing_constraint"}
_TEXTS = ("text", "character varying")


@dataclass(frozen=True)
class StepState:
    """Where one step stands. `changed`: it is recorded with another statement than is emitted now."""

    step: Step
    state: State
    recorded: Recorded | None
    differences: tuple[Drift, ...] = ()

    @property
    def there(self) -> bool:
        """The target holds what the step makes, exactly."""
        return self.state in ("applied", "unrecorded")

    @property
    def changed(self) -> bool:
        return self.recorded is not None and self.recorded.checksum != self.step.checksum

    @property
    def why(self) -> str:
        """What differs, in words; empty when nothing does."""
        changed = ""
        if self.changed and self.recorded is not None:
            changed = (
                f"recorded as {self.recorded.name} on {self.recorded.applied_at:%Y-%m-%d} with checksum "
                f"{self.recorded.checksum}, now emitted with {self.step.checksum}"
            )
        return "; ".join([text for text in (changed, *map(str, self.differences)) if text])

    @property
    def blocking(self) -> tuple[Drift, ...]:
        """Differences of an existing table that keep rows from being loaded at all."""
        return tuple(each for each in self.differences if self.step.kind == "table" and _blocks(each))


def _blocks(drift: Drift) -> bool:
    if drift.kind == "column_type":
        return _base_type(drift.expected) != _base_type(drift.found)
    return drift.kind in ("missing_column", "primary_key")


def _base_type(type_name: str | None) -> str:
    """The type without its length; the text types are one, for rows of one load into the other."""
    name = (type_name or "").split("(")[0]
    return "text" if name in _TEXTS else name


def read_states(
    connection: Connection, system: System, profile: Profile, spelling: Spelling
) -> tuple[tuple[StepState, ...], tuple[Drift, ...]]:
    """Every step's state, and all drift it was judged by."""
    differences = compare(connection, tables(system, profile), spelling)
    recorded = read_recorded(connection)
    states = tuple(_state(step, differences, recorded.get(step.slug)) for step in statements(system, profile))
    return states, tuple(differences)


def ask_states(
    target: Target, system: System, spelling: Spelling, retries: Retries
) -> tuple[tuple[StepState, ...], tuple[Drift, ...]]:
    """`read_states` of a target, repeated while errors are transient (another session's DDL is one on Aurora DSQL)."""

    def ask() -> tuple[tuple[StepState, ...], tuple[Drift, ...]]:
        with target.connection() as connection:
            return read_states(connection, system, target.profile, spelling)

    return repeat(ask, retries=retries, what=target.name)


def _state(step: Step, differences: list[Drift], recorded: Recorded | None) -> StepState:
    own = tuple(each for each in differences if each.table == step.table and _concerns(step, each))
    state: State = "applied" if recorded is not None else "unrecorded"
    for each in own:
        if each.kind in _ABSENT or each.kind == "unvalidated_constraint":
            state = "pending"
        elif each.kind == "invalid_index":
            state = "invalid"
        else:
            state = "different"
    return StepState(step, state, recorded, own)


def _concerns(step: Step, drift: Drift) -> bool:
    if drift.kind == "missing_table":
        return True
    if step.kind == "table":
        return drift.kind in _TABLE_DRIFT
    if step.kind == "constraint" and drift.kind == "unvalidated_constraint":
        return False
    return drift.name == step.object and not drift.kind.startswith("extra_")
