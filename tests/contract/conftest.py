"""What the contract tests share: the table that is split, on each engine of SQLite's family."""

from __future__ import annotations

from pathlib import Path

import pytest

from limosa.stores.sqlite.hrana import open_hrana
from limosa.stores.sqlite.libsql import open_libsql
from limosa.stores.sqlite.stock import open_stock
from tests.contract.split_databases import TOKEN, Db
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
