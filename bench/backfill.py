"""Backfill of drawn vectors beside batched UPDATEs from a table that is there already.

``python -m bench.backfill [--rows N] [--runs N] [--hnsw]``: alternating, fresh copies, ratios of one run.
"""

from __future__ import annotations

import argparse
import statistics
import time

import psycopg

from bench.backfilling import backfill_rate
from bench.fixture import app_for, make_table, server, vectors_table

D = 1536
BATCH = 1000


def bare(url: str, *, rows: int) -> float:
    """Rows/s of UPDATE ... FROM ready, 1,000 a commit, after ADD COLUMN: what the server itself can."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"ALTER TABLE docs ADD COLUMN fresh vector({D})")
        started = time.perf_counter()
        for at in range(0, rows, BATCH):
            connection.execute(
                "UPDATE docs SET fresh = r.v FROM ready AS r WHERE docs.id = r.id AND docs.id > %s AND docs.id <= %s",
                (at, at + BATCH),
            )
        return rows / (time.perf_counter() - started)


def ours(*, rows: int, old_d: int, threads: int) -> float:
    """Rows/s of limosa's backfill with every promise on: capture armed, guard, fence, ledger."""
    return backfill_rate(app_for(d=D, old_d=old_d, batch_rows=BATCH, threads=threads), rows=rows)


def main() -> None:
    """Prints rows/s of both, pair by pair, and the ratio's median and spread."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--hnsw", action="store_true", help="HNSW on an old 1536-d column: the state people are in")
    options = parser.parse_args()
    old_d = D if options.hnsw else 0
    ratios: list[float] = []
    with server() as url:
        vectors_table(url, rows=options.rows, d=D)
        for number in range(options.runs):
            make_table(url, rows=options.rows, old_d=old_d, hnsw=options.hnsw)
            limit = bare(url, rows=options.rows)
            make_table(url, rows=options.rows, old_d=old_d, hnsw=options.hnsw)
            rate = ours(rows=options.rows, old_d=old_d, threads=options.threads)
            ratios.append(rate / limit)
            print(
                f"run {number + 1}: bare UPDATE {limit:,.0f} rows/s, limosa {rate:,.0f} rows/s, ratio {ratios[-1]:.2f}"
            )
    print(
        f"{options.rows:,} x {D}{', HNSW on the old column' if options.hnsw else ''}: ratio median"
        f" {statistics.median(ratios):.2f}, from {min(ratios):.2f} to {max(ratios):.2f}"
    )


if __name__ == "__main__":
    main()
