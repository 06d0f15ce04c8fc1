"""A split into tables that stand already, with rows of their own, on each engine."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from limosa import flow
from limosa.app import App, open_app
from limosa.errors import Refused
from tests.contract.split_databases import COLUMNS, TARGETS, Db
from tests.journey.split_world import make_table, split_app

ACCEPT = frozenset({"--accept-view", "--accept-libsql"})
KEYS = ("id-00001", "id-00040", "their-own")
"""Rows of somebody else's: two under keys of the source, whose own rows are of length 4 and of another."""

MADE = """CREATE TABLE embeddings_4 (embedding_id TEXT PRIMARY KEY, item_id INTEGER, item_type TEXT,
    embedding_data TEXT, dimension INTEGER, model TEXT, created_at TEXT, embedding_vector BLOB,
    note TEXT DEFAULT 'x')"""

SQL = "SELECT sql FROM sqlite_master WHERE name = 'embeddings_4'"


@pytest.fixture
def app(db: Db) -> Iterator[App]:
    db.do(MADE, "CREATE INDEX embeddings_4_item_id ON embeddings_4 (item_id)")
    for key in KEYS:
        db.do(
            f"INSERT INTO embeddings_4 (embedding_id, item_type, embedding_vector) VALUES ('{key}', 'own', x'0000803f')"
        )
    with closing(db.app(indexes=["item_id"])) as app:
        yield app


def _theirs(db: Db) -> list[tuple[object, ...]]:
    columns = f"embedding_id, {COLUMNS}, note"
    return db.rows(f"SELECT {columns} FROM embeddings_4 WHERE item_type = 'own' ORDER BY embedding_id")  # type: ignore[return-value]


def _proofs(app: App) -> list[str]:
    return [f"{proof.name}: {proof.said}" for proof in app.verify() if proof.verdict != "proved"]


def test_rows_that_stand_there_stay_and_their_keys_are_dead(db: Db, app: App) -> None:
    made, read, theirs = db.rows(SQL), db.rows("SELECT * FROM embeddings ORDER BY embedding_id"), _theirs(db)
    plan = app.plan()
    assert ["its 3 rows stay as they are" in check.said for check in plan.checks if check.name == "targets"] == [True]
    assert {proof.verdict for proof in app.run(accept=ACCEPT).proofs} == {"proved"}
    dead = {letter.key[0]: letter.reason for letter in app.voyage.letters.each(kind="dead")}
    assert (
        dead["id-00001"] == dead["id-00040"] == "its key stands in embeddings_4 already, in a row that was not carried"
    )
    assert sorted(db.stale()) == sorted(KEYS)
    app.cutover()
    assert db.rows("SELECT * FROM embeddings ORDER BY embedding_id") == read
    # Old code changes a row whose key is taken, another one, and makes one whose key is taken.
    db.do(
        "UPDATE embeddings SET item_id = 5 WHERE embedding_id = 'id-00001'",
        "UPDATE embeddings SET item_id = 5 WHERE embedding_id = 'id-00002'",
        "INSERT OR REPLACE INTO embeddings VALUES ('their-own', 1, 'x', '[1, 2, 3, 4]', NULL, 4, 'm', 't')",
        "DELETE FROM embeddings WHERE embedding_id = 'id-00040'",
    )
    app.run()
    assert not _proofs(app)
    assert _theirs(db) == theirs
    assert db.rows("SELECT item_id FROM embeddings WHERE embedding_id = 'their-own'") == [(1,)]
    app.rollback()
    db.do("DELETE FROM embeddings")
    assert _theirs(db) == theirs
    assert db.rows(SQL) == made


def test_a_part_that_is_taken_back_leaves_them(db: Db, app: App) -> None:
    before, theirs = db.dump(), _theirs(db)
    app.run(accept=ACCEPT)
    app.rollback(table="embeddings_4")
    assert _theirs(db) == theirs == db.rows(f"SELECT embedding_id, {COLUMNS}, note FROM embeddings_4 ORDER BY 1")
    app.run()
    assert not _proofs(app)
    app.rollback()
    assert db.dump() == before


def test_after_finish_the_view_and_the_table_keep_apart(db: Db, app: App) -> None:
    read, theirs = db.rows("SELECT * FROM embeddings ORDER BY embedding_id"), _theirs(db)
    app.run(accept=ACCEPT)
    app.cutover()
    app.finish(drop_old=True)
    assert db.rows("SELECT * FROM embeddings ORDER BY embedding_id") == read
    db.do("UPDATE embeddings SET item_id = 7", "DELETE FROM embeddings")
    assert db.rows("SELECT count(*) FROM embeddings") == [(0,)]
    assert _theirs(db) == theirs
    assert sum(int(str(db.rows(f"SELECT count(*) FROM {table}")[0][0])) for table in TARGETS) == len(KEYS)


@pytest.mark.parametrize("name", ["embeddings_8", "embeddings_backup"])
def test_a_table_that_comes_after_the_plan_is_nobody_elses_to_drop(db: Db, name: str) -> None:
    job = db.job()
    job["backfill"] = {"backup": "table"}
    with closing(open_app(job)) as app:
        flow.begin(app.voyage, app.plan())
        db.do(f"CREATE TABLE {name} (embedding_id TEXT PRIMARY KEY)", f"INSERT INTO {name} VALUES ('theirs')")
        with pytest.raises(Refused, match="already exists"):
            app.run(accept=ACCEPT)
        app.rollback()
    assert db.rows(f"SELECT * FROM {name}") == [("theirs",)]


@pytest.mark.parametrize(
    ("made", "said"),
    [
        ("CREATE TABLE embeddings_4 (embedding_id TEXT PRIMARY KEY)", "has no column item_id"),
        ("CREATE VIEW embeddings_4 AS SELECT 1 AS embedding_id", "is a view"),
        (MADE.replace("TEXT PRIMARY KEY", "TEXT"), "nothing makes embedding_id unique in it"),
        (MADE.replace("note TEXT DEFAULT 'x'", "note TEXT NOT NULL"), "note must have a value"),
        (MADE.replace("note TEXT", "had_vector INTEGER"), "has a column had_vector of its own"),
        (MADE.replace("embedding_id TEXT", "embedding_id INTEGER"), "keeps embedding_id as INTEGER, not as TEXT"),
        (MADE.replace("embedding_vector BLOB", "embedding_vector F32_BLOB(8)"), "holds 8 dimensions"),
        (MADE.replace("model TEXT", "model TEXT AS ('m')"), "computes model"),
        (MADE.replace("TEXT PRIMARY KEY", "TEXT COLLATE NOCASE PRIMARY KEY"), "by a collation"),
        (f"{MADE} WITHOUT ROWID", "has no rowid"),
    ],
)
def test_a_table_that_cannot_take_the_rows_is_refused(tmp_path: Path, made: str, said: str) -> None:
    path = tmp_path / "app.db"
    make_table(path, rows=10, wal=True)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(made)
    with closing(split_app(path)) as app, pytest.raises(Refused, match=said):
        app.run(accept=ACCEPT)
    with closing(sqlite3.connect(path)) as connection:
        assert not connection.execute("SELECT name FROM sqlite_master WHERE name LIKE 'limosa%'").fetchall()
