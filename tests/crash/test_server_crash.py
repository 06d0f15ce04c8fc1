"""The database server itself crashes in the middle of a backfill, with commits that no disk has seen."""

from __future__ import annotations

from pathlib import Path

import psycopg

from limosa.stores.postgres.embedded import start
from tests.crash.world import make_table, start_driver, until
from tests.journey.world import stale_rows
from tests.providers.openai_server import OpenAIServer

ROWS = 2000

SETTINGS = {"shared_buffers": "64MB", "wal_writer_delay": "10s", "checkpoint_timeout": "1h"}
"""With fsync, and a log that is written late: what a transaction that does not wait for it has done is mostly lost."""

MOST_ASIDE = 60
"""Texts of the plans' probes and of the canary; 45 were seen."""


def _done(url: str) -> int:
    """Rows that the ledger calls done."""
    with psycopg.connect(url) as connection:
        if connection.execute("SELECT to_regclass('limosa.chunk')").fetchone() == (None,):
            return 0
        (done,) = connection.execute("SELECT coalesce(sum(done), 0) FROM limosa.chunk").fetchone() or (0,)
    return int(done)


def _held(url: str) -> int:
    """Rows that hold a new vector."""
    with psycopg.connect(url) as connection:
        (held,) = connection.execute("SELECT count(embedding_limosa) FROM docs").fetchone() or (0,)
    return int(held)


def test_a_server_that_crashes_loses_vectors_and_outcomes_together(
    server_folder: Path, tmp_path: Path, openai_server: OpenAIServer
) -> None:
    server = start(server_folder, settings=SETTINGS)
    url = server.url()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE EXTENSION vector")
    world = make_table(url, tmp_path, provider_url=openai_server.base_url, rows=ROWS)
    process = start_driver(world, "run", url=url)
    until(lambda: _done(url) >= ROWS // 4)
    server.stop("immediate")
    process.join(120)
    assert process.exitcode == 1
    assert "limosa.errors.Transient: Postgres" in world.output.read_text()
    process.close()

    server.restart()
    assert server.url() == url
    assert _done(url) == _held(url) < ROWS

    process = start_driver(world, "run", url=url)
    process.join(300)
    assert process.exitcode == 0, world.output.read_text()
    process.close()
    assert stale_rows(url, "embedding_limosa", model="new", d=8) == []
    # What the server had lost was kept here: nothing was paid again but what plan and verify ask for themselves.
    assert sum(openai_server.paid.values()) - len(openai_server.paid) < MOST_ASIDE
