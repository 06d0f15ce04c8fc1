"""The layout ``side_table``: the table itself is not rewritten, and whoever may see a row sees its vector."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import numpy as np
import psycopg
import pytest

from limosa.app import App, open_app
from limosa.errors import Refused
from limosa.model.batch import Written
from limosa.steps.doctor import doctor, scrutiny_of
from limosa.steps.voyage import carry_out
from tests.crash.world import dump, fill_table, until
from tests.journey.world import NEW, OLD, Searcher, Writer, asked, docs_app, stale_rows
from tests.providers.openai_server import OpenAIServer, vector_of

SIDE = "docs_embedding_8"


@pytest.fixture
def docs(database: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("LIMOSA_TEST_URL", database)
    fill_table(database, rows=300)
    return database


@pytest.fixture
def app(docs: str, openai_server: OpenAIServer) -> Iterator[App]:
    app = docs_app(openai_server.base_url, layout="side_table")
    yield app
    app.close()


def test_the_table_and_its_index_are_not_rewritten(docs: str, app: App) -> None:
    versions = "SELECT array_agg((id, ctid::text, xmin::text) ORDER BY id)::text FROM docs"
    size = "SELECT pg_relation_size('docs_embedding_idx')"
    before = asked(docs, versions), asked(docs, size)
    app.run()
    app.cutover()
    assert (asked(docs, versions), asked(docs, size)) == before
    assert not stale_rows(docs, "embedding", model=NEW[0], d=NEW[1], table=SIDE)


def test_the_application_sees_no_error_and_every_row_is_right_in_the_end(docs: str, app: App) -> None:
    with Writer(docs) as writer, Searcher(docs) as searcher:
        app.run()
        app.cutover()
        with Searcher(docs, space=NEW) as renewed:
            while renewed.count < 20 and not renewed.errors:
                app.run()
    app.run()
    assert not writer.errors + searcher.errors + renewed.errors
    assert searcher.empty + renewed.empty == 0
    assert not stale_rows(docs, "embedding", model=NEW[0], d=NEW[1], table=SIDE)
    # No vector without its row, of none that was deleted, renumbered or emptied meanwhile.
    rest = (
        "SELECT v.id FROM docs_embedding_8 AS v LEFT JOIN docs AS d USING (id) WHERE coalesce(d.title, d.body) IS NULL"
    )
    assert asked(docs, rest) == []


def test_a_text_outruns_its_vector_at_once(docs: str, app: App) -> None:
    app.run()
    asked(docs, "UPDATE docs SET body = 'another' WHERE id = 3")
    asked(docs, "UPDATE docs SET note = 'another' WHERE id = 4")
    assert asked(docs, f"SELECT id FROM {SIDE} WHERE id IN (3, 4)") == [(4,)]
    app.run()
    assert not stale_rows(docs, "embedding", model=NEW[0], d=NEW[1], table=SIDE)


def test_a_vector_that_somebody_else_writes_meanwhile_is_no_dead_letter(docs: str, app: App) -> None:
    app.run(limit=1)
    ends = app.voyage.store.ends(0)
    asked(docs, f"DELETE FROM {SIDE} WHERE id = 7")
    rows = ends.source.reread([("7",)])
    outcome: list[Written] = []

    def write() -> None:
        with ends.target.begin() as tx:
            outcome.append(ends.target.write(rows, np.ones((1, 8), dtype=np.float32), tx))

    with psycopg.connect(docs) as other:
        # Not committed yet, it is seen by nobody but the copy, which waits for it.
        other.execute(f"INSERT INTO {SIDE} VALUES (7, '[1,1,1,1,1,1,1,1]')".encode())
        writing = threading.Thread(target=write)
        writing.start()
        until(
            lambda: (
                asked(docs, "SELECT pid FROM pg_stat_activity WHERE query ^@ 'COPY' AND wait_event_type = 'Lock'") != []
            )
        )
        other.commit()
    writing.join(30)
    [written] = outcome
    assert [rows[i].key for i in written.moved] == [("7",)]
    assert not written.rejected


def test_a_vector_that_somebody_else_holds_is_not_waited_for(docs: str, app: App) -> None:
    app.run(limit=300)
    ends = app.voyage.store.ends(0)
    rows = ends.source.reread([("7",), ("8",)])
    with psycopg.connect(docs) as other:
        other.execute(f"SELECT FROM {SIDE} WHERE id = 7 FOR UPDATE".encode())
        with ends.target.begin() as tx:
            written = ends.target.write(rows, np.ones((2, 8), dtype=np.float32), tx)
    assert [rows[i].key for i in written.moved] == [("7",)]
    assert [rows[i].key for i in written.landed] == [("8",)]


def test_a_vector_of_the_applications_own_does_not_keep_an_old_one_alive(docs: str, app: App) -> None:
    app.run()
    app.cutover()
    vector = vector_of("own\n\nbody 3", model=NEW[0], d=NEW[1]).tolist()
    with psycopg.connect(docs) as connection:
        connection.execute("UPDATE docs SET title = 'own' WHERE id = 3")
        connection.execute(f"INSERT INTO {SIDE} VALUES (3, %s::real[]::vector)".encode(), (vector,))
        connection.execute("UPDATE docs SET title = NULL, body = NULL WHERE id = 4")
    app.run()
    assert not stale_rows(docs, "embedding", model=NEW[0], d=NEW[1], table=SIDE)
    assert [key for key, _ in app.rollback()] == [("4",)]
    assert not stale_rows(docs, "embedding", model=OLD[0], d=OLD[1])
    assert asked(docs, "SELECT embedding FROM docs WHERE id = 4") == [(None,)]


def test_each_role_sees_the_vectors_of_its_own_rows_only(docs: str, app: App) -> None:
    with psycopg.connect(docs, autocommit=True) as connection:
        for role in ("tenant_side", "reader_side", "nobody_side"):
            connection.execute(f"DROP ROLE IF EXISTS {role}".encode())
            connection.execute(f"CREATE ROLE {role}".encode())
        # What a host gives to everybody by default does not hold for the vectors.
        connection.execute("ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON TABLES TO nobody_side")
        connection.execute("ALTER TABLE docs ENABLE ROW LEVEL SECURITY")
        connection.execute("CREATE POLICY own ON docs FOR ALL TO tenant_side USING (id % 10 = 1)")
        connection.execute("CREATE POLICY whole ON docs FOR SELECT TO reader_side USING (true)")
        connection.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON docs TO tenant_side")
        connection.execute("GRANT SELECT ON docs TO reader_side")
    try:
        app.run()
        app.cutover()
        everything = asked(docs, f"SELECT count(*) FROM {SIDE}")
        own = asked(docs, f"SELECT count(*) FROM {SIDE} WHERE id % 10 = 1")
        assert asked(docs, f"SELECT count(*) FROM {SIDE}", role="reader_side") == everything
        assert asked(docs, f"SELECT count(*) FROM {SIDE}", role="tenant_side") == own
        query = vector_of("title 5", model=NEW[0], d=NEW[1]).tolist()
        found = "SELECT id FROM match_docs(%s::real[]::vector, -1.0, 1000)"
        assert {key for (key,) in asked(docs, found, query, role="tenant_side")} == {*range(1, 300, 10)}
        for sql in (f"SELECT FROM {SIDE}", f"DELETE FROM {SIDE}"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                asked(docs, sql, role="nobody_side")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            asked(docs, f"DELETE FROM {SIDE}", role="tenant_side")
        # The application goes on writing under its own rights, and the guard under limosa's.
        asked(docs, "UPDATE docs SET body = 'another' WHERE id = 1", role="tenant_side")
        asked(docs, "DELETE FROM docs WHERE id = 11", role="tenant_side")
        app.run()
        assert not stale_rows(docs, "embedding", model=NEW[0], d=NEW[1], table=SIDE)
    finally:
        asked(docs, "ALTER DEFAULT PRIVILEGES IN SCHEMA public REVOKE ALL ON TABLES FROM nobody_side")


def _viewed(provider_url: str, **target: object) -> App:
    app = docs_app(provider_url, layout="side_table")

    def space(model: str, d: int) -> dict[str, object]:
        return {"provider": "openai", "model": model, "dimensions": d, "base_url": provider_url}

    place = app.migration.source.place
    app.close()
    source = {"store": place.store, "table": "docs", "key": "id", "text": ["title", "body"], "vector": "embedding"}
    return open_app(
        {
            "name": "viewed",
            "source": {**source, "space": space(*OLD)},
            "target": {"layout": "side_table", "view": "docs_live", "space": space(*NEW), **target},
        }
    )


def _plan(url: str, sql: str) -> str:
    with psycopg.connect(url) as connection:
        connection.execute("SET enable_seqscan = off")
        connection.execute("SET enable_sort = off")
        return "\n".join(str(line) for (line,) in connection.execute(f"EXPLAIN {sql}".encode()))


def test_a_view_is_switched_in_place_and_searches_by_index_on_both_sides(
    docs: str, openai_server: OpenAIServer
) -> None:
    asked(docs, "DROP FUNCTION match_docs(vector, double precision, integer)")
    app = _viewed(openai_server.base_url)
    before = dump(docs)
    app.run()
    asked(docs, "CREATE VIEW mine AS SELECT id, title FROM docs_live")
    nearest = "SELECT id FROM docs_live ORDER BY embedding <=> '[{0}]' LIMIT 3"
    old, new = nearest.format("1,2,3,4,5,6"), nearest.format("1,2,3,4,5,6,7,8")
    assert "docs_embedding_idx" in _plan(docs, old)
    app.cutover()
    assert "docs_embedding_8_embedding_idx" in _plan(docs, new)
    assert len(asked(docs, new)) == 3
    columns = asked(docs, "SELECT * FROM docs_live LIMIT 0")
    assert columns == []
    asked(docs, "DROP VIEW mine")
    app.rollback()
    assert dump(docs) == before
    app.run()
    app.cutover()
    app.finish(now=True)
    assert len(asked(docs, new)) == 3
    app.close()


def test_the_next_upgrade_starts_from_the_table_beside(docs: str, openai_server: OpenAIServer, app: App) -> None:
    app.run()
    app.cutover()
    app.finish(now=True)
    between = dump(docs)
    assert "embedding vector(6)" not in between
    after = _third(openai_server.base_url)
    after.run()
    after.cutover()
    asked(docs, "UPDATE docs SET body = 'another' WHERE id IN (3, 4)")
    after.rollback()
    assert not stale_rows(docs, "embedding", model=NEW[0], d=NEW[1], table=SIDE)
    asked(docs, "UPDATE docs SET body = 'body 3' WHERE id = 3")
    after.run()
    after.cutover()
    after.finish(now=True)
    after.close()
    assert asked(docs, f"SELECT to_regclass('{SIDE}')") == [(None,)]
    assert not stale_rows(docs, "embedding", model="third", d=10, table="docs_embedding_10")
    query = vector_of("title 5", model="third", d=10).tolist()
    assert len(asked(docs, "SELECT id FROM match_docs(%s::real[]::vector, -1.0, 5)", query)) == 5


def _third(provider_url: str) -> App:
    def space(model: str, d: int) -> dict[str, object]:
        return {"provider": "openai", "model": model, "dimensions": d, "base_url": provider_url}

    source = {"store": "env:LIMOSA_TEST_URL", "table": "docs", "key": "id", "text": ["title", "body"]}
    return open_app(
        {
            "name": "third",
            "source": {**source, "vector": "embedding", "vector_table": SIDE, "space": space(*NEW)},
            "target": {
                "layout": "side_table",
                "space": space("third", 10),
                "match": {"function": "match_docs", "returns": ["id"]},
            },
        }
    )


def test_missing_vectors_of_a_table_beside_are_filled(docs: str, openai_server: OpenAIServer, app: App) -> None:
    app.run()
    app.cutover()
    app.finish(now=True)
    asked(docs, f"DELETE FROM {SIDE} WHERE id % 3 = 0")
    whole = asked(docs, f"SELECT id FROM {SIDE} ORDER BY id")

    def space() -> dict[str, object]:
        return {"provider": "openai", "model": NEW[0], "dimensions": NEW[1], "base_url": openai_server.base_url}

    source = {"store": "env:LIMOSA_TEST_URL", "table": "docs", "key": "id", "text": ["title", "body"]}
    fill = open_app(
        {"name": "fill", "source": {**source, "vector": "embedding", "vector_table": SIDE, "space": space()}}
    )
    fill.run()
    assert not stale_rows(docs, "embedding", model=NEW[0], d=NEW[1], table=SIDE)
    fill.rollback()
    assert asked(docs, f"SELECT id FROM {SIDE} ORDER BY id") == whole
    fill.run()
    fill.finish(now=True)
    fill.close()
    assert not stale_rows(docs, "embedding", model=NEW[0], d=NEW[1], table=SIDE)


def test_what_stands_in_the_way_is_refused_by_name(docs: str, openai_server: OpenAIServer, app: App) -> None:
    asked(docs, f"CREATE TABLE {SIDE} (id bigint)")
    assert any(SIDE in check.said for check in app.plan().refusals)
    with pytest.raises(Refused, match="match function or a view"):
        _viewed(openai_server.base_url, view=None)
    with pytest.raises(Refused, match="belongs to layout"):
        open_app({**_job(openai_server.base_url), "target": {"vector_table": "beside"}})


def _job(provider_url: str) -> dict[str, object]:
    space = {"provider": "openai", "model": OLD[0], "dimensions": OLD[1], "base_url": provider_url}
    source = {"store": "env:LIMOSA_TEST_URL", "table": "docs", "key": "id", "text": ["title", "body"]}
    return {"name": "job", "source": {**source, "vector": "embedding", "space": space}}


def test_a_table_beside_is_examined_too(docs: str, app: App) -> None:
    app.run()
    app.cutover()
    asked(docs, f"UPDATE {SIDE} SET embedding = '[0,0,0,0,0,0,0,0]' WHERE id = 7")
    found = {each.name: each for each in doctor(app.voyage, scrutiny_of(app.voyage), sample=0).findings}
    assert (found["zero"].count, found["zero"].examples) == (1, (("7",),))
    assert found["invalid-index"].verdict == "clean"


def test_finish_asks_each_time_whether_something_reads_the_old_vectors(docs: str, app: App) -> None:
    app.run()
    app.cutover()
    rest = [each.id for each in app.voyage.record().operations if each.id != "nothing-hangs"]
    carry_out(app.voyage, "finish", leave=tuple(rest))
    asked(docs, "CREATE VIEW late AS SELECT embedding FROM docs")
    with pytest.raises(Refused, match="late"):
        app.finish(now=True)
    # The question alone has closed no way back.
    app.rollback()
    assert not stale_rows(docs, "embedding", model=OLD[0], d=OLD[1])
