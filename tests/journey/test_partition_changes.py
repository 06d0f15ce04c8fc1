"""Partitions that come and go while their table is migrated: no row of theirs is lost, no vector is of another text."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing

import numpy as np
import psycopg
import pytest

from limosa import flow
from limosa.app import App, open_app
from limosa.errors import ProofFailed
from limosa.flow import Ending
from limosa.steps.backfill import backfill
from limosa.steps.expand import expand
from limosa.steps.verify import conserve
from tests.journey.partition_world import ACCEPT, LAYOUTS, fill, held, job_of, stale, work
from tests.journey.world import asked
from tests.providers.openai_server import OpenAIServer, vector_of

UNARMED = "came after expand and is not armed yet: limosa run FILE does that."


@pytest.fixture(params=list(LAYOUTS))
def layout(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def docs(database: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("LIMOSA_TEST_URL", database)
    fill(database)
    return database


@pytest.fixture
def app(docs: str, openai_server: OpenAIServer, layout: str) -> Iterator[App]:
    app = open_app(job_of(openai_server, layout))
    yield app
    app.close()


def test_partitions_that_come_and_go_meanwhile_are_followed(docs: str, app: App, layout: str) -> None:
    flow.begin(app.voyage, app.plan())
    expand(app.voyage)
    backfill(app.voyage)
    if layout == "column":
        asked(docs, "ALTER TABLE docs DETACH PARTITION docs_2; DROP TABLE docs_1")
    asked(docs, "CREATE TABLE docs_9 PARTITION OF docs FOR VALUES FROM (90) TO (100)")
    asked(docs, "INSERT INTO docs SELECT 91, i, 'title', 'made ' || i, '[1,2,3,4,5,6]' FROM generate_series(1, 9) AS i")
    _attach(docs, 8)
    assert app.voyage.store.capture.intact() == f"public.docs_8, public.docs_9 {UNARMED}"
    assert conserve(app.voyage).lost == 9
    # One that comes while rows of others are queued is not armed along with them.
    late = app.voyage.store.amends("expand", 0)
    _attach(docs, 6)
    for operation in late:
        app.voyage.store.runner.apply(operation, lambda tx: None)
    assert app.voyage.store.capture.intact() == f"public.docs_6 {UNARMED}"
    held(app.run().proofs)
    assert app.voyage.store.capture.intact() is None
    assert not stale(docs, LAYOUTS[layout], work(layout))
    _move(docs, layout)
    before = _exceptions(docs)
    asked(docs, "TRUNCATE docs_9" + (" CASCADE" if layout == "side_table" else ""))
    assert _exceptions(docs) == before
    if layout == "side_table":
        # TRUNCATE of one takes the vectors of all; the foreign key keeps a partition whose vectors stand.
        assert asked(docs, "SELECT count(*) FROM docs_embedding_8") == [(0,)]
        held(app.run().proofs)
        with pytest.raises(psycopg.errors.ForeignKeyViolation):
            asked(docs, "ALTER TABLE docs DETACH PARTITION docs_0")
        asked(docs, "DELETE FROM docs_embedding_8 WHERE tenant < 10")
    asked(docs, "ALTER TABLE docs DETACH PARTITION docs_0")
    assert app.cutover() == 0
    held(app.run().proofs)
    assert 0 < len(_exceptions(docs)) < len(before)
    assert not stale(docs, LAYOUTS[layout])
    asked(docs, "CREATE TABLE docs_7 PARTITION OF docs FOR VALUES FROM (70) TO (80)")
    with pytest.raises(ProofFailed, match=r"docs_7 came after expand.*limosa run FILE"):
        app.finish()
    app.run()
    app.finish()
    assert asked(docs, "SELECT tgrelid::regclass FROM pg_trigger WHERE tgname LIKE '%limosa%'") == []


def _move(url: str, layout: str) -> None:
    """A text that changes while its row moves leaves no vector of the old one; the next run embeds it."""
    asked(url, "UPDATE docs SET tenant = 31, body = 'another' WHERE id = 3 AND tenant = 3")
    asked(url, "UPDATE docs SET tenant = 32 WHERE id = 4 AND tenant = 4")
    assert (31, 3) in stale(url, LAYOUTS[layout], work(layout))
    vector = f'SELECT "{work(layout)}" IS NOT NULL FROM {LAYOUTS[layout]} WHERE id = 3 AND tenant = 31'
    assert asked(url, vector) in ([(False,)], [])


def _attach(url: str, number: int) -> None:
    """A table with nine rows becomes the partition of this number."""
    asked(url, f"CREATE TABLE docs_{number} (LIKE docs INCLUDING ALL)")
    rows = f"SELECT {number}1, i, 'title', 'came ' || i, '[1,2,3,4,5,6]' FROM generate_series(1, 9) AS i"
    asked(url, f"INSERT INTO docs_{number} {rows}")
    asked(url, f"ALTER TABLE docs ATTACH PARTITION docs_{number} FOR VALUES FROM ({number}0) TO ({number + 1}0)")


def test_a_partition_that_comes_back_keeps_no_vector_of_a_text_that_changed(
    docs: str, openai_server: OpenAIServer
) -> None:
    asked(docs, "ALTER TABLE docs ALTER embedding DROP NOT NULL")
    with closing(open_app(job_of(openai_server, "column"))) as app:
        app.run(accept=ACCEPT)
        for at, seen in ((22, False), (23, True)):
            asked(docs, "ALTER TABLE docs DETACH PARTITION docs_2")
            if seen:
                # A run that finds it gone forgets its rows, and knows it again.
                app.run()
            asked(docs, "UPDATE docs_2 SET body = 'edited' WHERE id = %s", at)
            asked(
                docs,
                "INSERT INTO docs_2 (tenant, id, title) SELECT 29, %s * 10 + i, 'born' FROM generate_series(1, 5) AS i",
                at,
            )
            asked(docs, "ALTER TABLE docs ATTACH PARTITION docs_2 FOR VALUES FROM (20) TO (30)")
            wrong = app.voyage.store.capture.intact()
            assert wrong is not None
            assert "public.docs_2 was detached and attached again" in wrong
            # The application holds a row of it for a moment: it is waited for, again and again.
            held(_run_beside(app, docs, "UPDATE docs_2 SET note = 'held' WHERE id = 61").proofs)
            assert app.voyage.store.capture.intact() is None
            assert not stale(docs, "docs", "embedding" if seen else "embedding_limosa")
            if not seen:
                app.cutover()
        assert asked(docs, "SELECT count(*) FROM docs_2 WHERE note = 'held'") == [(1,)]
        app.rollback()
        both = "SELECT concat_ws(E'\\n\\n', title, body), embedding::real[] FROM docs_2 WHERE id IN (22, 23)"
        for text, vector in asked(docs, both):
            wanted = vector_of(str(text), model="old", d=6)
            assert np.allclose(np.asarray(vector, dtype=np.float32), wanted, atol=1e-6)


def test_a_fill_makes_its_own_vectors_anew_in_a_partition_that_comes_back(
    docs: str, openai_server: OpenAIServer
) -> None:
    asked(docs, "ALTER TABLE docs ALTER embedding DROP NOT NULL; UPDATE docs SET embedding = NULL WHERE id IN (22, 23)")
    job = {name: part for name, part in job_of(openai_server, "column").items() if name != "target"}
    with closing(open_app(job)) as app:
        app.run(accept=ACCEPT)
        asked(docs, "ALTER TABLE docs DETACH PARTITION docs_2; UPDATE docs_2 SET body = 'edited' WHERE id = 22")
        asked(docs, "ALTER TABLE docs ATTACH PARTITION docs_2 FOR VALUES FROM (20) TO (30)")
        held(app.run().proofs)
        text, vector = asked(docs, "SELECT title || E'\\n\\nedited', embedding::real[] FROM docs WHERE id = 22")[0]
        wanted = vector_of(str(text), model="old", d=6)
        assert np.allclose(np.asarray(vector, dtype=np.float32), wanted, atol=1e-6)
        # The application's own vectors were neither queued nor written.
        assert asked(docs, "SELECT key[2] FROM limosa.touched ORDER BY 1") == [("22",), ("23",)]


def _run_beside(app: App, url: str, sql: str) -> Ending:
    """Runs while another transaction holds for a moment what a statement locks."""
    with psycopg.connect(url) as connection:
        connection.execute(sql.encode())
        released = threading.Timer(0.3, connection.commit)
        released.start()
        done = app.run()
        released.join()
    return done


def _exceptions(url: str) -> list[tuple[object, ...]]:
    return asked(url, "SELECT key, kind FROM limosa.exception ORDER BY key")
