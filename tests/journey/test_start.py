"""A program that brings its database up to date as it starts, once or ten times at the same moment."""

from __future__ import annotations

import multiprocessing
import sqlite3
from contextlib import closing
from multiprocessing import Queue
from pathlib import Path

import pytest

import limosa
from limosa.errors import LimosaError, Refused
from tests.journey.split_world import dump, job_of, make_table, split_app, stale_rows

EDIT = "UPDATE embeddings SET embedding_data = '[1, 2, 3]', embedding_vector = NULL, dimension = 3 WHERE item_id = 4"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "app.db"
    make_table(path)
    return path


def _start(path: Path, said: Queue[object], on_start: str) -> None:
    try:
        said.put(limosa.ensure({**job_of(f"sqlite://{path}"), "on_start": on_start}, say=lambda line: None))
    except LimosaError as error:
        said.put(repr(error))


def test_ten_processes_that_start_at_once_migrate_once(path: Path) -> None:
    spawning = multiprocessing.get_context("spawn")
    said: Queue[object] = spawning.Queue()
    processes = [spawning.Process(target=_start, args=(path, said, "migrate")) for _ in range(10)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
    assert [said.get(timeout=5) for _ in processes] == [True] * 10
    assert not stale_rows(path)
    with closing(split_app(path)) as app:
        assert {proof.verdict for proof in app.verify()} == {"proved"}
        # Processes that found it migrated made the proofs again.
        kinds = [kind for _, kind, _ in app.voyage.reports.events(limit=100) if kind != "proofs"]
        assert kinds == ["cutover", "verify", "index", "backfill", "expand"]


@pytest.mark.parametrize("on_start", ["warn", "refuse"])
def test_a_start_that_may_not_migrate_changes_nothing(path: Path, on_start: str) -> None:
    before = dump(path)
    told: list[str] = []
    job = {**job_of(f"sqlite://{path}"), "on_start": on_start}
    if on_start == "refuse":
        with pytest.raises(Refused, match="has not been carried out"):
            limosa.ensure(job)
    else:
        assert not limosa.ensure(job, say=told.append)
        assert "limosa run" in told[0]
    assert dump(path) == before


def test_a_start_after_the_migration_follows_what_waits(path: Path) -> None:
    job = {**job_of(f"sqlite://{path}"), "on_start": "migrate"}
    assert limosa.ensure(job, say=lambda line: None)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(EDIT)
    assert limosa.ensure(job, say=lambda line: None)
    assert not stale_rows(path)
    with closing(limosa.open(job)) as app:
        app.finish()
    assert limosa.ensure(job, say=lambda line: None)
