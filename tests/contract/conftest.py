"""What the contract tests share: the table that is split, on each engine of SQLite's family, and one that is well."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from limosa.ports.tx import Begin
from limosa.stores.postgres.database import Database as Postgres
from limosa.stores.sqlite.database import Database as Sqlite
from limosa.stores.sqlite.hrana import open_hrana
from limosa.stores.sqlite.libsql import open_libsql
from limosa.stores.sqlite.stock import open_stock
from tests.contract.ills_of_vectors import make_healthy
from tests.contract.split_databases import TOKEN, Db
from tests.postgres.questions import elsewhere, execute, title_of
from tests.sqld.server import Sqld


@pytest.fixture(params=["stock", "libsql", "sqld"])
def db(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Db:
    """The table ``embeddings`` on each engine in turn."""
    if request.param == "sqld":
        server: Sqld = request.getfixturevalue("sqld")
        monkeypatch.setenv(TOKEN, server.token)
        db = Db(open_hrana(server.url, server.token), f"libsql+{server.url}", token=True)
    else:
        path = tmp_path / "app.db"
        path.touch()
        if request.param == "libsql":
            pytest.importorskip("libsql")
            db = Db(open_libsql(path), f"libsql://{path}", token=False)
        else:
            db = Db(open_stock(path), f"sqlite://{path}", token=False)
    db.fill()
    return db


@pytest.fixture(params=["postgres", "stock", "libsql", "sqld"])
def begin(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Begin]:
    """Opens transactions on a database without a ledger, on each engine in turn."""
    if request.param == "postgres":
        database: Postgres | Sqlite = Postgres(request.getfixturevalue("database"))
    elif request.param == "sqld":
        server: Sqld = request.getfixturevalue("sqld")
        database = Sqlite(open_hrana(server.url, server.token))
    else:
        path = tmp_path / "ledger.db"
        path.touch()
        database = Sqlite(open_stock(path) if request.param == "stock" else open_libsql(path))
    yield database.begin
    database.close()


@pytest.fixture
def healthy(database: str) -> str:
    """A database with the table ``questions``, in which a doctor finds nothing."""
    make_healthy(database)
    return database


@pytest.fixture
def reader(healthy: str) -> Iterator[str]:
    """The address of a role that owns nothing."""
    name = "reader_" + title_of(healthy)
    execute(healthy, f"CREATE ROLE {name} LOGIN PASSWORD 'secret'")
    yield elsewhere(healthy, user=name, password="secret")
    execute(healthy, f"DROP OWNED BY {name}", f"DROP ROLE {name}")
