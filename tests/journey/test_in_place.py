"""The layout ``in_place``: the column itself changes its type, and gets its old vectors back on the way back."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from limosa.app import App
from limosa.errors import Refused
from tests.crash.world import dump, fill_table
from tests.journey.world import NEW, OLD, docs_app, stale_rows
from tests.providers.openai_server import Fault, OpenAIServer, vector_of

ACCEPT = frozenset({"--accept-downtime", "--accept-reconnect", "--accept-triggers"})

TRIGGERS = """
UPDATE docs SET title = 'title' WHERE title IS NULL;
UPDATE docs SET embedding = '[1,2,3,4,5,6]' WHERE embedding IS NULL;
ALTER TABLE docs ALTER COLUMN embedding SET NOT NULL, ALTER COLUMN embedding SET STORAGE MAIN,
    ADD COLUMN updated_at timestamptz DEFAULT 'epoch';
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


def _asked(url: str, sql: str, *params: object) -> list[tuple[object, ...]]:
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(sql.encode(), params or None)
        return cursor.fetchall() if cursor.description else []


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
    assert _asked(docs, seen) == [(0, True)]
    assert not stale_rows(docs, "embedding", model=NEW[0], d=NEW[1])
    app.rollback()
    # NOT NULL, storage, index and every byte of the old vectors.
    assert dump(docs) == before
    assert _asked(docs, "SELECT count(*) FROM audit") == [(0,)]


def test_callers_of_the_old_size_are_answered_from_the_saved_vectors(docs: str, app: App) -> None:
    query = vector_of("title 7\n\nbody 7", model=OLD[0], d=OLD[1]).tolist()
    nearest = "SELECT id FROM match_docs(%s::real[]::vector, -1.0, 3)"
    before = _asked(docs, nearest, query)
    app.run(accept=ACCEPT, limit=1)
    assert _asked(docs, nearest, query) == before
    app.run()
    app.cutover()
    assert _asked(docs, nearest, query) == before
    renewed = vector_of("title 7\n\nbody 7", model=NEW[0], d=NEW[1]).tolist()
    assert _asked(docs, nearest, renewed)[0] == (7,)
    app.finish()
    assert _asked(docs, "SELECT relname FROM pg_class WHERE relname LIKE 'saved%'") == []
    assert _asked(docs, nearest, renewed)[0] == (7,)


def test_a_text_that_changed_meanwhile_goes_back_to_the_old_model(
    docs: str, app: App, openai_server: OpenAIServer
) -> None:
    app.run(accept=ACCEPT)
    _asked(docs, "UPDATE docs SET body = 'another' WHERE id IN (3, 4)")
    _asked(docs, "INSERT INTO docs (id, title) VALUES (1000, 'born')")
    app.run()
    app.rollback()
    assert not stale_rows(docs, "embedding", model=OLD[0], d=OLD[1])
    app.run(accept=ACCEPT)
    _asked(docs, "UPDATE docs SET body = 'once more' WHERE id IN (3, 4)")
    openai_server.fail_always(Fault(status=404))
    left = dict(app.rollback())
    assert sorted(left) == [("3",), ("4",)]
    assert all("no longer answers" in why for why in left.values())
    assert _asked(docs, "SELECT id FROM docs WHERE embedding IS NULL AND title IS NOT NULL ORDER BY id") == [(3,), (4,)]
