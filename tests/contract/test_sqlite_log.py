"""The write-ahead log of a file that limosa fills: bounded, unless a reader holds on to it, and then again."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from limosa.stores.sqlite.database import LOG_PAGES, Database
from limosa.stores.sqlite.stock import open_stock

BATCH = 8 << 20
"""Bytes of one batch of vectors."""

BOUND = LOG_PAGES * 4096 + 4 * BATCH


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "app.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = wal")
        connection.execute("CREATE TABLE t (blob BLOB)")
    return path


def _write(database: Database, batches: int) -> None:
    for _ in range(batches):
        with database.begin(bulk=True) as tx:
            tx.raw("INSERT INTO t VALUES (zeroblob(?))", BATCH)


def _logged(path: Path) -> int:
    return path.with_name("app.db-wal").stat().st_size


def test_the_log_is_emptied_beside_the_work(path: Path) -> None:
    with closing(Database(open_stock(path))) as database, closing(sqlite3.connect(path)) as application:
        _write(database, 3 * BOUND // BATCH)
        assert BATCH < _logged(path) < BOUND
        # All but the newest batches are in the file already: its own commits find next to nothing to copy.
        assert path.stat().st_size > 2 * BOUND
        assert application.execute("SELECT count(*) FROM t").fetchone() == (3 * BOUND // BATCH,)


def test_a_large_log_is_gone_when_limosa_goes_and_others_stay(path: Path) -> None:
    with closing(sqlite3.connect(path)) as application:
        assert application.execute("SELECT count(*) FROM t").fetchone() == (0,)
        with closing(Database(open_stock(path))) as database:
            _write(database, 4)
            assert _logged(path) > BATCH
        assert _logged(path) == 0
        assert application.execute("SELECT count(*) FROM t").fetchone() == (4,)


def test_a_reader_that_stays_holds_nobody_up_and_the_log_begins_anew_when_it_goes(path: Path) -> None:
    with closing(Database(open_stock(path))) as database, closing(sqlite3.connect(path)) as application:
        application.execute("BEGIN")
        assert application.execute("SELECT count(*) FROM t").fetchone() == (0,)
        _write(database, 2 * BOUND // BATCH)
        grown = _logged(path)
        assert grown > BOUND
        assert application.execute("SELECT count(*) FROM t").fetchone() == (0,)
        application.execute("COMMIT")
        _write(database, 2 * BOUND // BATCH)
        assert _logged(path) < grown + BOUND
        assert application.execute("SELECT count(*) FROM t").fetchone() == (4 * BOUND // BATCH,)
