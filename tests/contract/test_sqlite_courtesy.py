"""Other writers of a file that limosa fills without a pause: they get their turn."""

from __future__ import annotations

import multiprocessing
import sqlite3
from contextlib import closing
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest

from limosa.stores.sqlite.database import Database
from limosa.stores.sqlite.stock import open_stock

TIMEOUT_S = 5.0
"""What Python itself waits for a lock, where an application sets nothing."""

BUSY = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 400000) SELECT sum(i) FROM n"


def _write(path: Path, over: Event, found: multiprocessing.Queue[tuple[int, int]]) -> None:
    """Writes again and again; counts what was written, and how often it was given up."""
    written = failed = 0
    with closing(sqlite3.connect(path, isolation_level=None, timeout=TIMEOUT_S)) as connection:
        while not over.wait(0.02):
            try:
                connection.execute("INSERT INTO other VALUES (1)")
                written += 1
            except sqlite3.OperationalError:
                failed += 1
    found.put((written, failed))


@pytest.mark.parametrize("mode", ["wal", "delete"])
def test_whoever_waits_gets_a_turn_between_batches(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "app.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA journal_mode = {mode}")
        connection.executescript("CREATE TABLE t (blob BLOB); CREATE TABLE other (n INTEGER)")
    context = multiprocessing.get_context("fork")
    over: Event = context.Event()
    found: multiprocessing.Queue[tuple[int, int]] = context.Queue()
    writer = context.Process(target=_write, args=(path, over, found))
    writer.start()
    with closing(Database(open_stock(path))) as database:
        for _ in range(30):
            with database.begin(bulk=True) as tx:
                tx.raw(BUSY)
                tx.raw("INSERT INTO t VALUES (zeroblob(100000))")
    over.set()
    written, failed = found.get(timeout=30)
    writer.join(30)
    assert (failed, written > 30) == (0, True)
