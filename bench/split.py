"""One table of JSON texts split by dimension, beside the raw limits of the same run: parsing, and inserting.

``python -m bench.split [--runs N] [--keep]``: 100,000 rows of 384, 30,000 of 1536, 10,000 of 3072.
"""

from __future__ import annotations

import argparse
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import orjson
import simdjson

from bench.backfilling import backfill_s
from limosa.app import App, open_app

SIZES = {384: 100_000, 1536: 30_000, 3072: 10_000}
BATCH = 1000


def make_table(path: Path, *, rows: int, d: int) -> None:
    """``embeddings`` with JSON texts as ``json.dumps`` writes float32 values, and no blobs."""
    rng = np.random.default_rng(7)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = wal")
        connection.execute(
            "CREATE TABLE embeddings (embedding_id TEXT PRIMARY KEY, item_id INTEGER, item_type TEXT,"
            " embedding_data TEXT, embedding_vector BLOB, dimension INTEGER, model TEXT, created_at TEXT)"
        )
        for start in range(0, rows, BATCH):
            vectors = rng.standard_normal((min(BATCH, rows - start), d), dtype=np.float32).astype(np.float64)
            connection.execute("BEGIN")
            connection.executemany(
                "INSERT INTO embeddings VALUES (?, ?, 'note', ?, NULL, ?, 'model', '2026-01-01')",
                [
                    (f"id-{start + i:08}", start + i, orjson.dumps(row, option=orjson.OPT_SERIALIZE_NUMPY).decode(), d)
                    for i, row in enumerate(vectors)
                ],
            )
            connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def parse_limit(path: Path) -> float:
    """Texts/s from the file to float32 by simdjson, without any check."""
    parser = simdjson.Parser()
    count, started = 0, time.perf_counter()
    for page in _pages(path, "CAST(embedding_data AS BLOB)"):
        for (text,) in page:
            assert isinstance(text, bytes)
            array = parser.parse(text)
            assert isinstance(array, simdjson.Array)
            np.frombuffer(array.as_buffer(of_type="d"), dtype=np.float64).astype(np.float32)
            # The parser takes no second text while the first is looked at.
            del array
        count += len(page)
    return count / (time.perf_counter() - started)


def insert_limit(path: Path, folder: Path, *, d: int, keep: bool) -> float:
    """Rows/s of blobs, with the text beside them where it is kept, 1,000 a transaction, by the standard library."""
    blob = np.zeros(d, dtype="<f4").tobytes()
    target = folder / "limit.db"
    count, spent = 0, 0.0
    with closing(sqlite3.connect(target, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = wal")
        connection.execute("CREATE TABLE t (id TEXT PRIMARY KEY, item INTEGER, kind TEXT, text TEXT, vector BLOB)")
        for page in _pages(path, "embedding_id, item_id, item_type, embedding_data"):
            rows = [(key, item, kind, text if keep else None, blob) for key, item, kind, text in page]
            started = time.perf_counter()
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany("INSERT INTO t VALUES (?, ?, ?, ?, ?)", rows)
            connection.execute("COMMIT")
            spent += time.perf_counter() - started
            count += len(rows)
    target.unlink()
    return count / spent


def _pages(path: Path, columns: str) -> Iterator[list[tuple[object, ...]]]:
    with closing(sqlite3.connect(path)) as connection:
        cursor = connection.execute(f"SELECT {columns} FROM embeddings ORDER BY embedding_id")
        while page := cursor.fetchmany(BATCH):
            yield page


def app_for(path: Path, *, d: int, keep: bool) -> App:
    """The split of that table; the backup has a time of its own and is left out."""
    return open_app(
        {
            "name": "bench",
            "source": {
                "store": f"sqlite://{path}",
                "table": "embeddings",
                "key": "embedding_id",
                "vector": ["embedding_vector", "embedding_data"],
                "dimension": "dimension",
                "model": "model",
            },
            "target": {
                "layout": "dimension_tables",
                "table": "embeddings_{dimension}",
                "dimensions": [d],
                "keep": keep,
            },
            "backfill": {"backup": "none"},
        }
    )


def ours(path: Path, *, rows: int, d: int, keep: bool) -> float:
    """Rows/s of the backfill with every promise on: capture armed, fence, ledger, guard, exact decimals."""
    app = app_for(path, d=d, keep=keep)
    try:
        took = backfill_s(app)
        assert app.voyage.reports.tally().done == rows
        return rows / took
    finally:
        app.rollback()
        app.close()


def main() -> None:
    """Prints rows/s of the limits and of limosa, size by size, and the ratio to the slower limit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--share", type=float, default=1.0, help="of the rows")
    parser.add_argument("--drop-text", action="store_true", help="the targets do not keep the JSON text")
    options = parser.parse_args()
    keep = not options.drop_text
    with tempfile.TemporaryDirectory() as name:
        for d, most in SIZES.items():
            rows, path = int(most * options.share), Path(name) / f"{d}.db"
            make_table(path, rows=rows, d=d)
            ratios: list[float] = []
            for _ in range(options.runs):
                parse = parse_limit(path)
                insert = insert_limit(path, Path(name), d=d, keep=keep)
                rate = ours(path, rows=rows, d=d, keep=keep)
                ratios.append(rate / min(parse, insert))
                binds = "parsing" if parse < insert else "inserting"
                print(
                    f"{rows:,} x {d}: parse {parse:,.0f}, insert {insert:,.0f}, limosa {rate:,.0f} rows/s"
                    f" ({rate * 3600:,.0f} an hour), {binds} binds, ratio {ratios[-1]:.2f}",
                    flush=True,
                )
            print(f"{rows:,} x {d}: median {statistics.median(ratios):.2f}, {min(ratios):.2f} to {max(ratios):.2f}")
            path.unlink()


if __name__ == "__main__":
    main()
