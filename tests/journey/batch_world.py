"""Migrations of ``docs`` by batch jobs: what they need, and what must be so whatever happened on the way."""

from __future__ import annotations

import psycopg

from limosa.app import App
from tests.journey.world import NEW, USD_PER_MILLION, docs_app, stale_rows
from tests.providers.server import ProviderServer
from tests.providers.vectors import tokens_of

__all__ = ["ACCEPT", "app_of", "batched_jobs", "half_price", "new_texts", "require_right", "spent", "vectors"]

ACCEPT = frozenset({"--accept-reconnect"})

GOOGLE = ("gemini-embedding-001", 12)
"""Its shorter vectors are not of length 1: whoever fetches them has to make them so."""


def app_of(server: ProviderServer, *, lane: str = "batch", budget_usd: float | None = None) -> App:
    """The migration of ``docs`` by this server."""
    more = {"lane": lane, **({"budget_usd": budget_usd} if budget_usd is not None else {})}
    google = "/v1beta" in server.base_url
    provider, target = ("google", GOOGLE) if google else ("openai", NEW)
    return docs_app(server.base_url, provider=provider, target=target, **more)  # type: ignore[arg-type]


def batched_jobs(url: str) -> list[tuple[str, str, int]]:
    """Tag, state and tries of every job that the ledger remembers."""
    with psycopg.connect(url) as connection:
        found = connection.execute("SELECT tag, state, tries FROM limosa.job ORDER BY id").fetchall()
    return [(str(tag), str(state), int(tries)) for tag, state, tries in found]


def new_texts(url: str) -> list[str]:
    """What has to be embedded, once for each row."""
    with psycopg.connect(url) as connection:
        found = connection.execute(
            "SELECT concat_ws(E'\\n\\n', title, body) FROM docs WHERE title IS NOT NULL OR body IS NOT NULL"
        ).fetchall()
    return [str(text) for (text,) in found]


def vectors(url: str) -> list[tuple[object, ...]]:
    """The new vectors as the database prints them, by key."""
    with psycopg.connect(url) as connection:
        return connection.execute("SELECT id, embedding_limosa::text FROM docs ORDER BY id").fetchall()


def spent(app: App) -> float:
    """What the ledger says was paid, in dollars."""
    return app.voyage.reports.tally().cost_usd


def half_price(texts: list[str]) -> float:
    """What a job of these texts costs in dollars, as the servers count tokens."""
    return sum(tokens_of(text) for text in set(texts)) * USD_PER_MILLION / 1e6 / 2


def require_right(url: str, *, column: str = "embedding_limosa") -> None:
    """Every row has the vector of its own text."""
    assert not stale_rows(url, column, model=NEW[0], d=NEW[1])
