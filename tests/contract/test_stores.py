"""The store's contract, run unchanged on every store that limosa brings."""

from __future__ import annotations

import pytest

from limosa.testing.stores import check_store
from tests.contract.split_databases import Db
from tests.contract.store_worlds import PostgresWorld, SqliteWorld
from tests.crash.world import fill_table


def test_postgres(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIMOSA_TEST_URL", database)
    fill_table(database, rows=60)
    check_store(PostgresWorld(database))


def test_sqlite_and_libsql(db: Db) -> None:
    check_store(SqliteWorld(db))


def test_a_store_whose_triggers_miss_a_change_would_be_seen(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class Deaf(PostgresWorld):
        def delete(self, key: tuple[str, ...]) -> None:
            del key

    monkeypatch.setenv("LIMOSA_TEST_URL", database)
    fill_table(database, rows=60)
    with pytest.raises(AssertionError, match="every change of the application is noted"):
        check_store(Deaf(database))
