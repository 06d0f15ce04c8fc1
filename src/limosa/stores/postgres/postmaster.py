"""Postmaster: what a cluster's postmaster.pid says, believed only when that very server is alive."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Postmaster", "clear_stale", "read_postmaster", "serves"]


@dataclass(frozen=True, slots=True)
class Postmaster:
    """A living server.

    Attributes:
        pid: process of the postmaster.
        port: TCP port; 0 until it listens.
        status: ``starting``, ``ready`` or ``stopping``.
    """

    pid: int
    port: int
    status: str


def read_postmaster(data: Path) -> Postmaster | None:
    """The living server of a data folder; None when there is none, whatever the file says."""
    try:
        lines = (data / "postmaster.pid").read_text().splitlines()
        pid = int(lines[0])
    except (FileNotFoundError, IndexError, ValueError):
        return None
    if not serves(pid, data):
        return None
    # Line 4 is the port, line 8 the status, which is written last (PostgreSQL, miscadmin.h, LOCK_FILE_LINE_*).
    port = int(lines[3]) if len(lines) > 3 and lines[3].isdigit() else 0
    status = lines[7].strip() if len(lines) > 7 else "starting"
    return Postmaster(pid, port, status)


def serves(pid: int, data: Path) -> bool:
    """Whether the process is the postmaster of this data folder; a zombie is not, nor a reused number."""
    argv = _argv(pid)
    return bool(argv) and Path(argv[0]).name == "postgres" and str(data) in argv


def clear_stale(data: Path) -> None:
    """Removes a postmaster.pid whose number now belongs to another process, or to a zombie.

    Postgres itself replaces the file of a dead process, but takes any living process of the same user
    for a server. A real second server is still kept out by the shared memory that its inode names.
    """
    path = data / "postmaster.pid"
    try:
        pid = int(path.read_text().splitlines()[0])
    except (FileNotFoundError, IndexError, ValueError):
        return
    if _exists(pid) and not serves(pid, data):
        path.unlink(missing_ok=True)


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _argv(pid: int) -> list[str]:
    # The command line is readable for everybody, in containers without ptrace too; /proc/PID/cwd is not.
    if sys.platform == "linux":
        try:
            return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            return []
    listing = ["/bin/ps", "-ww", "-o", "command=", "-p", str(pid)]
    shown = subprocess.run(listing, capture_output=True, text=True, check=False).stdout
    program, found, rest = shown.strip().partition(" -D ")
    return [program, *rest.split(" ")] if found else []
