"""The table that is migrated and killed, and what must be equal in the end."""

from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
import threading
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import psycopg
import pytest

from limosa.stores.postgres.embedded import programs
from tests.crash.driver import main
from tests.providers.openai_server import vector_of

__all__ = ["World", "clear", "dump", "fill_table", "make_table", "start_driver", "until"]

TABLE = """
CREATE TABLE docs (id bigint PRIMARY KEY, title text, body text, embedding vector(6), note text DEFAULT 'kept');
INSERT INTO docs (id, title, body, embedding)
SELECT i, CASE WHEN i % 10 <> 0 THEN 'title ' || i END, CASE WHEN i % 5 <> 0 THEN 'body ' || i END,
    ARRAY[i, 1, 2, 3, 4, 5]::vector
FROM generate_series(1, {rows}) AS i;
CREATE INDEX docs_embedding_idx ON docs USING hnsw (embedding vector_cosine_ops);
CREATE FUNCTION match_docs(query_embedding vector, match_threshold double precision, match_count integer)
RETURNS TABLE(id bigint, similarity double precision) LANGUAGE sql STABLE AS $$
    SELECT d.id, 1 - (d.embedding <=> query_embedding) FROM docs d
    WHERE 1 - (d.embedding <=> query_embedding) > match_threshold
    ORDER BY d.embedding <=> query_embedding LIMIT match_count
$$;
"""


def fill_table(url: str, *, rows: int) -> None:
    """``docs`` with the old model's own vectors; every fifth body and tenth title is NULL."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(TABLE.replace("{rows}", str(rows)))
        texts = connection.execute("SELECT id, concat_ws(E'\\n\\n', title, body) FROM docs").fetchall()
        vectors = [(vector_of(text, model="old", d=6).tolist(), key) for key, text in texts if text]
        with connection.transaction(), connection.cursor() as cursor:
            cursor.executemany("UPDATE docs SET embedding = %s::real[]::vector WHERE id = %s", vectors)


@dataclass(frozen=True)
class World:
    """A job file for the driver, whose store is whatever LIMOSA_CRASH_URL says."""

    job: Path
    url: str

    @property
    def output(self) -> Path:
        return self.job.with_suffix(".out")

    def laid_out(self, layout: str) -> World:
        """The same in another layout."""
        job = json.loads(self.job.read_text())
        job["target"]["layout"] = layout
        self.job.write_text(json.dumps(job))
        return self


def make_table(
    url: str,
    folder: Path,
    *,
    provider_url: str,
    rows: int = 40,
    batch_rows: int = 16,
    lane: str = "direct",
) -> World:
    fill_table(url, rows=rows)

    def space(model: str, dimensions: int) -> dict[str, object]:
        named: dict[str, object] = {"provider": "openai", "model": model, "dimensions": dimensions}
        price = {"usd_per_million_tokens": 1000.0} if lane == "batch" else {}
        return {**named, "base_url": provider_url, **price}

    job = folder / "job.json"
    job.write_text(
        json.dumps(
            {
                "name": "crash",
                "source": {
                    "store": "env:LIMOSA_CRASH_URL",
                    "table": "docs",
                    "key": "id",
                    "text": ["title", "body"],
                    "vector": "embedding",
                    "space": space("old", 6),
                },
                "target": {"space": space("new", 8), "match": {"function": "match_docs", "returns": ["id"]}},
                "backfill": {"batch_rows": batch_rows, "lane": lane},
            }
        )
    )
    return World(job, url)


_FORKS = multiprocessing.get_context("forkserver")
# Each process is a fork of one that has imported everything: a real process, up in milliseconds.
_FORKS.set_forkserver_preload(["tests.crash.driver", "limosa.embedders.openai", "limosa.stores.postgres.store"])


# Python 3.11's fork server does not hand sys.path on to what it imports beforehand.
os.environ["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")])


def start_driver(world: World, verbs: str, *, url: str) -> ForkServerProcess:
    """The driver in a process of its own, which sees the database at ``url``; its output is in ``world.output``."""
    process = _FORKS.Process(target=main, args=(str(world.job), verbs, url, str(world.output)))
    process.start()
    return process


def clear(url: str) -> None:
    """Takes away what a migration of ``docs`` may have left, and the table."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP SCHEMA IF EXISTS limosa CASCADE")
        connection.execute("DROP TABLE IF EXISTS docs, docs_embedding_8 CASCADE")
        connection.execute("DROP FUNCTION IF EXISTS match_docs(vector, double precision, integer)")


_TABLES = """SELECT c.oid::regclass::text FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'm') AND n.nspname NOT IN ('limosa', 'pg_catalog', 'information_schema') ORDER BY 1"""


def dump(url: str, *, rows: bool = True) -> str:
    """Schema without limosa's own, and every row of every table in the order of its text.

    Args:
        rows: False leaves the rows out.
    """
    schema = subprocess.run(
        [str(programs(18) / "pg_dump"), "--schema-only", "--exclude-schema=limosa", "--restrict-key=limosa", url],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    if not rows:
        return schema
    with psycopg.connect(url) as connection:
        tables = [name for (name,) in connection.execute(_TABLES)]
        found = [
            (name, *row)
            for name in tables
            for row in connection.execute(f'SELECT d::text FROM {name} AS d ORDER BY d::text COLLATE "C"'.encode())
        ]
    return "\n".join([schema, *(row for _, row in found)])


def until(true: Callable[[], bool]) -> None:
    """Waits for what another process is about to do, a minute at most."""
    for _ in range(6000):
        if true():
            return
        threading.Event().wait(0.01)
    pytest.fail("it did not come to that")
