"""Peak memory of limosa's process at ten thousand and at two hundred thousand rows.

``python -m bench.memory [--small N] [--large N]``: each in a process of its own, with an embedder that costs nothing
and over HTTP, where vectors are kept on this machine before they are written.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile

from bench.answering import answering
from bench.backfilling import backfill_s
from bench.fixture import Drawn, app_for, make_table, server
from bench.provider import job
from limosa.app import App
from limosa.cli.process import few_arenas, seldom_collected

__all__ = ["main"]

D = 1536


def child(rows: int) -> None:
    """The whole migration up to a proved verify; prints the process's peak in MB."""
    app = app_for(d=D, old_d=0, batch_rows=128, threads=2)
    app.use_embedder("source", Drawn(app.migration.source.space, batch=128, threads=2))
    proofs = app.run(accept=frozenset({"--accept-reconnect", "--accept-slow"})).proofs
    assert proofs
    require_done(app, rows)


def child_over_http(rows: int, base_url: str) -> None:
    """A backfill from a provider at that address, as the command does it."""
    few_arenas()
    app = job(base_url, cache_mb=4096)
    seldom_collected()
    backfill_s(app)
    require_done(app, rows)


def require_done(app: App, rows: int) -> None:
    """Sees that every row is done, and prints the process's peak in MB."""
    assert app.voyage.reports.tally().done == rows
    app.close()
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def peak_mb(*arguments: str) -> float:
    """Peak of a child process that migrates a fresh table."""
    command = [sys.executable, "-m", "bench.memory", "--child", *arguments]
    with tempfile.TemporaryDirectory(prefix="limosa-bench-") as folder:
        kept = {**os.environ, "XDG_CACHE_HOME": folder}
        done = subprocess.run(command, check=True, capture_output=True, text=True, env=kept)
    return float(done.stdout.splitlines()[-1])


def main() -> None:
    """Prints the peaks of both and their ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", type=int, default=10_000)
    parser.add_argument("--large", type=int, default=200_000)
    parser.add_argument("--child", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        rows, *address = options.child
        child_over_http(int(rows), *address) if address else child(int(rows))
        return
    with server() as url, answering(d=D) as base_url:
        for name, address in (("without cost", []), ("over HTTP", [base_url])):
            peaks: list[float] = []
            for rows in (options.small, options.large):
                make_table(url, rows=rows)
                peaks.append(peak_mb(str(rows), *address))
                print(f"{name}, {rows:,} x {D}: peak {peaks[-1]:.0f} MB", flush=True)
            print(f"{name}: ratio {peaks[1] / peaks[0]:.2f}", flush=True)


if __name__ == "__main__":
    main()
