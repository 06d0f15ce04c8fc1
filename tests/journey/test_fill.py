"""Shape *fill*: rows without a vector get one in the space that is there, and a rollback takes just those away."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from limosa import flow
from limosa.app import App
from limosa.backfill.worker import Haul, settle_batch
from limosa.steps.backfill import bench_for
from limosa.steps.expand import expand
from tests.crash.world import dump, fill_table
from tests.journey.world import OLD, Writer, docs_app, stale_rows
from tests.providers.openai_server import OpenAIServer

ACCEPT = frozenset({"--accept-reconnect"})


@pytest.fixture
def app(database: str, openai_server: OpenAIServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[App]:
    monkeypatch.setenv("LIMOSA_TEST_URL", database)
    fill_table(database, rows=120)
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("UPDATE docs SET embedding = NULL WHERE id % 3 = 0")
    app = docs_app(openai_server.base_url, name="fill", target=None, batch_rows=16)
    yield app
    app.close()


def test_missing_vectors_are_made_and_nothing_else_is_touched(
    database: str, app: App, openai_server: OpenAIServer
) -> None:
    with psycopg.connect(database) as connection:
        before: dict[int, str] = dict(
            connection.execute("SELECT id, embedding::text FROM docs WHERE embedding IS NOT NULL").fetchall()
        )
    proofs = app.run(accept=ACCEPT).proofs
    assert not [proof for proof in proofs if proof.verdict == "different"]
    assert not stale_rows(database, "embedding", model=OLD[0], d=OLD[1])
    with psycopg.connect(database) as connection:
        after: dict[int, str] = dict(connection.execute("SELECT id, embedding::text FROM docs").fetchall())
    assert {key: after[key] for key in before} == before
    texts = openai_server.texts
    app.run()
    # A second run pays for the sample that verify embeds again, and for nothing else.
    assert openai_server.texts - texts <= 32
    app.finish()
    app.close()
    with psycopg.connect(database) as connection:
        assert connection.execute("SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal").fetchone() == (0,)


def test_a_rollback_takes_away_what_was_filled(database: str, app: App) -> None:
    before = dump(database)
    app.run(accept=ACCEPT)
    assert dump(database) != before
    app.rollback()
    assert dump(database) == before
    app.close()


def test_a_vector_that_the_application_writes_meanwhile_is_its_own(database: str, app: App) -> None:
    flow.begin(app.voyage, app.plan())
    expand(app.voyage)
    ledger = app.voyage.ledger()
    bench, claim = bench_for(app.voyage, ledger), ledger.claim()
    assert claim is not None
    ends = app.voyage.store.ends(claim.epoch)
    rows = ends.source.reread([("3",), ("6",)])
    own = "SELECT embedding::text FROM docs WHERE id = 3"
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("UPDATE docs SET embedding = '[1,2,3,4,5,6]' WHERE id = 3")
        settle_batch(bench, claim, ends, Haul(rows=rows))
        ledger.release([claim])
        assert connection.execute(own).fetchone() == ("[1,2,3,4,5,6]",)
        assert connection.execute("SELECT embedding IS NOT NULL FROM docs WHERE id = 6").fetchone() == (True,)
        app.run(accept=ACCEPT)
        app.rollback()
        assert connection.execute(own).fetchone() == ("[1,2,3,4,5,6]",)
        assert connection.execute("SELECT embedding FROM docs WHERE id = 6").fetchone() == (None,)


def test_rows_that_change_meanwhile_are_embedded_again(database: str, app: App) -> None:
    # What was edited before capture is armed is as the application left it.
    app.run(accept=ACCEPT, limit=1)
    with Writer(database) as writer:
        while writer.count < 30:
            app.run()
    app.run()
    app.close()
    assert not writer.errors
    assert not stale_rows(database, "embedding", model=OLD[0], d=OLD[1])
