"""What the stack remembers between commands: one JSON file, readable by its owner only. A hint, never trusted alone."""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import asdict, dataclass, field
from pathlib import Path

from billio_pipeline.errors import ConfigurationError


@dataclass(frozen=True)
class StackState:
    """Where the stack answers. `pids` and `ports` by component (postgres, dynamodb); empty pids: it was stopped.

    A component configured elsewhere has its address here but no pid, and no admin_dsn.
    """

    postgres_dsn: str
    admin_dsn: str | None
    dynamodb_endpoint: str
    s3_endpoint: str
    pids: dict[str, int] = field(default_factory=dict)
    ports: dict[str, int] = field(default_factory=dict)


def load(path: Path) -> StackState | None:
    """The state last saved; None when there is none, or none that can be read (the stack then finds out for itself)."""
    try:
        return StackState(**json.loads(path.read_text()))
    except (FileNotFoundError, NotADirectoryError, ValueError, TypeError):
        return None
    except OSError as error:
        raise ConfigurationError(
            f"the stack's state can't be read: {error}", remedy="Set BILLIO_HOME to a folder of your own."
        ) from error


def save(path: Path, state: StackState) -> None:
    """Replace the file in one step; it holds passwords, so nobody else may read it at any moment."""
    new = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(asdict(state), file, indent=2)
    new.replace(path)
