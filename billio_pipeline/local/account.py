"""Under which account a server runs. PostgreSQL refuses to run as root, so root lends it an ordinary account."""

from __future__ import annotations

import hashlib
import os
import pwd
import shutil
from dataclasses import dataclass
from pathlib import Path

from billio_pipeline.errors import ConfigurationError

PREFERRED = ("postgres", "nobody")
ROOTS_FOLDER = Path("/var/lib/billio-pipeline")  # for root, when the project lies in a folder closed to others


@dataclass(frozen=True)
class Account:
    """A user and group a child process runs as."""

    name: str
    uid: int
    gid: int

    def popen(self) -> dict[str, object]:
        """Arguments that make subprocess run the child as this account."""
        return {"user": self.uid, "group": self.gid, "extra_groups": []}


def server_account() -> Account | None:
    """None when we may run PostgreSQL ourselves; for root, the account to lend.

    Raises ConfigurationError when root finds no ordinary account (initdb needs one that has a name).
    """
    if os.geteuid() != 0:
        return None
    entries = {entry.pw_name: entry for entry in pwd.getpwall() if entry.pw_uid != 0}
    for name in (*PREFERRED, *entries):
        if name in entries:
            return Account(name, entries[name].pw_uid, entries[name].pw_gid)
    raise ConfigurationError(
        "PostgreSQL does not run as root, and this machine has no other account",
        remedy="Add one (useradd --system postgres), or run as an ordinary user.",
    )


def can_enter(folder: Path, account: Account | None) -> bool:
    """Whether the account may walk to and into `folder`; folders still to be created below it are ours to open."""
    if account is None:
        return True
    for part in (folder, *folder.parents):
        if part.exists():
            found = part.stat()
            bit = 0o100 if found.st_uid == account.uid else 0o010 if found.st_gid == account.gid else 0o001
            if not found.st_mode & bit:
                return False
    return True


def server_folder(wanted: Path, account: Account | None) -> Path:
    """A folder the account owns, 0700: `wanted`, or for root below /var/lib when the account can't get to `wanted`.

    Raises ConfigurationError when neither can be made.
    """
    if account is None:
        wanted.mkdir(parents=True, exist_ok=True, mode=0o700)
        return wanted
    if not can_enter(wanted.parent, account):
        wanted = ROOTS_FOLDER / hashlib.sha256(str(wanted).encode()).hexdigest()[:16]
    try:
        wanted.parent.mkdir(parents=True, exist_ok=True)
        wanted.mkdir(exist_ok=True, mode=0o700)
        give(wanted, account)
    except OSError as error:
        raise ConfigurationError(
            f"the account {account.name} has no folder for PostgreSQL: {error}",
            remedy="Set BILLIO_HOME to a folder that other accounts may enter, or run as an ordinary user.",
        ) from error
    return wanted


def give(path: Path, account: Account | None) -> None:
    """Make the account the owner of `path` (nothing to do when the server runs as ourselves)."""
    if account is not None:
        shutil.chown(path, account.uid, account.gid)
