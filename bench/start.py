"""How long ``limosa --help`` takes as a whole process: ``python -m bench.start``."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

__all__ = ["main"]

RUNS = 15


def seconds(command: list[str]) -> float:
    """Median wall time of a command."""
    took: list[float] = []
    for _ in range(RUNS):
        started = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        took.append(time.perf_counter() - started)
    return statistics.median(took)


def main() -> None:
    """Prints the median, and that of an interpreter that does nothing."""
    limosa = seconds([str(Path(sys.executable).parent / "limosa"), "--help"])
    bare = seconds([sys.executable, "-c", "pass"])
    print(f"limosa --help: median {limosa:.3f} s of {RUNS}; python -c pass: {bare:.3f} s")


if __name__ == "__main__":
    main()
