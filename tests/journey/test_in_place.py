"""The layout ``in_place``: the column itself changes its type, and gets its old vectors back on the way back."""

from __future__ import annotations

import time
from collections.abc import Iterator

import psycopg
import pytest

from limosa import flow
from limosa.app import App
from limosa.errors import Refused
from limosa.steps.expand import expand
from tests.crash.world import dump, fill_table
from tests.journey.world import NEW, OLD, Writer, asked, docs_app, stale_rows
from tests.providers.openai_server import Fault, OpenAIServer, vector_of

ACCEPT = frozenset({"--accept-downtime", "--accept-reconnect", "--accept-triggers"})

TRIGGERS = """
UPDATE docs SET title = 'title' WHERE title IS NULL;
UPDATE docs SET embedding = '[1,2,3,4,5,6]' WHERE embedding IS NULL;
ALTER TABLE docs ALTER COLUMN embedding SET NOT NULL, ALTER COLUMN embedding SET STORAGE MAIN,
    ALTER COLUMN embedding SET COMPRESSION pglz,
    ADD COLUMN updated_at timestamptz DEFAULT 'epoch';
ALTER TABLE docs RENAME CONSTRAINT docs_embedding_not_null TO embedded;
COMMENT ON INDEX docs_embedding_idx IS 'of the old size';
CREATE TABLE audit (id bigint);
CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.updated_at := now(); RETURN NEW; END $$;
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN INSERT INTO audit VALUES (NEW.id); RETURN NULL; END $$;
CREATE TRIGGER stamp BEFORE UPDATE ON docs FOR EACH ROW EXECUTE FUNCTION stamp();
CREATE TRIGGER note AFTER UPDATE ON docs FOR EACH ROW EXECUTE FUNCTION note();
"""


@pytest.fixture
def docs(database: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("LIMOSA_TEST_URL", database)
    fill_table(database, rows=120)
    return database


@pytest.fixture
def app(docs: str, openai_server: OpenAIServer) -> Iterator[App]:
    app = docs_app(openai_server.base_url, layout="in_place")
    yield app
    app.close()


def test_a_maintenance_window_has_to_be_granted(docs: str, app: App) -> None:
    before = dump(docs)
    with pytest.raises(Refused, match="nobody reads or writes it meanwhile"):
        app.run(accept=frozenset({"--accept-reconnect"}))
    assert dump(docs) == before


def test_there_and_back_no_trigger_of_the_table_fires(docs: str, app: App) -> None:
    with psycopg.connect(docs, autocommit=True) as connection:
        connection.execute(TRIGGERS)
    before = dump(docs)
    app.run(accept=ACCEPT)
    app.cutover()
    seen = "SELECT (SELECT count(*) FROM audit), (SELECT max(updated_at) = 'epoch' FROM docs)"
    assert asked(docs, seen) == [(0, True)]
    assert not stale_rows(docs, "embedding", model=NEW[0], d=NEW[1])
    app.rollback()
    # NOT NULL by its name, storage, compression, index and every byte of the old vectors.
    assert dump(docs) == before
    assert asked(docs, "SELECT count(*) FROM audit") == [(0,)]


def test_an_index_keeps_its_tablespace(docs: str, app: App) -> None:
    where = "SELECT t.spcname FROM pg_class AS c LEFT JOIN pg_tablespace AS t ON t.oid = c.reltablespace"
    where += " WHERE c.relname = 'docs_embedding_idx'"
    with psycopg.connect(docs, autocommit=True) as connection:
        connection.execute("SET allow_in_place_tablespaces = on")
        connection.execute("CREATE TABLESPACE kept_apart LOCATION ''")
    try:
        asked(docs, "ALTER INDEX docs_embedding_idx SET TABLESPACE kept_apart")
        app.run(accept=ACCEPT)
        app.rollback()
        assert asked(docs, where) == [("kept_apart",)]
    finally:
        asked(docs, "ALTER INDEX docs_embedding_idx SET TABLESPACE pg_default")
        asked(docs, "DROP TABLESPACE kept_apart")


def test_an_index_on_an_expression_of_the_vector_is_refused(docs: str, app: App) -> None:
    asked(docs, "CREATE INDEX halves ON docs USING hnsw ((embedding::halfvec(6)) halfvec_cosine_ops)")
    with pytest.raises(Refused, match="stands on an expression of embedding"):
        app.run(accept=ACCEPT)
    asked(docs, "DROP INDEX halves")
    app.run(accept=ACCEPT)


def test_callers_of_the_old_size_are_answered_from_the_saved_vectors(docs: str, app: App) -> None:
    query = vector_of("title 7\n\nbody 7", model=OLD[0], d=OLD[1]).tolist()
    nearest = "SELECT id FROM match_docs(%s::real[]::vector, -1.0, 3)"
    before = asked(docs, nearest, query)
    app.run(accept=ACCEPT, limit=1)
    assert asked(docs, nearest, query) == before
    app.run()
    app.cutover()
    assert asked(docs, nearest, query) == before
    renewed = vector_of("title 7\n\nbody 7", model=NEW[0], d=NEW[1]).tolist()
    assert asked(docs, nearest, renewed)[0] == (7,)
    app.finish()
    assert asked(docs, "SELECT relname FROM pg_class WHERE relname LIKE 'saved%'") == []
    assert asked(docs, nearest, renewed)[0] == (7,)


def test_a_text_that_changed_meanwhile_goes_back_to_the_old_model(
    docs: str, app: App, openai_server: OpenAIServer
) -> None:
    app.run(accept=ACCEPT)
    asked(docs, "UPDATE docs SET body = 'another' WHERE id IN (3, 4)")
    asked(docs, "INSERT INTO docs (id, title) VALUES (1000, 'born')")
    app.run()
    app.rollback()
    assert not stale_rows(docs, "embedding", model=OLD[0], d=OLD[1])
    app.run(accept=ACCEPT)
    asked(docs, "UPDATE docs SET body = 'once more' WHERE id IN (3, 4)")
    openai_server.fail_always(Fault(status=404))
    left = dict(app.rollback())
    assert sorted(left) == [("3",), ("4",)]
    assert all("no longer answers" in why for why in left.values())
    assert asked(docs, "SELECT id FROM docs WHERE embedding IS NULL AND title IS NOT NULL ORDER BY id") == [(3,), (4,)]


def test_a_text_that_changed_before_its_row_was_filled_goes_back_to_the_old_model(docs: str, app: App) -> None:
    flow.begin(app.voyage, app.plan())
    expand(app.voyage)
    asked(docs, "UPDATE docs SET body = 'another' WHERE id IN (3, 4)")
    app.run()
    app.rollback()
    assert not stale_rows(docs, "embedding", model=OLD[0], d=OLD[1])


def test_every_text_that_a_writer_changes_since_expand_goes_back_to_the_old_model(docs: str, app: App) -> None:
    flow.begin(app.voyage, app.plan())
    expand(app.voyage)
    with Writer(docs) as writer:
        app.run()
        while writer.count < 60:
            time.sleep(0.02)
    assert not writer.errors
    app.rollback()
    assert not stale_rows(docs, "embedding", model=OLD[0], d=OLD[1])


def test_a_role_of_the_application_goes_on_searching_its_own_rows(docs: str, app: App) -> None:
    with psycopg.connect(docs, autocommit=True) as connection:
        connection.execute("DROP ROLE IF EXISTS tenant_place")
        connection.execute("CREATE ROLE tenant_place")
        connection.execute("ALTER TABLE docs ENABLE ROW LEVEL SECURITY")
        connection.execute("CREATE POLICY own ON docs TO tenant_place USING (id % 10 = 1)")
        connection.execute("GRANT SELECT ON docs TO tenant_place")
    app.run(accept=ACCEPT)
    with psycopg.connect(docs) as connection:
        connection.execute("SET ROLE tenant_place")
        for model, d in (OLD, NEW):
            query = vector_of("title 7", model=model, d=d).tolist()
            found = connection.execute("SELECT id FROM match_docs(%s::real[]::vector, -1.0, 1000)", (query,))
            assert {key for (key,) in found} == {*range(1, 120, 10)}
        saved = f"limosa.saved_{app.migration.id}"
        assert {key % 10 for (key,) in connection.execute(f"SELECT id FROM {saved}".encode())} == {1}


def test_a_view_that_was_changed_since_the_plan_is_not_put_back(docs: str, app: App) -> None:
    asked(docs, "CREATE VIEW near AS SELECT id, embedding FROM docs")
    flow.begin(app.voyage, app.plan())
    asked(docs, "CREATE OR REPLACE VIEW near AS SELECT id, embedding FROM docs WHERE id > 3")
    with pytest.raises(Refused, match=r"public\.near"):
        expand(app.voyage)
    asked(docs, "CREATE OR REPLACE VIEW near AS SELECT id, embedding FROM docs")
    app.run(accept=ACCEPT)
    asked(docs, "CREATE OR REPLACE VIEW near AS SELECT id, embedding FROM docs WHERE id > 3")
    with pytest.raises(Refused, match=r"public\.near"):
        app.rollback()
    asked(docs, "CREATE OR REPLACE VIEW near AS SELECT id, embedding FROM docs")
    app.rollback()
    assert not stale_rows(docs, "embedding", model=OLD[0], d=OLD[1])
