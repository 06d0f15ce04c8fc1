"""The job that this tool is for: a table of a model that was switched off, to its successor, by Google's protocol."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import numpy as np
import psycopg
import pytest

from limosa import flow
from limosa.app import App, open_app
from limosa.errors import Refused
from limosa.steps.backfill import backfill, bench_for
from limosa.steps.expand import expand
from limosa.steps.status import status
from tests.providers.server import ProviderServer
from tests.providers.vectors import tokens_of, vector_of

ACCEPT = frozenset({"--accept-reconnect"})
ROWS = 250
OLD, NEW = "text-embedding-004", "gemini-embedding-001"
KEY = "not-a-real-key"


@pytest.fixture
def google(provider_server: Callable[..., ProviderServer], monkeypatch: pytest.MonkeyPatch) -> ProviderServer:
    monkeypatch.setenv("LIMOSA_TEST_GOOGLE_KEY", KEY)
    return provider_server(protocol="google", key=KEY)


@pytest.fixture
def questions(database: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A table with vectors of 768 dimensions that nobody can make any more."""
    monkeypatch.setenv("LIMOSA_TEST_URL", database)
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
        connection.execute("CREATE TABLE questions (id bigint PRIMARY KEY, body text, embedding vector(768))")
        rows = [(i, _text(i), json.dumps(vector_of(_text(i), model=OLD, d=768).tolist())) for i in range(1, ROWS + 1)]
        connection.cursor().executemany("INSERT INTO questions VALUES (%s, %s, %s::vector)", rows)
    return database


def _text(number: int) -> str:
    return f"question {number}: how far does bird {number * 7919 % 1000} fly in {number % 12} days without landing"


def _app(google: ProviderServer, *, dimensions: int = 1536, old: tuple[str, int] = (OLD, 768)) -> App:
    return open_app(_job(google, dimensions=dimensions, old=old))


def _job(google: ProviderServer, *, dimensions: int = 1536, old: tuple[str, int] = (OLD, 768)) -> dict[str, object]:
    def space(name: str, d: int) -> dict[str, object]:
        key = "env:LIMOSA_TEST_GOOGLE_KEY"
        return {"provider": "google", "model": name, "dimensions": d, "base_url": google.base_url, "key": key}

    return {
        "name": f"questions-{dimensions}",
        "soak_days": 0,
        "source": {
            "store": "env:LIMOSA_TEST_URL",
            "table": "questions",
            "key": "id",
            "text": "body",
            "vector": "embedding",
            "space": space(*old),
        },
        "target": {"space": space(NEW, dimensions), "index": False},
        "backfill": {"budget_usd": 1.0, "batch_rows": 100},
    }


def _vectors(url: str, column: str = "embedding") -> dict[int, list[float]]:
    with psycopg.connect(url) as connection:
        found = connection.execute(f"SELECT id, {column}::real[] FROM questions ORDER BY id").fetchall()
    return {key: list(vector) if vector is not None else [] for key, vector in found}


def test_from_a_model_that_was_switched_off_to_its_successor(google: ProviderServer, questions: str) -> None:
    app = _app(google)
    plan = app.plan()
    assert not plan.refusals
    old = next(check for check in plan.checks if check.name == "old-model")
    assert old.verdict == "note"
    assert "It was switched off on 2026-01-14" in old.said
    assert "left without an old vector by rollback" in old.do

    proofs = app.run(accept=ACCEPT).proofs
    assert not [proof for proof in proofs if proof.verdict == "different"]
    app.cutover()
    vectors = np.array(list(_vectors(questions).values()), dtype=np.float32)
    assert vectors.shape == (ROWS, 1536)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-6)

    # The provider does not count: what is written down is an estimate, and says what plan said.
    tally = app.voyage.reports.tally()
    estimated = plan.estimates["cost_usd"]
    assert isinstance(estimated, float)
    assert tally.cost_usd == pytest.approx(estimated, rel=0.05)
    assert tally.cost_usd == pytest.approx(sum(tokens_of(_text(i)) for i in range(1, ROWS + 1)) * 0.15e-6, rel=0.2)
    app.close()


def test_a_rollback_restores_what_can_be_and_lists_the_rest(google: ProviderServer, questions: str) -> None:
    before = _vectors(questions)
    app = _app(google)
    app.run(accept=ACCEPT)
    app.cutover()
    with psycopg.connect(questions, autocommit=True) as connection:
        connection.execute("UPDATE questions SET body = 'a question that was asked later' WHERE id = 7")
    app.run()
    left = app.rollback()
    assert [key for key, _ in left] == [("7",)]
    assert "no longer answers" in left[0][1]
    after = _vectors(questions)
    assert after.pop(7) == []
    assert before.pop(7)
    assert after == before
    app.close()


def test_a_shorter_vector_of_the_same_model_makes_no_call(google: ProviderServer, questions: str) -> None:
    app = _app(google)
    app.run(accept=ACCEPT)
    app.cutover()
    app.finish()
    app.close()
    long = _vectors(questions)
    with psycopg.connect(questions, autocommit=True) as connection:
        connection.execute("UPDATE questions SET embedding = NULL WHERE id = 9")

    shorter = _app(google, dimensions=768, old=(NEW, 1536))
    plan = shorter.plan()
    assert plan.estimates["tokens"] == pytest.approx(tokens_of(_text(9)), rel=0.5)
    flow.begin(shorter.voyage, plan)
    expand(shorter.voyage)
    before = google.embedded.copy()
    assert backfill(shorter.voyage)
    assert google.embedded - before == {_text(9): 1}
    shorter.run(accept=ACCEPT)
    shorter.cutover()
    short = _vectors(questions)
    for key, vector in long.items():
        if key != 9:
            expected = np.array(vector[:768], dtype=np.float64)
            np.testing.assert_allclose(short[key], expected / np.linalg.norm(expected), atol=1e-6)
    assert len(short[9]) == 768
    shorter.close()


def test_workers_that_read_at_once_keep_to_the_limit_together(google: ProviderServer, questions: str) -> None:
    with closing(_app(google)) as app:
        app.run(accept=ACCEPT, limit=100)
        assert sum(map(bool, _vectors(questions, "embedding_limosa").values())) == 100
        bench = bench_for(app.voyage, app.voyage.ledger(), limit=150)
        assert bench.threads > 1
        with ThreadPoolExecutor(16) as threads:
            assert sum(threads.map(lambda _: bench.take(), range(500))) == 2, "batches of 100 each"
        bench.put_back(60)
        assert bench.take(), "one had 40 rows only"
        assert not bench.take()


def test_a_key_that_expires_stops_the_run_at_once_and_loses_nothing(google: ProviderServer, questions: str) -> None:
    app = _app(google)
    app.run(accept=ACCEPT, limit=100)
    google.expire_key()
    with pytest.raises(Refused, match="does not accept the key"):
        app.run()
    assert KEY not in str(app.voyage.reports.events())
    google.renew_key(KEY)
    app.run()
    assert app.voyage.reports.tally().dead == 0
    assert all(len(vector) == 1536 for vector in _vectors(questions, "embedding_limosa").values())
    app.close()


def test_what_was_paid_stands_beside_the_estimate_and_in_the_users_own_table(
    google: ProviderServer, questions: str
) -> None:
    with psycopg.connect(questions, autocommit=True) as connection:
        connection.execute('CREATE TABLE billing (job text, "what for" text, tokens bigint, usd numeric(12, 8))')
    columns = {"job": "migration", "what for": "model", "tokens": "tokens", "usd": "cost_usd"}
    job = {**_job(google), "backfill": {"batch_rows": 100, "usage": {"table": "billing", "columns": columns}}}
    wrong = {**job, "backfill": {"usage": {"table": "billing", "columns": {"nothing": "tokens"}}}}
    with closing(open_app(wrong)) as app:
        assert [check.name for check in app.plan().refusals] == ["usage-table"]
    with closing(open_app(job)) as app:
        app.run(accept=ACCEPT)
        tally, found = app.voyage.reports.tally(), status(app.voyage).spending
    assert found is not None
    assert (found.estimated_texts, found.paid_texts) == (ROWS, ROWS)
    assert found.paid_usd == pytest.approx(tally.cost_usd)
    differences = found.by_texts_usd + found.by_length_usd + found.by_price_usd
    assert found.paid_usd - found.estimated_usd == pytest.approx(differences)
    with psycopg.connect(questions) as connection:
        noted = connection.execute(
            'SELECT job, "what for", sum(tokens), sum(usd) FROM billing GROUP BY 1, 2'
        ).fetchall()
    ((name, model, tokens, usd),) = noted
    assert (name, model, tokens) == ("questions-1536", NEW, tally.tokens)
    assert float(usd) == pytest.approx(tally.cost_usd, rel=1e-3)
