"""How long another program waits to write while a table is split: ``python -m bench.split_beside [--rate N]``.

100,000 rows of 384 and 30,000 of 1536, in batches of 1,000; the other program has Python's usual timeout of 5 s.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sqlite3
import statistics
import tempfile
import time
from contextlib import closing
from multiprocessing.synchronize import Event
from pathlib import Path

from bench.backfilling import backfill_s
from bench.split import app_for, make_table

SIZES = {384: 100_000, 1536: 30_000}


def write(path: Path, rate: float, over: Event, waits: multiprocessing.Queue[list[float]]) -> None:
    """Edits rows of the table that is split until told to end; a wait that failed counts as infinite."""
    seen: list[float] = []
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        while not over.wait(1 / rate):
            key, started = f"id-{7 * len(seen) % 1000:08}", time.perf_counter()
            try:
                connection.execute("UPDATE embeddings SET item_id = item_id + 1 WHERE embedding_id = ?", (key,))
                seen.append(time.perf_counter() - started)
            except sqlite3.OperationalError:
                seen.append(float("inf"))
    waits.put(seen)


def measure(rows: int, d: int, rate: float) -> tuple[float, list[float]]:
    """Rows/s of the backfill, and how long each write took, in seconds."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "app.db"
        make_table(path, rows=rows, d=d)
        with closing(app_for(path, d=d, keep=True)) as app:
            over: Event = multiprocessing.Event()
            waits: multiprocessing.Queue[list[float]] = multiprocessing.Queue()
            writer = multiprocessing.Process(target=write, args=(path, rate, over, waits))
            writer.start()
            took = backfill_s(app)
            over.set()
            seen = waits.get()
            writer.join()
    return rows / took, seen


def main() -> None:
    """Prints rows/s, and the waits of the other program."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, default=50.0, help="writes a second that the other program wants")
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    for d, rows in SIZES.items():
        for _ in range(options.runs):
            rate, seen = measure(rows, d, options.rate)
            print(
                f"{rows:,} x {d}: {rate:,.0f} rows/s beside {len(seen)} writes, {seen.count(float('inf'))} failed;"
                f" waits: median {statistics.median(seen) * 1e3:.1f} ms, longest {max(seen) * 1e3:.0f} ms",
                flush=True,
            )


if __name__ == "__main__":
    main()
