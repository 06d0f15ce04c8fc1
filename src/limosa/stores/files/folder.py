"""The folder of a collection: its parts, its lock, and how a file is put in place whole or not at all."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from limosa.errors import Refused, Transient

__all__ = ["Folder", "PATIENCE_S", "Part", "put", "sync"]

PATIENCE_S = 120.0
"""How long another process's write is waited for."""

_LOCK = ".limosa-lock"
_ASIDE = ".limosa-new-"

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, order=True)
class Part:
    """One file, and by what is seen that it was changed."""

    name: str
    size: int
    changed_ns: int
    inode: int


@dataclass(frozen=True, slots=True)
class Folder:
    """Where the parts of one collection are.

    Attributes:
        path: of the folder.
        name: of the collection; where there is no such folder, ``single`` may be its only part.
        suffixes: of parts, the one that limosa writes first.
    """

    base: Path
    name: str
    suffixes: tuple[str, ...]

    @property
    def path(self) -> Path:
        """The folder of the parts."""
        return self.base if self.single else self.base / self.name

    @property
    def single(self) -> str:
        """The only part, beside others' files; empty for a folder of parts."""
        if (self.base / self.name).is_dir():
            return ""
        return next((self.name + each for each in self.suffixes if (self.base / (self.name + each)).is_file()), "")

    def parts(self) -> list[Part]:
        """Every part, by name.

        Raises:
            Refused: files lie there that look like parts, and would not be read.
        """
        if single := self.single:
            return [_part(single, (self.base / single).stat())]
        if not self.path.is_dir():
            return []
        found = []
        with os.scandir(self.path) as entries:
            for each in entries:
                if each.name[0] in "._":
                    continue
                if each.name.endswith(self.suffixes) and each.is_file():
                    with suppress(FileNotFoundError):
                        found.append(_part(each.name, each.stat()))
                elif any(f"{suffix}." in each.name for suffix in self.suffixes):
                    raise self._unread(each.name, "Unpack it")
        return sorted(found)

    def part(self, name: str) -> Part:
        """One part, as it is now."""
        return _part(name, (self.path / name).stat())

    def check(self) -> None:
        """Looks for parts in folders further inside, which would be missed.

        Raises:
            Refused: there is one.
        """
        for each in self.path.rglob("*") if not self.single else ():
            inner = each.relative_to(self.path)
            hidden = any(name[0] in "._" for name in inner.parts)
            if len(inner.parts) > 1 and each.name.endswith(self.suffixes) and not hidden:
                raise self._unread(str(inner), "Move it into the folder")

    def _unread(self, name: str, do: str) -> Refused:
        return Refused(
            f"{self.name} holds {name}, which limosa would not read.",
            needed=f"Parts in one folder, whose names end in {' or '.join(self.suffixes)}.",
            do=f"{do}, or elsewhere if it is no part of the collection.",
        )

    @contextmanager
    def locked(self) -> Iterator[None]:
        """No other process writes here meanwhile, or makes an index.

        Raises:
            Refused: the folder cannot be written.
            Transient: another one does so for longer than ``PATIENCE_S``.
        """
        handle = self._lock()
        try:
            yield
        finally:
            os.close(handle)

    def _lock(self) -> int:
        until = time.monotonic() + PATIENCE_S
        path = self.path / _LOCK
        while time.monotonic() < until:
            try:
                handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            except OSError as error:
                raise Refused(f"The folder {self.name} cannot be written: {error.strerror}.") from error
            with suppress(BlockingIOError, FileNotFoundError):
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # Whoever dropped the collection took the file away: a lock on it keeps nobody out.
                if os.fstat(handle).st_ino == path.stat().st_ino:
                    return handle
            os.close(handle)
            time.sleep(0.02)
        raise Transient(f"Another process writes the folder {self.name}.", do="Let it end; then repeat the command.")

    def sweep(self) -> None:
        """Takes away what a process that died was writing."""
        for each in self.path.glob(f"{_ASIDE}*"):
            each.unlink(missing_ok=True)

    def clear(self) -> None:
        """Takes away the lock, and the folder if nothing else is in it."""
        (self.path / _LOCK).unlink(missing_ok=True)
        with suppress(OSError):
            self.path.rmdir()


def put(path: Path, write: Callable[[Path], _T]) -> _T:
    """Puts a file in place, whole and on the disk, or not at all; what stood there until then goes.

    Args:
        write: writes it to the path that it is given.
    """
    aside = path.with_name(f"{_ASIDE}{path.name}")
    try:
        made = write(aside)
        sync(aside)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
    sync(path.parent)
    return made


def sync(path: Path) -> None:
    """What is in this file, or folder, outlives a crash of the machine."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _part(name: str, found: os.stat_result) -> Part:
    return Part(name, found.st_size, found.st_mtime_ns, found.st_ino)
