"""The systems that can be named on the command line: every folder under assets/ whose model declares a SYSTEM."""

from __future__ import annotations

import importlib.util
import pkgutil
from functools import cache

from billio_pipeline.errors import ConfigurationError
from billio_pipeline.model.entity import System


@cache
def systems() -> dict[str, System]:
    """Declared systems by name."""
    import assets

    found: dict[str, System] = {}
    for module in pkgutil.iter_modules(assets.__path__):
        if module.ispkg and importlib.util.find_spec(f"assets.{module.name}.model"):
            system = getattr(importlib.import_module(f"assets.{module.name}.model"), "SYSTEM", None)
            if isinstance(system, System):
                found[system.name] = system
    return found


def system_named(name: str) -> System:
    """The system of that name. Raises ConfigurationError listing those there are."""
    if name not in systems():
        raise ConfigurationError(f"no system is called {name!r}", remedy=f"Name one of: {', '.join(systems())}.")
    return systems()[name]
