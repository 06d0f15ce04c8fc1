"""A whole backfill over HTTP from a provider that answers at once, beside the script that people write.

``python -m bench.provider [--rows N] [--runs N]``: alternating, fresh copies of one table, ratios of one run:
(a) the naive script: serial batches of 100, one UPDATE a row, vectors as text; (b) fetching alone with our
client, no database; (c) limosa with every promise on, with and without the cache; (d) the package ``vecshift``,
where it can be installed (``--alone`` leaves it out); (e) fetching alone and then the server's own UPDATE from a table
that is there already, one after the other: both at their best and each with the machine to itself.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext

import psycopg
import urllib3

from bench.answering import answering
from bench.backfill import bare
from bench.backfilling import backfill_rate
from bench.fixture import make_table, server, vectors_table
from bench.rival import rate_of, rival
from limosa.app import App, open_app
from limosa.embedders.find import find

D = 1536
BATCH = 128
NAIVE_ROWS = 3_000
"""The naive script is as slow at any number of rows."""


def naive(url: str, base_url: str) -> float:
    """Rows/s of what people write."""
    with psycopg.connect(url) as connection:
        connection.execute(f"ALTER TABLE docs ADD COLUMN fresh vector({D})")
        connection.commit()
        started = time.perf_counter()
        for at in range(0, NAIVE_ROWS, 100):
            rows = connection.execute(
                "SELECT id, body FROM docs WHERE id > %s AND id <= %s ORDER BY id", (at, at + 100)
            ).fetchall()
            asked = {"model": "drawn", "input": [body for _, body in rows]}
            answer = urllib3.request("POST", f"{base_url}/embeddings", json={**asked, "encoding_format": "float"})
            for (key, _), each in zip(rows, answer.json()["data"], strict=True):
                connection.execute("UPDATE docs SET fresh = %s WHERE id = %s", (str(each["embedding"]), key))
            connection.commit()
        return NAIVE_ROWS / (time.perf_counter() - started)


def fetch(app: App, *, rows: int, threads: int) -> float:
    """Vectors/s of our client alone, best of the numbers of threads."""
    target = app.migration.target
    embedder = find(target.space, target.endpoint)
    texts = [f"row {i}" + " some words of text" * 30 for i in range(BATCH)]
    embedder.embed(texts, "document")
    started = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        for done in [pool.submit(embedder.embed, texts, "document") for _ in range(rows // BATCH)]:
            done.result()
    return rows / (time.perf_counter() - started)


def job(base_url: str, *, cache_mb: int) -> App:
    """The migration of ``docs`` to the provider's vectors."""
    space = {"provider": "openai", "base_url": base_url, "usd_per_million_tokens": 0.02}
    return open_app(
        {
            "name": "bench",
            "source": {
                "store": "env:LIMOSA_BENCH_URL",
                "table": "docs",
                "key": "id",
                "text": ["body"],
                "vector": "embedding",
                "space": {**space, "model": "old", "dimensions": 384},
            },
            "target": {"space": {**space, "model": "drawn", "dimensions": D}, "index": False},
            "backfill": {"batch_rows": BATCH, "budget_usd": 1000.0, "cache_mb": cache_mb},
        }
    )


def main() -> None:
    """Prints rows/s of each, run by run, and the ratios' medians and spreads."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=50_048)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--alone", action="store_true", help="without vecshift")
    options = parser.parse_args()
    found: dict[str, list[float]] = {}
    other = nullcontext() if options.alone else rival()
    with server() as url, answering(d=D) as base_url, other as program:
        vectors_table(url, rows=options.rows, d=D)
        for number in range(options.runs):
            make_table(url, rows=NAIVE_ROWS)
            rates = {"naive": naive(url, base_url)}
            if program is not None:
                make_table(url, rows=NAIVE_ROWS)
                rates["vecshift"] = rate_of(program, base_url, d=D, batch=100)
            alone = {n: fetch(job(base_url, cache_mb=0), rows=options.rows, threads=n) for n in (2, 4, 8)}
            rates["fetch"] = max(alone.values())
            make_table(url, rows=options.rows)
            rates["fetch, then UPDATE"] = 1 / (1 / rates["fetch"] + 1 / bare(url, rows=options.rows))
            for name, cache_mb in (("cache", 4096), ("no cache", 0)):
                make_table(url, rows=options.rows)
                with tempfile.TemporaryDirectory(prefix="limosa-bench-") as folder:
                    os.environ["XDG_CACHE_HOME"] = folder
                    rates[name] = backfill_rate(job(base_url, cache_mb=cache_mb), rows=options.rows)
            said = ", ".join(f"{name} {rate:,.0f}" for name, rate in rates.items())
            print(f"run {number + 1}: {said} rows/s", flush=True)
            for name in ("cache", "no cache"):
                for base in (each for each in rates if each not in {"cache", "no cache"}):
                    found.setdefault(f"{name} / {base}", []).append(rates[name] / rates[base])
    for name, ratios in found.items():
        print(f"{name}: median {statistics.median(ratios):.2f}, from {min(ratios):.2f} to {max(ratios):.2f}")


if __name__ == "__main__":
    main()
