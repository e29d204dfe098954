"""Imports point one way: assets → resources → billio_pipeline, and inside the engine as the rooms' arrows say."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OUTER = ("dagster", "dagster_aws", "dagster_postgres", "assets", "resources")
EVERYWHERE = {"errors", "settings", "room", "clock"}  # room: a full disk, explained; clock: one that jumps, noticed
ROOMS = {  # room → the other rooms of the engine it may import; one not named here may import none
    "model": set(),
    "codec": {"model", "errors"},
    "stores": {"model"} | EVERYWHERE,
    "verify": {"model", "duck", "errors"},
    "migrate": {"model", "codec", "stores", "verify", "duck", "processes"} | EVERYWHERE,
    "local": {"model", "stores"} | EVERYWHERE,
    "report": {"model"} | EVERYWHERE,
    "plan": {"model", "codec", "migrate", "stores", "verify", "report", "duck", "processes"} | EVERYWHERE,
    "logs": {"report", "errors"},  # report.text takes secrets out
    "settings": {"errors"},
    "duck": {"errors"},  # how a DuckDB connection is opened
    "room": {"errors"},
    "clock": set(),
    "progress": {"errors"},
    "processes": {"errors"},
}
LOOKS_BACK = ("definitions", "cli", "__main__")  # the composition root and the command line may import all
FILES = [path for top in ("billio_pipeline", "assets", "resources") for path in sorted((ROOT / top).rglob("*.py"))]


def imported(path: Path) -> set[str]:
    """Absolute names of the modules a file imports, at its top or anywhere in it."""
    package = path.relative_to(ROOT).with_suffix("").parts[:-1]
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = [*package[: len(package) - node.level + 1]] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            names.update([module, *(f"{module}.{alias.name}" for alias in node.names)])
    return names


def violations(path: Path) -> list[str]:
    top, *rest = path.relative_to(ROOT).with_suffix("").parts
    names = imported(path)
    if top == "assets":
        return [name for name in names if name.startswith(("billio_pipeline.cli", "billio_pipeline.definitions"))]
    if top == "resources":
        return [name for name in names if name.split(".")[0] == "assets"]
    room = rest[0]
    if room in LOOKS_BACK:
        return []
    wrong = [name for name in names if name.split(".")[0] in OUTER]
    reached = {name.split(".")[1]: name for name in names if name.startswith("billio_pipeline.")}
    return wrong + [name for other, name in reached.items() if other not in ROOMS.get(room, set()) | {room}]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_one_way(path):
    assert violations(path) == []
