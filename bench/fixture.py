"""A throwaway server and a table of drawn vectors, copied afresh for every measurement."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import numpy as np
import psycopg

from limosa.app import App, open_app
from limosa.model.batch import Embedded, Kind
from limosa.model.space import Space
from limosa.ports.embedder import Limits, Price
from limosa.stores.postgres.embedded import start

__all__ = ["Drawn", "app_for", "make_table", "server", "vectors_table"]

SETTINGS = {
    "shared_buffers": "1GB",
    "max_wal_size": "8GB",
    "checkpoint_timeout": "30min",
    "max_connections": "40",
    "autovacuum": "off",
}
"""A server of ordinary size; checkpoints and autovacuum would only add noise, for both sides alike."""


class Drawn:
    """An embedder that costs nothing: it answers vectors that were drawn before the clock starts."""

    retired: date | None = None
    destination = "this machine"
    price: Price | None = None

    def __init__(self, space: Space, *, batch: int, threads: int) -> None:
        self.space = space
        self.limits = Limits(batch=batch, tokens=None, concurrency=threads)
        self._pool = np.random.default_rng(7).standard_normal((2 * batch, space.dimensions), dtype=np.float32)

    def count(self, texts: Sequence[str]) -> list[int] | None:
        """None: there is no tokenizer."""
        return None

    def embed(self, texts: Sequence[str], kind: Kind) -> Embedded:
        """As many vectors as texts, from a random place in the pool."""
        n = len(texts)
        at = hash(texts[0]) % (len(self._pool) - n + 1) if n else 0
        return Embedded(self._pool[at : at + n], 0, "drawn")


@contextmanager
def server(settings: Mapping[str, str] | None = None) -> Iterator[str]:
    """URL of a throwaway server on a durable disk path, with pgvector installed."""
    with (
        tempfile.TemporaryDirectory(prefix="limosa-bench-", ignore_cleanup_errors=True) as folder,
        start(Path(folder) / "pg", settings={**SETTINGS, **(settings or {})}) as running,
    ):
        url = running.url()
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("CREATE EXTENSION vector")
        os.environ["LIMOSA_BENCH_URL"] = url
        yield url


def make_table(url: str, *, rows: int, old_d: int = 0, hnsw: bool = False) -> None:
    """``docs``: id, body of about 600 characters, and an old vector column, optionally filled and indexed."""
    with psycopg.connect(url, autocommit=True) as connection:
        run = connection.execute
        run("DROP SCHEMA IF EXISTS limosa CASCADE")
        run("DROP TABLE IF EXISTS docs CASCADE")
        run(f"CREATE TABLE docs (id bigint PRIMARY KEY, body text NOT NULL, embedding vector({old_d or 384}))")
        vector = (
            f"(SELECT array_agg(random()) FROM generate_series(1, {old_d}) WHERE i IS NOT NULL)::vector"
            if old_d
            else "NULL"
        )
        run(
            "INSERT INTO docs SELECT i, 'row ' || i || repeat(' some words of text', 30), "
            f"{vector} FROM generate_series(1, {rows}) AS i"
        )
        if hnsw:
            run("SET maintenance_work_mem = '2GB'")
            run("ALTER TABLE docs SET (parallel_workers = 2)")
            run("CREATE INDEX docs_embedding_idx ON docs USING hnsw (embedding vector_cosine_ops)")
            run("ALTER TABLE docs RESET (parallel_workers)")
        run("VACUUM ANALYZE docs")
        run("CHECKPOINT")


def vectors_table(url: str, *, rows: int, d: int) -> None:
    """``ready``: the vectors that a bare UPDATE copies, with a primary key."""
    with psycopg.connect(url) as connection:
        connection.execute(f"CREATE TABLE IF NOT EXISTS ready (id bigint PRIMARY KEY, v vector({d}))")
        rng = np.random.default_rng(3)
        with connection.cursor().copy("COPY ready FROM STDIN (FORMAT text)") as copy:
            for i in range(1, rows + 1):
                values = rng.standard_normal(d, dtype=np.float32)
                copy.write(f"{i}\t[{','.join(f'{value:.6g}' for value in values.tolist())}]\n")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE ready")


def app_for(*, d: int, old_d: int, batch_rows: int, threads: int, index: bool = False, layout: str = "column") -> App:
    """The migration of ``docs`` to drawn vectors of d dimensions."""
    beside = {"layout": layout, "match": {"function": "match_docs", "returns": ["id"]}}
    app = open_app(
        {
            "name": "bench",
            "source": {
                "store": "env:LIMOSA_BENCH_URL",
                "table": "docs",
                "key": "id",
                "text": ["body"],
                "vector": "embedding",
                "space": {"provider": "hashing", "model": "words-1", "dimensions": old_d or 384},
            },
            "target": {
                "space": {"provider": "hashing", "model": "words-2", "dimensions": d},
                **({} if index else {"index": False}),
                **(beside if layout == "side_table" else {}),
            },
            "backfill": {"batch_rows": batch_rows},
        }
    )
    app.use_embedder("target", Drawn(app.migration.target.space, batch=batch_rows, threads=threads))
    return app
