"""docs/cli.md from the command line's own help: `python -m billio_pipeline.cli.reference`, with `--check` to compare.

The text is the same on every machine: fixed width, no colour, no box drawing, whatever the terminal says of itself.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import typer

from billio_pipeline.settings import CHECKOUT

PAGE = CHECKOUT / "docs" / "cli.md"
WIDTH = 100  # columns
_HEAD = """# The command line

Made from `--help` by `python -m billio_pipeline.cli.reference`: don't edit it, run that.

Every command takes `--json`: one JSON object on stdout, all else on stderr. Exit codes: 0 fine · 1 a failed blocking
check, a conflict, or quarantined items that weren't allowed · 2 bad input or configuration, the target untouched.
What the answers are worth: [guarantees.md](guarantees.md). Settings: [aws.md](aws.md#settings).
"""


def reference(root: Any, name: str = "billio") -> str:
    """The whole reference as Markdown: every command below `root` (a Typer command), in the order of its help."""
    return _HEAD + "".join(_sections(root, (name,)))


def main(arguments: list[str]) -> int:
    """Write docs/cli.md, or with `--check` say whether it is fresh. Returns the exit code."""
    from billio_pipeline.cli import app

    text = reference(typer.main.get_command(app))
    if "--check" not in arguments:
        PAGE.write_text(text, encoding="utf-8")
        return 0
    if PAGE.exists() and PAGE.read_text(encoding="utf-8") == text:
        return 0
    print(f"{PAGE.relative_to(CHECKOUT)} is stale: run python -m billio_pipeline.cli.reference", file=sys.stderr)
    return 1


def _sections(command: Any, path: tuple[str, ...]) -> Iterator[str]:
    command.rich_markup_mode = None  # plain text: rich's help depends on the terminal it is drawn for
    context = command.make_context(
        " ".join(path), [], resilient_parsing=True, terminal_width=WIDTH, max_content_width=WIDTH, color=False
    )
    text = "\n".join(line.rstrip() for line in command.get_help(context).strip().splitlines())
    yield f"\n{'#' * min(len(path) + 1, 6)} {' '.join(path)}\n\n```text\n{text}\n```\n"
    for name, child in getattr(command, "commands", {}).items():
        if not child.hidden:
            yield from _sections(child, (*path, name))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
