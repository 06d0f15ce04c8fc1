"""A process that gets so much memory and no more, files that it reads or maps included: what a container is given."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["run_confined"]

_GROUPS = Path("/sys/fs/cgroup/memory")
"""Memory cgroups of version 1: there a group may be made below one that has processes of its own."""

_ENTER = "import sys; open(sys.argv.pop(1), 'w').write('0')\n"


def run_confined(code: str, *what: str, limit_mb: int) -> float:
    """Seconds in which Python runs the code in so much memory, without swap.

    Args:
        what: its arguments.

    Raises:
        SystemExit: no such group can be made here.
        subprocess.CalledProcessError: it failed, or the kernel ended it because the memory was not enough.
    """
    with _group(limit_mb) as group:
        started = time.perf_counter()
        command = [sys.executable, "-c", _ENTER + code, str(group / "cgroup.procs"), *what]
        subprocess.run(command, capture_output=True, check=True)
        return time.perf_counter() - started


@contextmanager
def _group(limit_mb: int) -> Iterator[Path]:
    own = next((line for line in Path("/proc/self/cgroup").read_text().split() if ":memory:" in line), None)
    if own is None or not os.access(_GROUPS, os.W_OK):
        raise SystemExit("--within-mb needs a memory cgroup of version 1, and the right to make one below it.")
    group = _GROUPS / own.split(":")[2].lstrip("/") / f"limosa-bench-{os.getpid()}"
    group.mkdir()
    try:
        (group / "memory.limit_in_bytes").write_text(f"{limit_mb << 20}")
        yield group
    finally:
        # A process that has ended leaves its group a moment later.
        for _ in range(50):
            try:
                group.rmdir()
                break
            except OSError:
                time.sleep(0.1)
