"""Fixtures: one embedded Postgres per test process, and a fresh database with pgvector per test."""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from limosa.stores.postgres.embedded import Server, start

__all__ = ["database", "fresh_database", "module_database", "pg_server", "server_folder"]

_PREFIX = "limosa-tests-"
_TEMPLATE = "limosa_template"
# What a test writes need not survive the machine; what it asserts must survive a killed server all the same.
_SETTINGS = {"fsync": "off", "shared_buffers": "128MB", "max_connections": "60"}
_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def pg_server() -> Iterator[Server]:
    """A server of this test process alone; LIMOSA_TEST_PG chooses the version, 18 or 16."""
    with _throwaway() as folder:
        server = start(folder, version=int(os.environ.get("LIMOSA_TEST_PG", "18")), settings=_SETTINGS)
        _execute(server.url(), f"CREATE DATABASE {_TEMPLATE}")
        _execute(server.url(_TEMPLATE), "CREATE EXTENSION vector")
        yield server


@pytest.fixture
def database(pg_server: Server) -> Iterator[str]:
    """The address of an empty database in which the extension vector is installed."""
    with fresh_database(pg_server) as url:
        yield url


@pytest.fixture(scope="module")
def module_database(pg_server: Server) -> Iterator[str]:
    """A database like the other, for a module whose tests only look at what the module put there."""
    with fresh_database(pg_server) as url:
        yield url


@contextlib.contextmanager
def fresh_database(server: Server) -> Iterator[str]:
    """The same for as long as the block runs, for what several tests share."""
    name = f"test_{next(_numbers)}"
    _execute(server.url(), f"CREATE DATABASE {name} TEMPLATE {_TEMPLATE}")
    yield server.url(name)
    _execute(server.url(), f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@pytest.fixture
def server_folder() -> Iterator[Path]:
    """A folder for a server of the test's own; whatever runs in it at the end is stopped."""
    with _throwaway() as folder:
        yield folder


@contextlib.contextmanager
def _throwaway() -> Iterator[Path]:
    _sweep()
    # Not tmp_path: its parents are closed to the user that a server started by root may need.
    home = Path(tempfile.mkdtemp(prefix=_PREFIX))
    home.chmod(0o755)
    with (home / "new").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        (home / "new").rename(home / "held")  # only now can a sweep see it
        try:
            yield home / "server"
        finally:
            _clear(home)


def _sweep() -> None:
    # A test process that was killed held its lock until then; its server is still up.
    for held in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*/held"):
        with contextlib.suppress(OSError), held.open() as lock:
            if held.stat().st_uid == os.geteuid():
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _clear(held.parent)


def _clear(home: Path) -> None:
    for data in home.rglob("data/PG_VERSION"):
        Server(data.parent.parent, version=0, port=0, password="").stop("immediate")
    shutil.rmtree(home, ignore_errors=True)


def _execute(url: str, sql: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql.encode())
