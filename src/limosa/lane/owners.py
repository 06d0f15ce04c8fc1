"""Which of the processes that share a file are alive: each holds the lock of a small file beside it."""

from __future__ import annotations

import fcntl
import glob
import secrets
from contextlib import suppress
from pathlib import Path

__all__ = ["Owner"]


class Owner:
    """This process among those that share ``path``; the lock goes with the process, however it ends."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.name = secrets.token_hex(8)
        self._sweep()
        file = self._file(self.name)
        self._held = file.open("w")
        fcntl.flock(self._held, fcntl.LOCK_EX)
        # Whoever swept between the two lines took the file for a dead process's.
        while not file.exists():
            self._held.close()
            self._held = file.open("w")
            fcntl.flock(self._held, fcntl.LOCK_EX)

    def alive(self, name: str) -> bool:
        """Whether the owner of that name still works."""
        try:
            with self._file(name).open("r+") as held:
                fcntl.flock(held, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except OSError:
            return True
        return False

    def close(self) -> None:
        """Ends the ownership; safe to call again."""
        if not self._held.closed:
            self._file(self.name).unlink(missing_ok=True)
            self._held.close()

    def _sweep(self) -> None:
        for file in self._path.parent.glob(f"{glob.escape(self._path.name)}-owner-*"):
            with suppress(OSError), file.open("r+") as held:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                file.unlink(missing_ok=True)

    def _file(self, name: str) -> Path:
        return self._path.with_name(f"{self._path.name}-owner-{name}")
