"""docs/errors.md, made from the error classes: `python -m billio_pipeline.cli.errors_reference`, or `--check`."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import sys
from collections.abc import Iterator

from billio_pipeline.errors import BillioError, TransientError
from billio_pipeline.settings import CHECKOUT

PAGE = CHECKOUT / "docs" / "errors.md"
PACKAGES = ("billio_pipeline", "assets", "resources")
_HEAD = """# Errors

Made from the error classes by `python -m billio_pipeline.cli.errors_reference`: don't edit it, run that.

Every error raised on purpose has one of these codes. The command line prints it as `error CODE: what happened`, then
where, then what to do; with `--json` as `{"error": {"code", "message", "remedy", …}}` on stdout. Exit code 2 means bad
input or configuration, and the target was not touched; 1 that something failed or was found wrong. Where the raiser
knows a better remedy than the class, that one is printed. Anything else that ends a command is a defect and keeps its
traceback. A declaration that can't be reversible (`DeclarationError`, a `TypeError`) is refused when it is imported.

Items refused while everything else goes on are no errors but quarantined, with a reason:
[guarantees.md](guarantees.md).
"""


def classes() -> list[type[BillioError]]:
    """Every error class the shipped packages define, a class before those derived from it."""
    for name in PACKAGES:
        package = importlib.import_module(name)
        for module in pkgutil.walk_packages(package.__path__, f"{name}."):
            importlib.import_module(module.name)
    found: dict[type[BillioError], None] = dict.fromkeys([BillioError, *_below(BillioError)])
    return [each for each in found if each.__module__.split(".")[0] in PACKAGES]


def cause(error: type[BillioError]) -> str:
    """The first paragraph of the class's own docstring, as one line."""
    return " ".join(inspect.cleandoc(vars(error).get("__doc__") or "").split("\n\n")[0].split())


def reference() -> str:
    """The whole page."""
    rows = [
        f"| `{each.code}` | {each.exit_code} | {'yes' if issubclass(each, TransientError) else 'no'} "
        f"| {_cell(cause(each))} | {_cell(each.remedy)} | `{each.__module__}.{each.__qualname__}` |"
        for each in sorted(classes(), key=lambda each: (each.exit_code, each.code))
    ]
    head = "| code | exit | retried | cause | remedy | class |\n|---|---|---|---|---|---|"
    return "\n".join([_HEAD, head, *rows, ""])


def main(arguments: list[str]) -> int:
    """Write docs/errors.md, or with `--check` say whether it is fresh. Returns the exit code."""
    text = reference()
    if "--check" not in arguments:
        PAGE.write_text(text, encoding="utf-8")
        return 0
    if PAGE.exists() and PAGE.read_text(encoding="utf-8") == text:
        return 0
    print(f"{PAGE.relative_to(CHECKOUT)} is stale: run python -m billio_pipeline.cli.errors_reference", file=sys.stderr)
    return 1


def _below(error: type[BillioError]) -> Iterator[type[BillioError]]:
    for each in error.__subclasses__():
        yield each
        yield from _below(each)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
