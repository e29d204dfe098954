"""A target's schema as a whole: what would be run, how far it is, and bringing it up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from billio_pipeline.model.entity import System
from billio_pipeline.stores.drift import Drift
from billio_pipeline.stores.retry import Retries
from billio_pipeline.stores.sql.apply import Run, StepResult
from billio_pipeline.stores.sql.ddl import Phase, Step, statements
from billio_pipeline.stores.sql.drift import Spelling
from billio_pipeline.stores.sql.lint import Finding, lint_system
from billio_pipeline.stores.sql.profiles import Profile
from billio_pipeline.stores.sql.steps import State, StepState, ask_states
from billio_pipeline.stores.sql.target import Target


@dataclass(frozen=True)
class Planned:
    """One step of a plan. `state` is None when no target was asked."""

    step: Step
    state: State | None
    findings: tuple[Finding, ...]

    @property
    def clean(self) -> bool:
        """No error was found in the statement; warnings may have been."""
        return all(finding.level != "error" for finding in self.findings)


def plan(target: Target | None, system: System, *, profile: Profile | None = None) -> tuple[Planned, ...]:
    """Every statement for the target's profile (or for `profile`, with no database), its state and lint verdict.

    A finding that is about no statement (dsql-lint is missing) stands with each of them. Changes nothing.
    """
    if target is not None:
        profile = target.profile
        held = {each.step.name: each.state for each in ask_states(target, system, Spelling(), Retries())[0]}
    elif profile is None:
        raise TypeError("plan needs a target or a profile")
    else:
        held = {}
    findings = lint_system(system, profile)
    return tuple(
        Planned(step, held.get(step.name), tuple(f for f in findings if f.statement in (step.name, "")))
        for step in statements(system, profile)
    )


@dataclass(frozen=True)
class SchemaStatus:
    """A target's schema. `drift` leaves out what is merely not made yet: that is pending."""

    profile: str
    states: tuple[StepState, ...]
    drift: tuple[Drift, ...]

    @property
    def applied(self) -> tuple[StepState, ...]:
        return tuple(each for each in self.states if each.there and each.recorded is not None)

    @property
    def pending(self) -> tuple[StepState, ...]:
        return tuple(each for each in self.states if each.state in ("pending", "unrecorded"))

    @property
    def changed(self) -> tuple[StepState, ...]:
        """Steps recorded with another statement than is emitted now, where the target shows a difference."""
        return tuple(each for each in self.states if each.changed and not each.there)


def status(target: Target, system: System) -> SchemaStatus:
    """Applied and pending steps, and drift of what was made."""
    states, differences = ask_states(target, system, Spelling(), Retries())
    never = {
        each for state in states if state.state == "pending" and state.recorded is None for each in state.differences
    }
    return SchemaStatus(target.profile.name, states, tuple(each for each in differences if each not in never))


def up(
    target: Target,
    system: System,
    *,
    phase: Phase | Literal["all"] = "all",
    progress: Callable[[StepResult], None] | None = None,
    retries: Retries | None = None,
) -> tuple[StepResult, ...]:
    """Make what is missing of `phase`; a result per step, in their order. Results of `finish` may have failed.

    Jobs of DSQL are started one after another and then awaited together. Raises TargetError when a table can't be
    made or can't take the rows, TransientError when conflicts or lost connections outlast the retries.
    """
    return Run(target, system, retries or Retries(), progress or (lambda result: None)).steps(phase)
