"""How long the application's writes wait at cutover and at rollback, as it sees them itself.

``python -m bench.pause [--rows N] [--layout NAME]``: one thread changes a row every few milliseconds, all the time.
"""

from __future__ import annotations

import argparse
import threading
import time
from dataclasses import dataclass, field
from types import TracebackType

import psycopg

from bench.fixture import server
from limosa.app import App, open_app
from limosa.embedders.hashing import HashingEmbedder
from limosa.model.space import Space

D = 384
EVERY_S = 0.004
CALM_S = 10.0

ACCEPT = frozenset({"--yes"})


@dataclass
class Writer:
    """Changes one row after another in a thread of its own, and notes how long each took."""

    url: str
    rows: int
    took: list[tuple[float, float]] = field(default_factory=list)

    def __enter__(self) -> Writer:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._write, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join(60)

    def _write(self) -> None:
        number = 0
        with psycopg.connect(self.url, autocommit=True) as connection:
            while not self._stop.wait(EVERY_S):
                number += 1
                key = number * 7919 % self.rows + 1
                started = time.perf_counter()
                if number % 10:
                    connection.execute("UPDATE docs SET note = %s WHERE id = %s", (str(number), key))
                else:
                    connection.execute("UPDATE docs SET body = body || %s WHERE id = %s", (f" {number}", key))
                self.took.append((started, time.perf_counter() - started))

    def longest_ms(self, since: float, until: float) -> tuple[float, int]:
        """The longest of the writes begun in a span of time, and how many there were."""
        took = [each for started, each in self.took if since <= started <= until]
        return 1000 * max(took, default=0.0), len(took)


def make(url: str, *, rows: int) -> None:
    """``docs`` with the old model's vectors of a thousand texts, again and again."""
    space = Space(provider="hashing", model="words-1", dimensions=D)
    texts = [f"text {number} of some words and {number * 7} more" for number in range(1000)]
    vectors = HashingEmbedder(space).embed(texts, "document").vectors
    with psycopg.connect(url, autocommit=True) as connection:
        run = connection.execute
        run("DROP SCHEMA IF EXISTS limosa CASCADE")
        run("DROP TABLE IF EXISTS docs, docs_embedding_384 CASCADE")
        run("DROP FUNCTION IF EXISTS match_docs")
        run(f"CREATE TABLE docs (id bigint PRIMARY KEY, body text NOT NULL, note text, embedding vector({D}))")
        run(f"CREATE TEMP TABLE pool (n int, body text, v vector({D}))")
        with connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO pool VALUES (%s, %s, %s::real[]::vector)",
                [(n, text, vector.tolist()) for n, (text, vector) in enumerate(zip(texts, vectors, strict=True))],
            )
        run(
            "INSERT INTO docs SELECT i, p.body, NULL, p.v"
            f" FROM generate_series(1, {rows}) AS i JOIN pool AS p ON p.n = i % 1000"
        )
        run("VACUUM ANALYZE docs")
        run("CHECKPOINT")


def app_for(layout: str) -> App:
    """The migration of ``docs`` from one hashing model to another; no index, which no switch waits for."""

    def space(model: str) -> dict[str, object]:
        return {"provider": "hashing", "model": model, "dimensions": D}

    source = {"store": "env:LIMOSA_BENCH_URL", "table": "docs", "key": "id", "text": ["body"], "vector": "embedding"}
    match = {"function": "match_docs", "returns": ["id"]}
    return open_app(
        {
            "name": "pause",
            "source": {**source, "space": space("words-1")},
            "target": {"layout": layout, "space": space("words-2"), "match": match, "index": False},
            "backfill": {"batch_rows": 1000, "cache_mb": 0},
            # Without an index a search reads every vector, which the proof of latency would rightly hold against it.
            "verify": {"latency_p95_ms": 600_000},
        }
    )


def measured(url: str, layout: str, *, rows: int) -> None:
    """Prints the longest write while nothing was switched, at cutover and at rollback."""
    make(url, rows=rows)
    app = app_for(layout)
    app.run(accept=ACCEPT)
    with Writer(url, rows) as writer:
        calm = time.perf_counter()
        time.sleep(CALM_S)
        began = time.perf_counter()
        app.cutover()
        switched = time.perf_counter()
        time.sleep(1)
        turned = time.perf_counter()
        app.rollback()
        back = time.perf_counter()
        time.sleep(1)
    app.close()
    for what, since, until in (
        ("while nothing was switched", calm, began),
        ("at cutover", began, switched),
        ("at rollback", turned, back),
    ):
        longest, count = writer.longest_ms(since, until)
        print(f"{layout}, {rows:,} x {D}: longest write {what}: {longest:.1f} ms of {count:,} writes", flush=True)


def main() -> None:
    """Measures each layout that is switched while the application writes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--layout", choices=["column", "side_table"])
    options = parser.parse_args()
    with server() as url:
        for layout in [options.layout] if options.layout else ["column", "side_table"]:
            measured(url, layout, rows=options.rows)


if __name__ == "__main__":
    main()
