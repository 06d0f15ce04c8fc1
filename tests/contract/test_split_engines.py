"""The same split on stock SQLite, on libSQL in a file, and on a libSQL server over HTTP with a token."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from limosa.app import App, open_app
from limosa.errors import LimosaError, Refused
from limosa.stores.sqlite.libsql import open_libsql
from limosa.stores.sqlite.sizes import vector_index_bytes
from tests.contract.split_databases import TARGETS, Db
from tests.journey.split_world import ILLS, TABLE

ACCEPT = frozenset({"--accept-view", "--accept-libsql"})


@pytest.fixture
def app(db: Db) -> Iterator[App]:
    with closing(db.app()) as app:
        yield app


def _different(app: App) -> list[str]:
    return [f"{proof.name}: {proof.said}" for proof in app.verify() if proof.verdict != "proved"]


def test_there_and_back_and_there_again(db: Db, app: App) -> None:
    before, read = db.dump(), db.rows("SELECT * FROM embeddings ORDER BY embedding_id")
    facts = app.plan(rehearse=True).facts
    assert facts["dead"] == len(ILLS)
    assert db.dump() == before
    app.run(accept=ACCEPT)
    assert not db.stale()
    app.cutover()
    assert not _different(app)
    assert db.rows("SELECT * FROM embeddings ORDER BY embedding_id") == read
    app.rollback()
    assert db.dump() == before
    app.run(accept=ACCEPT)
    app.cutover()
    app.finish(drop_old=True)
    assert db.rows("SELECT * FROM embeddings ORDER BY embedding_id") == read
    assert not db.stale()


def test_what_changes_on_either_side_of_the_cutover_is_followed(db: Db, app: App) -> None:
    edits = (
        "UPDATE embeddings SET embedding_data = '[1.5, 2, 3]', embedding_vector = NULL, dimension = 3"
        " WHERE embedding_id = 'id-00001'",
        "DELETE FROM embeddings WHERE embedding_id = 'id-00002'",
        "INSERT OR REPLACE INTO embeddings SELECT 'id-00003', item_id, item_type, embedding_data, embedding_vector,"
        " dimension, model, created_at FROM embeddings WHERE embedding_id = 'id-00004'",
        "UPDATE embeddings SET embedding_id = 'id-renamed' WHERE embedding_id = 'id-00005'",
    )
    app.run(accept=ACCEPT)
    db.do(*edits)
    app.cutover()
    assert not db.stale()
    db.do(*(edit.replace("id-0000", "id-0001").replace("renamed", "again") for edit in edits))
    app.run()
    assert not db.stale()
    assert not _different(app)


@pytest.mark.parametrize("part", ["chunk", "table"])
def test_a_part_is_taken_back_and_carried_again(db: Db, app: App, part: str) -> None:
    app.run(accept=ACCEPT)
    if part == "chunk":
        app.rollback(chunk=min(app.voyage.reports.chunks()))
    else:
        app.rollback(table="embeddings_4")
    assert db.stale()
    assert not _different(app)
    app.run()
    assert not db.stale()


def test_a_vector_index_holds_every_vector_or_verify_says_so(db: Db) -> None:
    with closing(db.app(vector_index=["metric=cosine", "compress_neighbors=float8", "max_neighbors=8"])) as app:
        app.run(accept=ACCEPT)
        assert not _different(app)
        if not db.engine.native:
            return
        found = db.rows("SELECT count(*) FROM embeddings_4_embedding_vector_shadow")
        assert found == db.rows("SELECT count(embedding_vector) FROM embeddings_4")
        # As when an index is made over what a failed build has left: it stands, and holds nothing.
        db.do("DELETE FROM embeddings_4_embedding_vector_shadow")
        assert [said for said in _different(app) if said.startswith("indexes: embeddings_4_embedding_vector holds 0")]
        app.rollback()


@pytest.mark.parametrize("indexed", [False, True], ids=["exact", "indexed"])
def test_a_query_finds_its_table_by_its_length(db: Db, indexed: bool) -> None:
    with closing(db.app(**({"vector_index": ["metric=cosine"]} if indexed else {}))) as app:
        app.run(accept=ACCEPT)
        for d, table in ((3, "embeddings_3"), (8, "embeddings_8"), (5, "embeddings_other")):
            stored = db.rows(f"SELECT embedding_id, embedding_vector FROM {table} ORDER BY embedding_id")
            vectors = np.stack([np.frombuffer(blob, "<f4") for _, blob in stored if isinstance(blob, bytes)])
            query = vectors[4] + np.float32(0.01)
            wide = vectors.astype(np.float64)
            similar = wide @ query / np.linalg.norm(wide, axis=1) / np.linalg.norm(query.astype(np.float64))
            expected = [str(stored[i][0]) for i in np.argsort(-similar, kind="stable")[:5]]
            (found,) = app.search(query.tolist(), k=5)
            assert found.space.startswith(f"{table}, by ")
            assert [hit.key[0] for hit in found.hits] == expected
            assert np.allclose([hit.similarity for hit in found.hits], np.sort(similar)[::-1][:5], atol=1e-5)
            assert ("index" in found.space) == (indexed and db.engine.native and d != 5)
        with pytest.raises(Refused, match="no vector to search with"):
            app.search([0.0, 0.0, 0.0])
        with pytest.raises(Refused, match="many models"):
            app.search("some text")


def test_a_filter_leaves_rows_where_they_are_and_readable(db: Db) -> None:
    with closing(db.app_where("item_id >= 50 AND embeddings.embedding_id LIKE 'id-%'")) as app:
        read = db.rows("SELECT * FROM embeddings ORDER BY embedding_id")
        app.run(accept=ACCEPT)
        carried = sum(int(str(db.rows(f"SELECT count(*) FROM {table}")[0][0])) for table in TARGETS)
        assert 0 < carried <= 70
        app.cutover()
        assert not _different(app)
        # Into the filter, and out of it.
        db.do("UPDATE embeddings SET item_id = 99 WHERE embedding_id = 'id-00001'")
        db.do("UPDATE embeddings SET item_id = 1 WHERE embedding_id = 'id-00099'")
        app.run()
        found = {str(key) for table in TARGETS for (key,) in db.rows(f"SELECT embedding_id FROM {table}")}
        assert "id-00001" in found
        assert "id-00099" not in found
        assert len(db.rows("SELECT * FROM embeddings")) == len(read)


@pytest.mark.parametrize("finished", [False, True], ids=["after-cutover", "after-finish"])
def test_conflicts_on_the_view_are_those_of_the_table(db: Db, app: App, finished: bool) -> None:
    app.run(accept=ACCEPT)
    app.cutover()
    if finished:
        app.finish(drop_old=True)
    read = db.rows("SELECT * FROM embeddings ORDER BY embedding_id")
    values = "('id-00001', 1, 'x', '[9, 9, 9, 9]', NULL, 4, 'm', 't')"
    with pytest.raises(LimosaError, match="UNIQUE"):
        db.do(f"INSERT INTO embeddings VALUES {values}")
    db.do(f"INSERT OR IGNORE INTO embeddings VALUES {values}")
    assert db.rows("SELECT * FROM embeddings ORDER BY embedding_id") == read
    if not finished:
        app.run()
        assert not _different(app)
    held = [row for table in TARGETS for row in db.rows(f"SELECT * FROM {table} WHERE embedding_id = 'id-00001'")]
    assert len(held) == 1
    db.do(f"INSERT OR REPLACE INTO embeddings VALUES {values}")
    assert db.rows("SELECT item_type FROM embeddings WHERE embedding_id = 'id-00001'") == [("x",)]
    assert len(db.rows("SELECT * FROM embeddings")) == len(read)
    # What the statement leaves out is what the table's DEFAULT says.
    db.do("INSERT INTO embeddings (embedding_id) VALUES ('bare')")
    assert str(db.rows("SELECT created_at FROM embeddings WHERE embedding_id = 'bare'")[0][0]).startswith("20")


def test_a_vector_made_from_text_outlives_edits_of_the_payload_after_finish(db: Db, app: App) -> None:
    app.run(accept=ACCEPT)
    app.cutover()
    app.finish(drop_old=True)
    made = db.rows("SELECT embedding_id, embedding_vector FROM embeddings_3 WHERE had_vector = 0 LIMIT 1")
    key, vector = str(made[0][0]), made[0][1]
    db.do(f"UPDATE embeddings SET item_type = 'edited' WHERE embedding_id = '{key}'")
    found = db.rows("SELECT embedding_vector, item_type FROM embeddings_3 WHERE embedding_id = ?", key)
    assert found == [(vector, "edited")]


@pytest.mark.parametrize("d", [16, 384, 1536])
@pytest.mark.parametrize(
    "options",
    [(), ("compress_neighbors=float8", "max_neighbors=24"), ("metric=cosine", "compress_neighbors=float1bit")],
)
def test_the_size_of_a_vector_index_is_foreseen(tmp_path: Path, d: int, options: tuple[str, ...]) -> None:
    path, rows = tmp_path / "app.db", 60
    sqlite3.connect(path).close()
    vectors = np.random.default_rng(1).standard_normal((rows, d), dtype=np.float32)
    with closing(open_libsql(path).connect()) as connection:
        connection.execute(f"CREATE TABLE t (id INTEGER PRIMARY KEY, v F32_BLOB({d}))")
        connection.insert("INSERT INTO t", "(?, ?)", "", [(i, vector.tobytes()) for i, vector in enumerate(vectors)])
        before, page = (int(connection.execute(f"PRAGMA {name}")[0][0] or 0) for name in ("page_count", "page_size"))
        listed = "".join(f", '{option}'" for option in options)
        connection.script(f"CREATE INDEX i ON t (libsql_vector_idx(v{listed}))")
        made = (int(connection.execute("PRAGMA page_count")[0][0] or 0) - before) * page
    assert made == pytest.approx(rows * vector_index_bytes(d, options, page), rel=0.02, abs=8 * page)


def test_a_copied_table_gives_the_old_one_back_after_finish(db: Db) -> None:
    job = db.job()
    job["backfill"] = {"backup": "table"}
    read = db.rows("SELECT * FROM embeddings ORDER BY embedding_id")
    db.do("CREATE TABLE embeddings_backup (somebody TEXT)", "INSERT INTO embeddings_backup VALUES ('else')")
    before = db.dump()
    with closing(open_app(job)) as app:
        app.run(accept=ACCEPT)
        app.rollback()
        assert db.dump() == before
        app.run(accept=ACCEPT)
        app.cutover()
        app.finish(drop_old=True)
    assert db.rows("SELECT * FROM embeddings_backup") == [("else",)]
    db.do("DROP VIEW embeddings", TABLE, 'INSERT INTO embeddings SELECT * FROM "embeddings_backup-2"')
    assert db.rows("SELECT * FROM embeddings ORDER BY embedding_id") == read
    # It is a table like the first one: it can be split again, beside what the first split has left.
    db.do(*(f"DROP TABLE {table}" for table in (*TARGETS, "embeddings_limosa_rest")))
    with closing(open_app({**job, "name": "again"})) as app:
        app.run(accept=ACCEPT)
        assert not _different(app)
    assert not db.stale()
