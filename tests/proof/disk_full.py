"""Row 10: the disk is full while an export is decoded, or under the target during the load: said, then resumed."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import psycopg
from psycopg import sql

from proof import command, engine, inputs, settled
from proof.outcome import Outcome, Workspace

ITEMS, FILES = 3_000, 4
# The rows of ITEMS, their key and the ledger take some 1.2 MB beside what a database has, the indexes as much more.
LEAST_ROOM, MOST_ROOM = 400_000, 1_900_000
DISK, FILLER = "400m", "filler"
# A file-size limit during decode: between nothing and what the largest staged file takes.
LEAST_BYTES, MOST_BYTES = 2_000, 60_000


def run(n: int, seed: int, workspace: Workspace) -> Outcome:
    """`n` full disks, in turn: a file-size limit while decoding; a small disk under the target; the same by command."""
    random = Random(seed)
    export = inputs.generated(workspace.folder / "export", ITEMS, seed, FILES)
    failures: list[str] = []
    ran: Counter[str] = Counter()
    mounts = may_mount(workspace)
    kinds = {"decode": _decoding, "load": _loading, "command": _command} if mounts else {"decode": _decoding}
    for number in range(n):
        name = list(kinds)[number % len(kinds)]
        ran[name] += 1
        failures += [f"{name}: {each}" for each in kinds[name](workspace, export, random)]
    figure = f"{n} full disks ({', '.join(f'{name} {times}' for name, times in ran.items())}): each said, then resumed"
    if not mounts:
        figure += "; none under the target: no right to mount a small disk here"
    return Outcome.of(failures, n, figure, mounts=mounts, ran=dict(ran))


def _decoding(workspace: Workspace, export: inputs.Export, random: Random) -> list[str]:
    """No file of the process may grow beyond a limit: writes fail as on a full disk."""
    limit = random.randint(LEAST_BYTES, MOST_BYTES)
    with workspace.database() as dsn:
        home = workspace.home()
        limited = engine.Order(
            str(export.path), dsn, str(home), "full", file_bytes=limit, processes=random.random() < 0.2
        )
        ended = engine.run(limited)
        failures = _unclean(ended.answer, dsn)
        failures += _resumed(workspace, export, dsn, home)
        shutil.rmtree(home)
    return [f"{each} (limit {limit} bytes)" for each in failures]


def _loading(workspace: Workspace, export: inputs.Export, random: Random) -> list[str]:
    """The target's tables lie on a disk that is too small for them, or for their indexes."""
    return loading(workspace, export, random.randint(LEAST_ROOM, MOST_ROOM))


def loading(workspace: Workspace, export: inputs.Export, room: int) -> list[str]:
    """What went wrong when the target had `room` bytes, and then more."""
    with _disk(workspace) as disk, _database_on(workspace, disk) as dsn, _filled(disk, room) as empty:
        home = workspace.home()
        failures = _unclean(engine.run(engine.Order(str(export.path), dsn, str(home), "full")).answer, None)
        empty()
        failures += _resumed(workspace, export, dsn, home)
        shutil.rmtree(home)
    return failures


def _command(workspace: Workspace, export: inputs.Export, random: Random) -> list[str]:
    """As above, told by the command: an exit code, a message, what to do; then the same command goes through."""
    room = random.randint(LEAST_ROOM, MOST_ROOM)
    with _disk(workspace) as disk, _database_on(workspace, disk) as dsn, _filled(disk, room) as empty:
        home = workspace.home()
        told = command.finish(command.start(export.path, dsn, home))
        failures = [] if told.code == 1 else [f"exit code {told.code}"]
        failures += _unclean(told.answer, None)
        empty()
        if trouble := command.finish(command.start(export.path, dsn, home)).trouble(ITEMS):
            failures.append(f"not resumed: {trouble}")
        failures += settled.counted(dsn, export)
        shutil.rmtree(home)
    return failures


def _unclean(answer: dict[str, Any] | None, untouched: str | None) -> list[str]:
    """What is wrong with the way a run ended: it must be one of our errors, with a remedy, that says what happened."""
    error = (answer or {}).get("error")
    if not error:
        return [f"no error was told: {answer and {k: v for k, v in answer.items() if k != 'summary'}}"]
    failures = []
    if not error.get("code") or not error.get("remedy"):
        failures.append(f"not an error of ours: {error}")
    if not any(word in error["message"].lower() for word in ("space", "full", "too large", "room")):
        failures.append(f"it doesn't say that the disk is full: {error['message']}")
    if untouched:
        with psycopg.connect(untouched) as connection:
            if connection.execute("SELECT to_regclass('public.items')").fetchone() != (None,):
                failures.append("the target was touched")
    return failures


def _resumed(workspace: Workspace, export: inputs.Export, dsn: str, home: Path) -> list[str]:
    ended = engine.run(engine.Order(str(export.path), dsn, str(home), "again"))
    if ended.trouble() or ended.answer is None:
        return [f"not resumed: {ended.trouble()}"]
    return settled.troubles(dsn, workspace.settings(), ended.answer["stage"], export)


def may_mount(workspace: Workspace) -> bool:
    try:
        with _disk(workspace):
            return True
    except (OSError, subprocess.CalledProcessError):
        return False


@contextmanager
def _disk(workspace: Workspace) -> Iterator[Path]:
    """A tmpfs below PostgreSQL's own folder, of its account."""
    server = workspace.postgres.server
    disk = server.folder / "small"
    disk.mkdir()
    owner = f"uid={server.account.uid},gid={server.account.gid}," if server.account else ""
    try:
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"{owner}mode=700,size={DISK}", "tmpfs", disk],
            check=True,
            capture_output=True,
        )
        try:
            yield disk
        finally:
            subprocess.run(["umount", disk], check=True)
    finally:
        disk.rmdir()


@contextmanager
def _filled(disk: Path, room: int) -> Iterator[Callable[[], None]]:
    """The disk with `room` bytes left, measured with the database on it; what is yielded makes more again."""
    filler = disk / FILLER
    with filler.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, shutil.disk_usage(disk).free - room)
    try:
        yield lambda: filler.unlink(missing_ok=True)
    finally:
        filler.unlink(missing_ok=True)


@contextmanager
def _database_on(workspace: Workspace, disk: Path) -> Iterator[str]:
    """A fresh database in DSQL mode, all of it on that disk."""
    name, where = sql.Identifier("on_small"), sql.Identifier("small")
    with psycopg.connect(workspace.postgres.admin_dsn(), autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE TABLESPACE {} LOCATION {}").format(where, sql.Literal(str(disk))))
        owner = sql.Identifier(workspace.postgres.server.credentials.role)
        made = sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE template_dsql TABLESPACE {} STRATEGY file_copy")
        admin.execute(made.format(name, owner, where))
        try:
            yield workspace.postgres.dsn("on_small")
        finally:
            admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))
            admin.execute(sql.SQL("DROP TABLESPACE {}").format(where))
