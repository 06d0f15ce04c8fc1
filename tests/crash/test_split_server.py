"""A split on a libSQL server: the server is killed in the middle, and limosa is; everything is carried all the same."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import closing

import pytest

from limosa.app import open_app
from limosa.errors import Transient
from limosa.stores.sqlite.hrana import open_hrana
from tests.contract.split_databases import TOKEN, Db
from tests.sqld.server import Sqld

ROWS = 1500
ACCEPT = frozenset({"--accept-view"})


@pytest.fixture
def db(sqld: Sqld, monkeypatch: pytest.MonkeyPatch) -> Db:
    monkeypatch.setenv(TOKEN, sqld.token)
    db = Db(open_hrana(sqld.url, sqld.token), f"libsql+{sqld.url}", token=True)
    db.fill(ROWS)
    return db


def _when_done(db: Db, rows: int, act: Callable[[], None]) -> threading.Thread:
    """Acts as soon as so many rows have an outcome."""

    def watch() -> None:
        while True:
            try:
                found = db.rows("SELECT coalesce(sum(done), 0) FROM limosa_chunk")
                if int(found[0][0] or 0) >= rows:
                    return act()
            except Exception:
                time.sleep(0.02)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    return thread


def test_a_server_that_is_killed_in_the_middle_loses_nothing(db: Db, sqld: Sqld) -> None:
    for rows in (100, 700):
        killer = _when_done(db, rows, sqld.kill)
        with closing(db.app()) as app, pytest.raises(Transient):
            app.run(accept=ACCEPT)
        killer.join(10)
        sqld.start()
    with closing(db.app()) as app:
        app.run(accept=ACCEPT)
        assert not db.stale()
        app.cutover()
        assert {proof.verdict for proof in app.verify()} == {"proved"}


def _run(job: dict[str, object]) -> None:
    with closing(open_app(job)) as app:
        app.run(accept=ACCEPT)


def test_limosa_killed_in_the_middle_goes_on_when_its_lease_is_over(db: Db) -> None:
    spawning = multiprocessing.get_context("spawn")
    process = spawning.Process(target=_run, args=(db.job(),))
    process.start()
    assert process.pid is not None
    pid = process.pid
    killer = _when_done(db, 200, lambda: os.kill(pid, signal.SIGKILL))
    process.join(60)
    killer.join(10)
    assert process.exitcode == -signal.SIGKILL
    with closing(db.app()) as app:
        app.run(accept=ACCEPT)
    assert not db.stale()
