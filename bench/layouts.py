"""Both layouts on the same table with HNSW on the old vectors: rows/s, bytes on disk and write-ahead log of each.

``python -m bench.layouts [--rows N] [--runs N]``: alternating, fresh copies, the ratio of each pair.
"""

from __future__ import annotations

import argparse
import statistics
from dataclasses import dataclass

import psycopg

from bench.backfilling import backfill_s
from bench.fixture import app_for, make_table, server

D = 1536
BATCH = 1000


@dataclass(frozen=True)
class Seen:
    """What one backfill did."""

    rows_per_s: float
    grown_bytes: int
    wal_bytes: int


def measured(url: str, layout: str, *, rows: int, threads: int) -> Seen:
    """Fills every row of a fresh copy."""
    make_table(url, rows=rows, old_d=D, hnsw=True)
    app = app_for(d=D, old_d=D, batch_rows=BATCH, threads=threads, layout=layout)
    with psycopg.connect(url, autocommit=True) as connection:

        def asked(sql: str) -> int:
            return int(connection.execute(sql.encode()).fetchall()[0][0])

        size = (
            "SELECT sum(pg_total_relation_size(c.oid)) FROM pg_class AS c WHERE relname LIKE 'docs%' AND relkind = 'r'"
        )
        wal = "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint"
        before = asked(size), asked(wal)
        took_s = backfill_s(app)
        grown, logged = asked(size) - before[0], asked(wal) - before[1]
    assert app.voyage.reports.tally().done == rows
    app.rollback()
    app.close()
    return Seen(rows / took_s, grown, logged)


def main() -> None:
    """Prints both, pair by pair, and the ratio's median and spread."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    ratios: list[float] = []
    with server() as url:
        for _ in range(options.runs):
            found = {
                layout: measured(url, layout, rows=options.rows, threads=options.threads)
                for layout in ("column", "side_table")
            }
            for layout, seen in found.items():
                print(
                    f"{layout}: {seen.rows_per_s:,.0f} rows/s, {seen.grown_bytes / options.rows:,.0f} bytes a row more"
                    f" on disk, {seen.wal_bytes / options.rows:,.0f} bytes a row of write-ahead log",
                    flush=True,
                )
            ratios.append(found["side_table"].rows_per_s / found["column"].rows_per_s)
            print(f"side_table to column: {ratios[-1]:.1f} times the rate", flush=True)
    print(
        f"{options.rows:,} x {D}, HNSW on the old vectors: ratio median {statistics.median(ratios):.1f},"
        f" from {min(ratios):.1f} to {max(ratios):.1f}"
    )


if __name__ == "__main__":
    main()
