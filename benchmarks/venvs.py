"""The peers' own venvs, made by the bench, never ours. A peer that can't be installed is said aloud and left out."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

# What is installed for each peer. dbt-core: data-diff needs one, and a newer one needs a download of its own.
PINS = {
    "dlt": ("dlt==1.31.0", "psycopg2-binary==2.9.13", "pyarrow==26.0.1", "orjson==3.13.0", "psutil"),
    "sling": ("sling-linux-amd64==1.4.11",),
    "data-diff": ("data-diff==0.11.1", "dbt-core==1.7.18", "psycopg2-binary==2.9.13", "orjson==3.13.0", "psutil"),
}


@dataclass(frozen=True)
class Venv:
    """A peer's environment."""

    folder: Path

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    def file(self, pattern: str) -> Path:
        """One file of an installed package."""
        return next((self.folder / "lib").glob(f"python3*/site-packages/{pattern}"))


def ready(parent: Path, name: str) -> Venv | str:
    """The venv of peer `name`, made if need be; or why there is none."""
    venv = Venv(parent / name)
    mark, pins = venv.folder / "bench-pins.txt", "\n".join(PINS[name])
    if mark.exists() and mark.read_text() == pins:
        return venv
    shutil.rmtree(venv.folder, ignore_errors=True)
    print(f"making a venv for {name}: {', '.join(PINS[name])}", flush=True)
    pip = (str(venv.python), "-m", "pip", "install", "-qq", "--disable-pip-version-check", "--no-input")
    for command in ((sys.executable, "-m", "venv", str(venv.folder)), (*pip, *PINS[name])):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            said = [line for line in done.stderr.splitlines() if line.strip() and "WARNING" not in line]
            return f"its installation failed: {said[-1] if said else f'exit code {done.returncode}'}"
    mark.write_text(pins)
    return venv
