"""A split meets a full database, a file that may not grow, and a full disk, at one place after another."""

from __future__ import annotations

import itertools
import os
import resource
import sqlite3
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from limosa.errors import Transient
from limosa.model.migration import Migration
from limosa.stores.sqlite import store
from limosa.stores.sqlite.engine import Connection, Engine
from tests.crash.split import contents, file_of, fresh, left_over, quick_folder, rows_of
from tests.journey.split_world import split_app

ACCEPT = frozenset({"--accept-view"})


def _go(path: Path) -> None:
    """All verbs, as one who repeats the command types them."""
    with closing(split_app(path)) as app:
        app.run(accept=ACCEPT)
        app.cutover()
        app.run()
        app.finish(drop_old=True)


@contextmanager
def _pages(path: Path, room: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The database may grow by so many pages; the limit is each connection's own."""
    plain = store.engine_of
    with closing(sqlite3.connect(path)) as connection:
        most = connection.execute("PRAGMA page_count").fetchone()[0] + room

    def narrow(url: str, migration: Migration) -> Engine:
        engine = plain(url, migration)

        def connect(*, write: bool = True) -> Connection:
            connection = engine.connect(write=write)
            connection.execute(f"PRAGMA max_page_count = {most}")
            return connection

        return replace(engine, connect=connect)

    with monkeypatch.context() as patch:
        patch.setattr(store, "engine_of", narrow)
        yield


@contextmanager
def _file_size(path: Path, room: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No file may grow beyond so many bytes more than the table's: writes fail in the middle of a commit."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + room, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@contextmanager
def _disk(path: Path, room: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The disk has so many bytes left; room is made afterwards."""
    used = sum(file.stat().st_blocks for file in path.parent.iterdir()) * 512
    _mount(path.parent, "remount", used + room)
    try:
        yield
    finally:
        _mount(path.parent, "remount", 64 << 20)


def _mount(folder: Path, how: str, size: int) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"{how},size={size}", "tmpfs", str(folder)], check=True, timeout=10)  # noqa: S607


def _may_mount() -> bool:
    with tempfile.TemporaryDirectory() as name:
        try:
            _mount(Path(name), "rw", 1 << 20)
        except (OSError, subprocess.SubprocessError):
            return False
        subprocess.run(["umount", name], check=True, timeout=10)  # noqa: S607
    return True


@contextmanager
def _own_disk() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        _mount(Path(name), "rw", 64 << 20)
        try:
            yield Path(name)
        finally:
            subprocess.run(["umount", name], check=True, timeout=10)  # noqa: S607


Narrow = Callable[[Path, int, pytest.MonkeyPatch], AbstractContextManager[None]]
FULL, FAILED = "no room is left", "the disk failed"
KINDS: dict[str, tuple[Narrow, int, tuple[str, ...]]] = {
    "pages": (_pages, 9, (FULL,)),
    "file-size": (_file_size, 70_000, (FAILED,)),
    # Where there is no room for the log's index SQLite speaks of the disk alone.
    **({"disk": (_disk, 120_000, (FULL, FAILED))} if os.geteuid() == 0 and _may_mount() else {}),
}
"""How room is taken away, how much more of it each try has, and what is said then."""


@pytest.mark.timeout(120)
@pytest.mark.parametrize("wal", [True, False], ids=["write-ahead-log", "rollback-journal"])
@pytest.mark.parametrize("kind", KINDS)
def test_where_no_room_is_left_that_is_said_and_with_room_it_goes_on(
    kind: str, wal: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    narrow, step, said = KINDS[kind]
    with _own_disk() if kind == "disk" else quick_folder() as folder:
        path = file_of(fresh(folder, rows=200, wal=wal))
        _go(path)
        expected, before = contents(path), rows_of(path)
        for tried in itertools.count():
            path = file_of(world := fresh(folder, rows=200, wal=wal))
            with narrow(path, tried * step, monkeypatch):
                what = _go_on(path)
            if not what:
                break
            assert any(words in what for words in said)
            assert rows_of(path) == before
            _go(path)
            assert contents(path) == expected
            assert not left_over(world)
        assert tried >= 4


def _go_on(path: Path) -> str:
    """Why it ended; empty where it was finished."""
    try:
        _go(path)
    except Transient as error:
        return error.what
    return ""
