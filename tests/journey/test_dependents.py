"""What hangs on the vectors travels with them: forward and back from after every step, beside somebody who reads."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import psycopg
import pytest

from limosa.app import App, open_app
from limosa.errors import Refused
from limosa.stores.postgres.embedded import Server
from tests.crash.world import dump, fill_table
from tests.journey.world import NEW, OLD, STEPS, Application, docs_app, forward
from tests.postgres.fixtures import fresh_database
from tests.postgres.questions import changed, execute, job, make_questions, text_of, vectors_of
from tests.providers.openai_server import OpenAIServer, vector_of

WORLD = (
    "ALTER TABLE docs ALTER embedding SET NOT NULL, ALTER embedding SET STATISTICS 700, ADD updated_at timestamptz,"
    " ADD words tsvector GENERATED ALWAYS AS (to_tsvector('english', coalesce(title, ''))) STORED,"
    " ADD FOREIGN KEY (id) REFERENCES docs",
    "ALTER TABLE docs RENAME CONSTRAINT docs_embedding_not_null TO embedded",
    "COMMENT ON COLUMN docs.embedding IS 'of title and body'",
    "GRANT SELECT (id, embedding) ON docs TO pg_monitor",
    "CREATE TABLE votes (doc bigint REFERENCES docs)",
    "INSERT INTO votes VALUES (1), (2)",
    "CREATE TABLE audit (doc bigint, what text)",
    "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS"
    " 'BEGIN INSERT INTO audit VALUES (NEW.id, TG_OP); RETURN NULL; END'",
    "CREATE TRIGGER audit AFTER INSERT OR UPDATE ON docs FOR EACH ROW EXECUTE FUNCTION note()",
    "CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.updated_at := now(); RETURN NEW; END'",
    "CREATE TRIGGER touch BEFORE UPDATE ON docs FOR EACH ROW EXECUTE FUNCTION touch()",
    "CREATE PUBLICATION titles FOR TABLE docs (id, title)",
    "CREATE STATISTICS pair ON title, embedding FROM docs",
    "ALTER TABLE docs ENABLE ROW LEVEL SECURITY",
    "CREATE POLICY searchable ON docs FOR SELECT TO pg_monitor USING (embedding IS NOT NULL)",
    "COMMENT ON POLICY searchable ON docs IS 'what can be found'",
    "CREATE VIEW near WITH (security_barrier) AS SELECT id, title, embedding FROM docs WHERE title IS NOT NULL",
    "CREATE VIEW nearer AS SELECT id, embedding, vector_dims(embedding) AS size FROM near",
    "COMMENT ON VIEW nearer IS 'those with a title'",
    "GRANT SELECT ON nearer TO pg_monitor",
    "CREATE MATERIALIZED VIEW kept AS SELECT id, embedding FROM nearer",
    "CREATE UNIQUE INDEX kept_id ON kept (id)",
    "CREATE INDEX kept_near ON kept USING hnsw (embedding vector_cosine_ops)",
    "CREATE FUNCTION sizes() RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT sum(size) FROM nearer; END",
)
"""On ``docs``: two views, a materialized one with indexes, a policy, statistics, a function, triggers, keys."""


@dataclass
class Reader(Application):
    """An application that reads through the views all the time.

    Attributes:
        empty: how often one of them had no row; must stay zero.
        sizes: every size of vector that it saw in the materialized view.
    """

    rate: float = 60.0
    empty: int = 0
    sizes: set[int] = field(default_factory=set)

    def _act(self, connection: psycopg.Connection[tuple[object, ...]], rng: random.Random) -> None:
        view = rng.choice(("near", "nearer", "kept"))
        found = connection.execute(
            f"SELECT count(*), min(vector_dims(embedding)), max(vector_dims(embedding)) FROM {view}".encode()
        ).fetchall()[0]
        self.empty += found[0] == 0
        if view == "kept":
            self.sizes |= {int(str(size)) for size in found[1:]}


@pytest.fixture(scope="module")
def world(pg_server: Server) -> Iterator[str]:
    """One database for the journeys that leave it as it was."""
    with _world(pg_server) as url:
        yield url


@contextmanager
def _world(server: Server) -> Iterator[str]:
    with fresh_database(server) as url:
        fill_table(url, rows=60)
        execute(url, *WORLD)
        yield url


@pytest.fixture
def opened(openai_server: OpenAIServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, str], App]]:
    """Opens the migration of a database in a layout."""
    apps: list[App] = []

    def open_it(url: str, layout: str) -> App:
        monkeypatch.setenv("LIMOSA_TEST_URL", url)
        apps.append(docs_app(openai_server.base_url, name=f"travel-{layout}", layout=layout))
        return apps[-1]

    yield open_it
    for app in apps:
        app.close()


@pytest.mark.parametrize("layout", ["column", "side_table"])
def test_rollback_from_after_each_step_leaves_an_equal_dump(
    world: str, opened: Callable[[str, str], App], layout: str
) -> None:
    app = opened(world, layout)
    before = dump(world)
    with Reader(world) as reader:
        for last in STEPS:
            forward(app, last)
            app.rollback()
            assert dump(world) == before, last
    assert not reader.errors
    assert reader.count > 20
    assert reader.empty == 0
    # Neither what limosa wrote nor what it took back was seen by the application's own triggers.
    assert _one(world, "SELECT count(*) FROM audit") == 0


def test_in_place_everything_is_made_again_over_the_new_vectors_and_back(
    world: str, opened: Callable[[str, str], App]
) -> None:
    app = opened(world, "in_place")
    before = dump(world)
    for last in STEPS:
        forward(app, last)
        if last == "verify":
            assert [_right(world, view) for view in ("near", "nearer", "kept")] == [54, 54, 54]
            assert _one(world, "SELECT sizes()") == 54 * NEW[1]
        app.rollback()
        assert dump(world) == before, last
    assert _one(world, "SELECT count(*) FROM audit") == 0


def test_what_was_changed_or_made_since_the_plan_is_not_lost(world: str, opened: Callable[[str, str], App]) -> None:
    before = dump(world)
    app = opened(world, "column")
    forward(app, "verify")
    execute(
        world,
        "ALTER POLICY searchable ON docs USING (embedding IS NOT NULL AND id > 3)",
        "GRANT SELECT ON near TO pg_monitor",
        "CREATE VIEW late AS SELECT id FROM kept WHERE embedding IS NOT NULL",
    )
    with pytest.raises(Refused) as refused:
        app.cutover()
    assert "view public.near, policy searchable ON public.docs, view public.late" in refused.value.what
    assert "limosa rollback FILE" in refused.value.do
    assert not app.voyage.record().switched
    execute(
        world,
        "ALTER POLICY searchable ON docs USING (embedding IS NOT NULL)",
        "REVOKE SELECT ON near FROM pg_monitor",
        "DROP VIEW late",
    )
    app.cutover()
    # And on the way back.
    execute(world, "CREATE OR REPLACE VIEW nearer AS SELECT id, embedding, 1 AS size FROM near")
    with pytest.raises(Refused, match=r"view public\.nearer"):
        app.rollback()
    execute(world, "CREATE OR REPLACE VIEW nearer AS SELECT id, embedding, vector_dims(embedding) AS size FROM near")
    app.rollback()
    assert dump(world) == before


def test_after_cutover_everything_reads_the_new_vectors_and_finish_leaves_nothing(
    pg_server: Server, opened: Callable[[str, str], App]
) -> None:
    with _world(pg_server) as url:
        app = opened(url, "column")
        before = _statements(dump(url))
        with Reader(url) as reader:
            forward(app, "verify")
            # A row that comes after the twins were filled.
            execute(url, "INSERT INTO docs (id, title, embedding) VALUES (61, 'late', '[1,2,3,4,5,6]')")
            app.cutover()
            for view in ("near", "nearer", "kept"):
                assert _right(url, view) == 55
            assert _one(url, "SELECT sizes()") == 55 * NEW[1]
            assert _one(url, "SELECT idx_scan >= 0 FROM pg_stat_user_indexes WHERE indexrelname = 'kept_near'")
            app.finish(now=True)
            execute(url, "REFRESH MATERIALIZED VIEW CONCURRENTLY kept")
        assert not reader.errors
        assert reader.empty == 0
        assert reader.sizes == {OLD[1], NEW[1]}
        after = _statements(dump(url))
        changed = {name for each in before ^ after for name in re.findall("Name: ([^;(]+)", each)}
        assert changed == {"docs", "docs_embedding_idx", "match_docs"}
        # Comment and rights of the column are statements of their own, and equal.
        assert any("embedding public.vector(8)" in each and "SET STATISTICS 700" in each for each in after)
        published = _one(url, "SELECT attnames::text FROM pg_publication_tables WHERE pubname = 'titles'")
        assert published == "{id,title}"


def test_beside_the_table_finish_refuses_while_something_reads_the_old_vectors(
    pg_server: Server, opened: Callable[[str, str], App]
) -> None:
    with _world(pg_server) as url:
        app = opened(url, "side_table")
        forward(app, "cutover")
        with pytest.raises(Refused) as refused:
            app.finish(now=True)
        for name in ("view near", "policy searchable on table docs"):
            assert name in refused.value.what
        assert "docs.embedding" in refused.value.what
        # Nothing of finish was done: rows are still followed, and there is still a way back.
        assert app.voyage.store.capture.intact() is None
        assert not app.voyage.finishing()
        execute(url, "DROP VIEW near CASCADE", "DROP POLICY searchable ON docs")
        app.finish(now=True)
        assert "embedding" not in str(
            _one(url, "SELECT array_agg(attname) FROM pg_attribute WHERE attrelid = 'docs'::regclass")
        )


def _statements(text: str) -> set[str]:
    """The statements of a dump without its rows, each on one line."""
    schema = text.split("\n(", 1)[0]
    return {" ".join(each.split()) for each in schema.split(";\n\n")}


def _one(url: str, query: str) -> object:
    with psycopg.connect(url) as connection:
        return connection.execute(query.encode()).fetchall()[0][0]


def _right(url: str, view: str) -> int:
    """Rows of a view whose vector is that of their text in the new space."""
    model, d = NEW
    with psycopg.connect(url) as connection:
        found = connection.execute(
            "SELECT concat_ws(E'\\n\\n', d.title, d.body), v.embedding::real[]"
            f" FROM {view} AS v JOIN docs AS d USING (id)".encode()
        ).fetchall()
    return sum(
        np.allclose(np.asarray(vector, np.float32), vector_of(text, model=model, d=d), atol=1e-6)
        for text, vector in found
    )


def test_a_generated_column_is_a_text_like_any_other(database: str, pg_server: Server) -> None:
    make_questions(database, rows=20)
    # Virtual columns came with Postgres 18.
    kind = "VIRTUAL" if pg_server.version >= 18 else "STORED"
    execute(
        database,
        "ALTER TABLE questions ADD head text GENERATED ALWAYS AS (upper(title)) STORED",
        f"ALTER TABLE questions ADD rest text GENERATED ALWAYS AS (lower(body)) {kind}",
    )
    text = {"source.text": ["head", "rest"]}
    # The old vectors are of title and body: a sample would not agree, and is not what is asked here.
    execute(database, "UPDATE questions SET embedding = NULL")
    app = open_app(changed(job(database), text))
    app.run(accept=frozenset({"--yes"}))
    execute(database, "UPDATE questions SET body = 'Another' WHERE id = 7")
    assert _one(database, "SELECT count(*) FROM questions WHERE embedding_limosa IS NULL") == 1
    app.run()
    app.cutover()
    app.finish(now=True)
    wanted = vectors_of(["\n\n".join([text_of(7)[0].upper(), "another"])], app.migration.target.space)[0]
    assert _one(database, f"SELECT embedding <-> '{wanted}' < 1e-6 FROM questions WHERE id = 7")
    app.close()
