"""Peak memory of limosa's process at ten thousand and at two hundred thousand rows.

``python -m bench.memory [--small N] [--large N]``: each in a process of its own; the embedder costs nothing.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys

from bench.fixture import Drawn, app_for, make_table, server

__all__ = ["main"]

D = 1536


def child(rows: int) -> None:
    """The whole migration up to a proved verify; prints the process's peak in MB."""
    app = app_for(d=D, old_d=0, batch_rows=128, threads=2)
    app.use_embedder("source", Drawn(app.migration.source.space, batch=128, threads=2))
    proofs = app.run(accept=frozenset({"--accept-reconnect", "--accept-slow"}))
    assert proofs
    assert app.voyage.reports.tally().done == rows
    app.close()
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def peak_mb(rows: int) -> float:
    """Peak of a child process that migrates a fresh table of so many rows."""
    command = [sys.executable, "-m", "bench.memory", "--child", str(rows)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])


def main() -> None:
    """Prints both peaks and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", type=int, default=10_000)
    parser.add_argument("--large", type=int, default=200_000)
    parser.add_argument("--child", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(options.child)
        return
    peaks: list[float] = []
    with server() as url:
        for rows in (options.small, options.large):
            make_table(url, rows=rows)
            peaks.append(peak_mb(rows))
            print(f"{rows:,} x {D}: peak {peaks[-1]:.0f} MB", flush=True)
    print(f"memory: ratio {peaks[1] / peaks[0]:.2f}")


if __name__ == "__main__":
    main()
