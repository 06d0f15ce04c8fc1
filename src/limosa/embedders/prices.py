"""What providers charge and which models they have switched off, as data with source and date.

A gateway in front of a provider usually passes the list price on, so prices go by the model's
name, whatever the address; ``usd_per_million_tokens`` in the file overrides them.
"""

from __future__ import annotations

from datetime import date

from limosa.model.space import Endpoint
from limosa.ports.embedder import Price

__all__ = ["FREE", "PRICES", "RETIRED", "price_of", "retired_on"]

_OPENAI = "https://developers.openai.com/api/docs/models/"
_GOOGLE = "https://ai.google.dev/gemini-api/docs/"

PRICES: dict[str, Price] = {
    "text-embedding-3-small": Price(
        usd_per_million_tokens=0.02, source=_OPENAI + "text-embedding-3-small", seen=date(2026, 7, 3)
    ),
    "text-embedding-3-large": Price(
        usd_per_million_tokens=0.13, source=_OPENAI + "text-embedding-3-large", seen=date(2026, 5, 1)
    ),
    "text-embedding-ada-002": Price(
        usd_per_million_tokens=0.10, source=_OPENAI + "text-embedding-ada-002", seen=date(2026, 5, 1)
    ),
    "gemini-embedding-001": Price(usd_per_million_tokens=0.15, source=_GOOGLE + "pricing", seen=date(2026, 4, 25)),
}
"""List prices for requests that are answered at once; batch endpoints cost half."""

RETIRED: dict[str, date] = {
    # https://ai.google.dev/gemini-api/docs/deprecations
    "text-embedding-004": date(2026, 1, 14),
    "embedding-001": date(2025, 10, 30),
    "gemini-embedding-exp-03-07": date(2025, 10, 30),
}
"""The day from which a model no longer answers."""

FREE = Price(usd_per_million_tokens=0.0, source="runs on this machine", seen=date(2026, 11, 21))
"""The price of what runs on the user's own machine."""


def price_of(model: str, endpoint: Endpoint) -> Price | None:
    """The price of a million input tokens; None where it is not known."""
    if endpoint.usd_per_million_tokens is not None:
        return Price(
            usd_per_million_tokens=endpoint.usd_per_million_tokens,
            source="usd_per_million_tokens in the file",
            seen=date.today(),
        )
    return PRICES.get(_bare(model))


def retired_on(model: str) -> date | None:
    """The day from which the model no longer answers; None where no such day is known."""
    return RETIRED.get(_bare(model))


def _bare(model: str) -> str:
    """Gateways write ``openai/NAME``, Google writes ``models/NAME``."""
    return model.rsplit("/", 1)[-1]
