"""Every fault of a provider, in the middle of a run: nothing is lost, nothing wrong is written, the report tells it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import psycopg
import pytest

from limosa.app import App, open_app
from limosa.errors import Refused
from limosa.model.proof import Proof
from tests.providers.faults import Fault
from tests.providers.server import ProviderServer
from tests.providers.vectors import vector_of

ACCEPT = frozenset({"--accept-reconnect"})
ROWS, D = 96, 12
MODELS = {"openai": "m", "google": "m", "cohere": "m", "voyage": "m", "ollama": "m"}

PASSING = {
    "slow": Fault(how="slow", delay_s=0.3),
    "429": Fault(how="rate"),
    "429, retry after": Fault(how="rate", retry_after_s=0.2),
    "500": Fault(how="status", status=500),
    "503": Fault(how="status", status=503),
    "drop": Fault(how="drop"),
    "hang up": Fault(how="hangup"),
    "garbage": Fault(how="garbage"),
    "fewer": Fault(how="fewer"),
    "other size": Fault(how="size"),
    "ragged": Fault(how="ragged"),
}
"""What is over when it is asked again."""

SPOILED = {"nan": Fault(how="nan"), "zero": Fault(how="zero")}
"""A vector that must not be stored: its row is dead until it is tried again."""


@pytest.fixture(params=sorted(MODELS))
def provider(request: pytest.FixtureRequest, provider_server: Callable[..., ProviderServer]) -> ProviderServer:
    return provider_server(protocol=request.param, dimensions=D)


@pytest.fixture
def app(
    request: pytest.FixtureRequest, provider: ProviderServer, database: str, monkeypatch: pytest.MonkeyPatch
) -> App:
    monkeypatch.setenv("LIMOSA_TEST_URL", database)
    protocol = request.node.callspec.params["provider"]
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
        connection.execute("CREATE TABLE docs (id bigint PRIMARY KEY, body text, embedding vector(6))")
        connection.execute("INSERT INTO docs SELECT i, 'text ' || i FROM generate_series(1, %s) AS i", (ROWS,))

    def space(model: str, d: int) -> dict[str, object]:
        return {"provider": protocol, "model": model, "dimensions": d, "base_url": provider.base_url}

    return open_app(
        {
            "name": "faults",
            "source": {
                "store": "env:LIMOSA_TEST_URL",
                "table": "docs",
                "key": "id",
                "text": "body",
                "vector": "embedding",
                "space": space("old", 6),
            },
            "target": {"space": space("m", D), "index": False},
            "backfill": {"batch_rows": 16},
        }
    )


def _run(app: App) -> list[Proof]:
    return list(app.run(accept=ACCEPT).proofs)


def _require_right(app: App, url: str, *, but: int = 0) -> None:
    """Every vector that stands is the one of its own text, and only so many are missing."""
    with psycopg.connect(url) as connection:
        found = connection.execute("SELECT body, embedding_limosa::real[] FROM docs ORDER BY id").fetchall()
    assert len(found) == ROWS
    written = [(text, vector) for text, vector in found if vector is not None]
    assert len(written) == ROWS - but
    for text, vector in written:
        expected = vector_of(text, model="m", d=D).astype(np.float64)
        np.testing.assert_allclose(vector, expected / np.linalg.norm(expected), atol=1e-6)
    tally = app.voyage.reports.tally()
    assert (tally.done, tally.dead, tally.changes) == (ROWS - but, but, 0)


@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING)
def test_what_passes_leaves_nothing_behind(app: App, provider: ProviderServer, database: str, fault: Fault) -> None:
    plan = app.plan()
    assert not plan.refusals
    app.run(accept=ACCEPT, limit=16)
    provider.fail(fault, times=3)
    proofs = _run(app)
    assert not [proof for proof in proofs if proof.verdict == "different"]
    _require_right(app, database)
    app.close()


@pytest.mark.parametrize("fault", SPOILED.values(), ids=SPOILED)
def test_a_spoiled_vector_is_a_dead_letter_until_it_is_tried_again(
    app: App, provider: ProviderServer, database: str, fault: Fault
) -> None:
    app.run(accept=ACCEPT, limit=16)
    provider.fail(fault)
    _run(app)
    _require_right(app, database, but=1)
    (dead,) = [found for found in app.voyage.reports.exceptions() if found.kind == "dead"]
    assert (
        dead.reason
        == {"nan": "the provider answered NaN", "zero": "the provider answered an all-zero vector"}[fault.how]
    )
    assert app.retry() == 1
    _run(app)
    with psycopg.connect(database) as connection:
        assert connection.execute("SELECT count(*) FROM docs WHERE embedding_limosa IS NULL").fetchone() == (0,)
    app.close()


def test_one_refused_text_is_one_dead_letter(app: App, database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("UPDATE docs SET body = 'text [refuse me]' WHERE id = 50")
    _run(app)
    _require_right(app, database, but=1)
    (dead,) = app.voyage.reports.exceptions()
    assert dead.examples == (("50",),)
    assert "a text is refused" in dead.reason
    app.close()


@pytest.mark.parametrize(("how", "said"), [("key", "does not accept the key"), ("quota", "quota")])
def test_a_key_or_a_quota_that_ends_stops_the_run_at_once(
    app: App, provider: ProviderServer, database: str, how: str, said: str
) -> None:
    if how == "quota" and app.migration.target.space.provider == "voyage":
        how, said = "key", "does not accept the key"  # Voyage has no quota: without a payment method it is only slower.
    app.run(accept=ACCEPT, limit=16)
    before = provider.requests
    provider.fail_always(Fault(how="key") if how == "key" else Fault(how="quota"))
    with pytest.raises(Refused, match=said):
        _run(app)
    # Those that were on their way, and no others.
    assert provider.requests - before <= ROWS // 16
    provider.fail_always(None)
    _run(app)
    _require_right(app, database)
    app.close()
