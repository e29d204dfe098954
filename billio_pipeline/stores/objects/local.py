"""A local folder as an object store: whole files only (written beside, then renamed), no way out through links."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from billio_pipeline.errors import InputError
from billio_pipeline.stores.objects.store import ObjectInfo, confined

_ABSENT = (errno.ENOENT, errno.ENOTDIR)
# Begins the name of a file not yet whole; never listed, so a killed writer leaves nothing that counts.
_UNFINISHED = ".unfinished-"


@dataclass(frozen=True)
class LocalStore:
    """Files below `root`, an absolute path."""

    root: Path

    @property
    def uri(self) -> str:
        return str(self.root)

    @property
    def bucket(self) -> None:
        return None

    @property
    def prefix(self) -> str:
        return ""

    def within(self, folder: str) -> LocalStore:
        return LocalStore(self._path(folder)) if folder else self

    def check(self) -> None:
        with _explained(self.root):
            if not stat.S_ISDIR(os.stat(self.root).st_mode):
                raise InputError(f"{self.root} is not a folder", remedy="Give the folder, not a file in it.")
            with os.scandir(self.root):
                pass

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        folders = [self._path(prefix) if prefix else self.root]
        while folders:
            folder = folders.pop()
            try:
                with os.scandir(folder) as entries:
                    for entry in entries:
                        if entry.is_dir(follow_symlinks=False):
                            folders.append(Path(entry.path))
                        elif entry.is_file() and not entry.name.startswith(_UNFINISHED):
                            path = Path(entry.path)
                            if not entry.is_symlink() or self._inside(path):  # a link out isn't ours to list
                                yield self._info(path, entry.stat())
            except FileNotFoundError:
                continue  # nothing there, or removed while listing: the same as never listed
            except OSError as error:
                raise _refusal(folder, error) from error

    def stat(self, key: str) -> ObjectInfo | None:
        path = self._path(key)
        try:
            found = path.stat()
        except OSError as error:
            if error.errno in (*_ABSENT, errno.ENAMETOOLONG):
                return None
            raise _refusal(path, error) from error
        return self._info(path, found) if stat.S_ISREG(found.st_mode) else None

    def exists(self, key: str) -> bool:
        return self.stat(key) is not None

    def read(self, key: str) -> bytes:
        with self.open(key) as stream:
            return stream.read()

    def open(self, key: str) -> BinaryIO:
        path = self._path(key)
        with _explained(path):
            # Not blocking: a pipe in a file's place would otherwise wait for ever.
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                os.close(descriptor)
                raise InputError(f"{path} is not a file", remedy="Give a folder that holds ordinary files.")
            return os.fdopen(descriptor, "rb", buffering=0)

    @contextmanager
    def create(self, key: str) -> Iterator[BinaryIO]:
        path = self._path(key)
        with _explained(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor, unfinished = tempfile.mkstemp(prefix=_UNFINISHED, dir=path.parent)
            try:
                with os.fdopen(descriptor, "wb") as stream:
                    os.fchmod(descriptor, 0o666 & ~_umask())
                    yield stream
                    stream.flush()
                    os.fsync(descriptor)
                os.replace(unfinished, path)
            except BaseException:
                Path(unfinished).unlink(missing_ok=True)
                raise

    def write(self, key: str, data: bytes | BinaryIO) -> None:
        with self.create(key) as stream:
            if isinstance(data, bytes):
                stream.write(data)
            else:
                shutil.copyfileobj(data, stream, 1 << 20)

    def _path(self, key: str) -> Path:
        path = self.root / confined(key)
        try:
            inside = self._inside(path)
        except (OSError, RuntimeError):  # a loop of links, a name too long: whoever opens it says so
            inside = True
        if not inside:
            raise InputError(
                f"{path} leads out of {self.root}", key=key, remedy="Replace the link by the file it stands for."
            )
        return path

    def _info(self, path: Path, found: os.stat_result) -> ObjectInfo:
        return ObjectInfo(path.relative_to(self.root).as_posix(), found.st_size)

    def _inside(self, path: Path) -> bool:
        return path.resolve().is_relative_to(self.root.resolve())


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _refusal(path, error) from error


def _refusal(path: Path, error: OSError) -> InputError:
    remedy = {
        errno.ENOENT: "Check the spelling of the path.",
        errno.ENOTDIR: "Give the folder, not a file in it.",
        errno.EACCES: "Give this user the right to read it (and to write, for an export).",
        errno.EPERM: "Give this user the right to read it (and to write, for an export).",
        errno.ENOSPC: "Free some space and try again.",
    }.get(error.errno or 0, "Check the path and the disk.")
    return InputError(f"{path}: {os.strerror(error.errno) if error.errno else error}", remedy=remedy)


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
