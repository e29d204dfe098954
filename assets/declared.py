"""The systems there are: every folder beside this file whose model.py declares a SYSTEM of the folder's name."""

import importlib.util
import pkgutil
from types import ModuleType

import assets
from billio_pipeline.model.entity import AnySystem, RowSystem, System


def declared() -> dict[str, tuple[ModuleType, AnySystem]]:
    """By name, in its order: a system's package and its declaration."""
    found: dict[str, tuple[ModuleType, AnySystem]] = {}
    for module in pkgutil.iter_modules(assets.__path__, "assets."):
        if module.ispkg and importlib.util.find_spec(f"{module.name}.model"):
            system = getattr(importlib.import_module(f"{module.name}.model"), "SYSTEM", None)
            if isinstance(system, System | RowSystem):
                found[system.name] = importlib.import_module(module.name), system
    return dict(sorted(found.items()))
