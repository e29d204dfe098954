"""The systems that can be named on the command line: every folder under assets/ whose model declares a SYSTEM."""

from __future__ import annotations

import importlib
import importlib.util
from typing import TYPE_CHECKING

from billio_pipeline.errors import ConfigurationError
from billio_pipeline.model.entity import AnySystem, RowSystem, System

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from assets.factory.source import Source
    from billio_pipeline.plan.activity import Activity, Figure
    from billio_pipeline.plan.dynamodb_prices import Prices
    from billio_pipeline.plan.dynamodb_units import Workload


def systems() -> dict[str, AnySystem]:
    """Declared systems by name."""
    from assets.declared import declared

    return {name: system for name, (_, system) in declared().items()}


def system_named(name: str) -> AnySystem:
    """The system of that name. Raises ConfigurationError listing those there are."""
    known = systems()
    if name not in known:
        raise ConfigurationError(f"no system is called {name!r}", remedy=f"Name one of: {', '.join(known)}.")
    return known[name]


def sql_system_named(name: str) -> System:
    """The same, for what is only done to a SQL target. Raises ConfigurationError for a system that has none."""
    system = system_named(name)
    if isinstance(system, RowSystem):
        known = [each.name for each in systems().values() if isinstance(each, System)]
        raise ConfigurationError(
            f"{name} is migrated into DynamoDB: there is no SQL target to do this to",
            remedy=f"Name one of: {', '.join(known)}.",
        )
    return system


def source_of(system: RowSystem) -> Source:
    """Where the system's rows come from, as its folder declares it beside its assets."""
    return importlib.import_module(f"assets.{system.name}.assets").SOURCE


def activity_of(system: RowSystem) -> Activity | None:
    """What its users do all day; None where its folder has no activity.py."""
    module = _beside(system, "activity")
    return module.ACTIVITY if module else None


def figures_of(system: RowSystem) -> Callable[[Workload, Prices], tuple[Figure, ...]] | None:
    """What sets the figures its seed gives beside ours; None where its folder has no seed_figures.py."""
    module = _beside(system, "seed_figures")
    return module.figures if module else None


def _beside(system: RowSystem, name: str) -> ModuleType | None:
    module = f"assets.{system.name}.{name}"
    return importlib.import_module(module) if importlib.util.find_spec(module) else None
