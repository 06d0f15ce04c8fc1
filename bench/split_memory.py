"""Peak memory of limosa's process while it splits tables of two lengths.

``python -m bench.split_memory [--large N] [--wide N]``: 10,000 against N rows of 1536, then of 384; each in a process
of its own, from plan to a proved verify.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.split import app_for, make_table

__all__ = ["main"]


def child(path: Path, d: int) -> None:
    """The whole split up to a proved verify; prints the process's peak in MB."""
    app = app_for(path, d=d, keep=True)
    proofs = app.run(accept=frozenset({"--yes"})).proofs
    assert {proof.verdict for proof in proofs} == {"proved"}
    app.close()
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def peak_mb(rows: int, d: int) -> float:
    """Peak of a child process that splits a fresh table of so many rows."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "app.db"
        # In a process of its own, whose memory is not the one that is measured.
        make_table(path, rows=rows, d=d)
        command = [sys.executable, "-m", "bench.split_memory", "--child", str(path), "--d", str(d)]
        return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])


def main() -> None:
    """Prints the peaks and their ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--large", type=int, default=100_000)
    parser.add_argument("--wide", type=int, default=1_000_000)
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--d", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(options.child, options.d)
        return
    for d, most in ((1536, options.large), (384, options.wide)):
        peaks: list[float] = []
        for rows in (10_000, most):
            peaks.append(peak_mb(rows, d))
            print(f"{rows:,} x {d}: peak {peaks[-1]:.0f} MB", flush=True)
        print(f"{d}: ratio {peaks[1] / peaks[0]:.2f}", flush=True)


if __name__ == "__main__":
    main()
