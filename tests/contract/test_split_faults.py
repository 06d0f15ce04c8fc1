"""A split meets locks, an application that dies, a file that is read-only or gone, and itself in another process."""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import pytest

from limosa.errors import LimosaError, Refused
from limosa.stores.sqlite import store
from limosa.stores.sqlite.engine import BUSY_S
from tests.crash.split import Kill, contents, file_of, fresh, left_over, quick_folder, reached, rows_of, start_split
from tests.crash.world import World
from tests.journey.split_world import job_of, make_table, split_app, stale_rows

ACCEPT = frozenset({"--accept-view"})

LOCK_S = float(os.environ.get("LIMOSA_TEST_LOCK_S", BUSY_S + 3))
"""How long somebody else keeps a lock: longer than one statement waits for it."""


@pytest.fixture
def folder() -> Iterator[Path]:
    with quick_folder() as folder:
        yield folder


def _run(path: Path) -> None:
    with closing(split_app(path)) as app:
        proofs = app.run(accept=ACCEPT).proofs
    assert {proof.verdict for proof in proofs} == {"proved"}
    assert not stale_rows(path)


# Locks.


def _in_the_middle(path: Path, act: Callable[[], None]) -> threading.Thread:
    """Acts once the first chunk of a run is filled."""

    def watch() -> None:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30)) as connection:
            while not _count(connection, "done"):
                time.sleep(0.002)
        act()

    thread = threading.Thread(target=watch)
    thread.start()
    return thread


def _count(connection: sqlite3.Connection, state: str) -> int:
    try:
        sql = "SELECT count(*) FROM limosa_chunk WHERE state = ? AND NOT follows"
        return int(connection.execute(sql, (state,)).fetchone()[0])
    except sqlite3.OperationalError:
        return 0


LOCKS = {
    "a writer": (True, ("BEGIN IMMEDIATE",)),
    "a writer without a log": (False, ("BEGIN EXCLUSIVE",)),
    "a reader without a log": (False, ("BEGIN", "SELECT count(*) FROM embeddings")),
}


@pytest.mark.timeout(LOCK_S + 120)
@pytest.mark.parametrize("who", LOCKS)
def test_a_long_lock_in_the_middle_is_waited_out(folder: Path, who: str) -> None:
    wal, statements = LOCKS[who]
    path = folder / "app.db"
    make_table(path, rows=3000, wal=wal)
    open_then: list[int] = []

    def hold() -> None:
        with closing(sqlite3.connect(path, isolation_level=None, timeout=60)) as connection:
            for statement in statements:
                connection.execute(statement).fetchall()
            open_then.append(_count(connection, "open"))
            time.sleep(LOCK_S)
            connection.execute("COMMIT")

    thread, started = _in_the_middle(path, hold), time.monotonic()
    _run(path)
    thread.join()
    assert open_then[0] > 0
    assert time.monotonic() - started > LOCK_S


# Death.


def _die_in_a_commit(path: Path) -> None:
    """A process that has written half of a large transaction into the file; its journal says how to go back."""
    program = f"""
import os, signal, sqlite3
connection = sqlite3.connect({str(path)!r}, isolation_level=None, timeout=30)
connection.execute("PRAGMA cache_size = 2")
connection.execute("BEGIN IMMEDIATE")
connection.execute("UPDATE embeddings SET model = 'half', embedding_vector = zeroblob(16)")
os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", program], check=False, timeout=60)


@pytest.mark.parametrize("wal", [True, False], ids=["write-ahead-log", "rollback-journal"])
@pytest.mark.parametrize("when", ["before", "in the middle"])
def test_an_application_that_died_in_its_commit_is_rolled_back(folder: Path, when: str, wal: bool) -> None:
    path = folder / "app.db"
    make_table(path, rows=3000, wal=wal)
    before = rows_of(path)
    if when == "before":
        _die_in_a_commit(path)
        assert (folder / "app.db-journal").exists() is not wal
        with closing(split_app(path)) as app:
            assert app.plan().shape == "split"
        _run(path)
    else:
        thread = _in_the_middle(path, lambda: _die_in_a_commit(path))
        _run(path)
        thread.join()
        _run(path)
    assert rows_of(path) == before


# A file that may not be written, or is no longer there.


def _drop_privileges() -> None:
    """What permissions forbid is forbidden to root too, from now on (capabilities 1 and 2, capget(2))."""
    if os.geteuid() != 0:
        return
    libc = ctypes.CDLL(None, use_errno=True)
    header, sets = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    assert libc.capget(header, sets) == 0
    sets[0] &= ~0b110
    assert libc.capset(header, sets) == 0


@pytest.mark.parametrize("wal", [True, False], ids=["write-ahead-log", "rollback-journal"])
@pytest.mark.parametrize("what", ["file", "folder"])
def test_what_may_not_be_written_is_refused_before_anything_is_touched(folder: Path, what: str, wal: bool) -> None:
    (folder / "data").mkdir()
    path, job = folder / "data" / "app.db", folder / "job.json"
    make_table(path, rows=100, wal=wal)
    job.write_text(json.dumps(job_of("env:LIMOSA_CRASH_URL")))
    before = path.read_bytes()
    (path if what == "file" else path.parent).chmod(0o444 if what == "file" else 0o555)
    world = World(job, f"sqlite://{path}")
    process = start_split(world, "run", first=_drop_privileges)
    process.join(60)
    path.parent.chmod(0o755)
    assert process.exitcode == 1
    said = world.output.read_text()
    assert "limosa.errors.Refused" in said
    assert "readonly" in said
    assert path.read_bytes() == before
    assert {file.name for file in path.parent.iterdir()} <= {"app.db", "app.db-wal", "app.db-shm"}


@pytest.mark.parametrize("wal", [True, False], ids=["write-ahead-log", "rollback-journal"])
@pytest.mark.parametrize("what", ["removed", "replaced"])
def test_a_file_that_goes_away_in_the_middle_is_an_error_and_its_successor_is_left_alone(
    folder: Path, what: str, wal: bool
) -> None:
    path, other = folder / "app.db", folder / "other.db"
    make_table(path, rows=3000, wal=wal)
    make_table(other, rows=50, wal=wal)
    before = contents(other)

    def act() -> None:
        for file in (path, path.with_name("app.db-wal"), path.with_name("app.db-shm")):
            file.unlink(missing_ok=True)
        if what == "replaced":
            shutil.copy(other, path)

    with closing(split_app(path)) as app:
        thread = _in_the_middle(path, act)
        # Without a log SQLite itself may see it first, in the middle of a transaction.
        with pytest.raises(LimosaError) as caught:
            app.run(accept=ACCEPT)
        thread.join()
        if wal:
            assert "removed or replaced" in caught.value.what
        with pytest.raises(Refused, match="removed or replaced"):
            app.verify()
    if what == "removed":
        assert not path.exists()
        with pytest.raises(Refused, match="no file"):
            split_app(path).run(accept=ACCEPT)
        return
    assert contents(path) == before
    _run(path)
    assert not list(folder.glob("app.db-limosa-*"))


# Itself, in another process.


def _two(folder: Path, rows: int) -> tuple[World, World]:
    """The same split, for two processes."""
    world = fresh(folder, rows=rows)
    second = folder / "second.json"
    shutil.copy(world.job, second)
    return world, World(second, world.url)


def _complete(world: World) -> None:
    process = start_split(world, "run,cutover,run,finish")
    process.join(60)
    assert process.exitcode == 0, world.output.read_text()
    assert not left_over(world)


def test_two_processes_share_one_split(folder: Path) -> None:
    for _ in range(6):
        worlds = _two(folder, rows=600)
        processes = [start_split(world, "run") for world in worlds]
        for process, world in zip(processes, worlds, strict=True):
            process.join(60)
            assert process.exitcode == 0, world.output.read_text()
        assert not stale_rows(file_of(worlds[0]))
        assert _carried(worlds[0]) == 610
        _complete(worlds[0])


@pytest.mark.parametrize("held", ["a chunk", "the turn"])
def test_where_one_of_two_processes_is_killed_the_other_takes_what_it_had(folder: Path, held: str) -> None:
    within = 'INSERT INTO "embeddings_' if held == "a chunk" else 'CREATE TABLE "embeddings_4"'
    victim, world = _survived(folder, within, signal.SIGKILL)
    victim.join(60)
    assert victim.exitcode == -signal.SIGKILL
    _complete(world)


def test_a_process_that_slept_while_another_took_its_chunk_writes_no_more_of_it(folder: Path) -> None:
    victim, world = _survived(folder, 'INSERT INTO "embeddings_', signal.SIGSTOP)
    assert victim.pid is not None
    os.kill(victim.pid, signal.SIGCONT)
    victim.join(60)
    assert victim.exitcode == 0
    assert _carried(world) == 1510
    _complete(world)


def _survived(folder: Path, within: str, sign: int) -> tuple[ForkServerProcess, World]:
    """A process that got a signal right after such a commit while another one had begun, which has then ended well."""
    label = next(label for label in _commits(folder) if within in label)
    doomed, other = _two(folder, rows=1500)
    victim = start_split(doomed, "run", Kill(label, 1, after=True, company=True, signal=sign), first=_shorten_leases)
    while victim.is_alive() and not reached(doomed)[1]:
        time.sleep(0.002)
    survivor = start_split(other, "run", first=_shorten_leases)
    survivor.join(60)
    assert survivor.exitcode == 0, other.output.read_text()
    assert not stale_rows(file_of(other))
    assert _carried(other) == 1510
    return victim, other


def _shorten_leases() -> None:
    """No sleep of 20 s until a lease is over; the heartbeat comes every five."""
    store.SqliteStore.capabilities = replace(store.CAPABILITIES, lease_s=6)


def _carried(world: World) -> int:
    """How many rows were carried, skipped or found dead; one that was twice counts twice."""
    with closing(sqlite3.connect(file_of(world))) as connection:
        return int(connection.execute("SELECT sum(done + skipped + dead) FROM limosa_chunk").fetchone()[0])


def _commits(folder: Path) -> list[str]:
    world = fresh(folder, rows=1500)
    process = start_split(world, "run")
    process.join(60)
    return reached(world)[0]
