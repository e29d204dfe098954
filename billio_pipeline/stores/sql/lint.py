"""Whether statements suit their target: AWS's dsql-lint over what Aurora DSQL gets, and our own rules over everything.

dsql-lint only reports here; its --fix is never used (it turns `DESC NULLS LAST` into the wrong order).
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

from billio_pipeline.model.entity import System
from billio_pipeline.stores.sql.ddl import statements, tables
from billio_pipeline.stores.sql.lint_rules import Columns, Finding, judge
from billio_pipeline.stores.sql.profiles import Profile

__all__ = ["Finding", "lint", "lint_system", "linter_version"]

TIMEOUT = 60  # seconds; a hundred statements take some milliseconds
_CLEAN, _ISSUES = 0, 1


def lint_system(system: System, profile: Profile) -> tuple[Finding, ...]:
    """Findings about every statement emitted for `system` on `profile`."""
    return lint({step.name: step.sql for step in statements(system, profile)}, profile, columns_of(system, profile))


def columns_of(system: System, profile: Profile) -> dict[str, Columns]:
    """Per table, its columns' declared types, the key first."""
    return {
        table.name: {name: table.column(name).type for name in (table.key, *(c.name for c in table.columns))}
        for table in tables(system, profile)
    }


def lint(named: Mapping[str, str], profile: Profile, columns: Mapping[str, Columns]) -> tuple[Finding, ...]:
    """Findings about statements by name, in the statements' order. psycopg placeholders are understood.

    An absent or failing dsql-lint is a finding itself: nothing passes because nobody looked.
    """
    found = [finding for name, text in named.items() for finding in judge(name, text, profile, columns)]
    if profile.name == "dsql":
        found += _dsql_lint(named)
    order = {name: place for place, name in enumerate(named)}
    return tuple(sorted(found, key=lambda finding: order.get(finding.statement, -1)))


@cache
def linter() -> str | None:
    """Path of dsql-lint: beside this Python, else on PATH; None when it is not installed."""
    beside = Path(sys.executable).parent / "dsql-lint"
    return str(beside) if beside.exists() else shutil.which("dsql-lint")


def linter_version() -> str | None:
    """dsql-lint's own version, `0.2.22`; None when there is none to ask."""
    program = linter()
    return None if program is None else _version(program)


@cache
def _version(program: str) -> str | None:
    said = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=TIMEOUT, check=False).stdout
    return said.split()[-1] if said.split() else None


def _dsql_lint(named: Mapping[str, str]) -> Iterator[Finding]:
    if not named:
        return
    if (program := linter()) is None:
        yield _not_judged("dsql-lint is not installed, so nothing was checked against its rules")
        return
    # One file, each statement from a line of its own on, so that a line tells the statement.
    starts: list[tuple[int, str]] = []
    text = ""
    for name, statement in named.items():
        starts.append((text.count("\n") + 1, name))
        text += _with_values(statement).strip().removesuffix(";") + "\n;\n"
    command = [program, "--format", "json", "-"]
    try:
        ran = subprocess.run(command, input=text, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        yield _not_judged(f"dsql-lint could not be run: {error}")
        return
    if ran.returncode not in (_CLEAN, _ISSUES):
        yield _not_judged(f"dsql-lint ended with {ran.returncode}: {ran.stderr.strip()[:500]}")
        return
    for file in json.loads(ran.stdout)["files"]:
        if file["error"]:
            yield _not_judged(f"dsql-lint: {file['error']}")
        for said in file["diagnostics"]:
            name = next(name for line, name in reversed(starts) if line <= said["line"])
            yield Finding(name, said["rule"], "error", said["message"], said["suggestion"], by="dsql-lint")


def _with_values(statement: str) -> str:
    """psycopg's placeholders in the server's form: `%s` and `%(name)s` → `$1`, `%%` → `%`."""
    return re.sub(r"%(?:s|b|t|\(\w+\)[sbt])", "$1", statement).replace("%%", "%")


def _not_judged(message: str) -> Finding:
    return Finding("", "not_linted", "error", message, "Install dsql-lint: make setup.", by="dsql-lint")
