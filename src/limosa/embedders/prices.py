"""What providers charge and which models they switch off, as data with source and date.

A gateway in front of a provider usually passes the list price on, so prices go by the model's
name, whatever the address; ``usd_per_million_tokens`` in the file overrides them.
"""

from __future__ import annotations

from datetime import date

from limosa.model.space import Endpoint
from limosa.ports.embedder import Price

__all__ = ["FREE", "PRICES", "RETIRED", "bare", "price_of", "retired_on"]

_OPENAI = "https://developers.openai.com/api/docs/models/"
_GOOGLE = "https://ai.google.dev/gemini-api/docs/"
_VOYAGE = "https://docs.voyageai.com/docs/pricing"
_MONGODB = "https://www.mongodb.com/docs/vector-search/crud-embeddings/automated-embedding/models/"
# Pages that quote the provider's, where the provider's own could not be read.
_HIVEBOOK = "https://hivebook.wiki/wiki/voyage-ai-embeddings-rerankers-for-rag"
_TOKENCOST = "https://tokencost.app/blog/gemini-embedding-2-pricing"
_TOOLSTAC = "https://toolstac.com/ai/tool/cohere-embed-api/overview"


def _price(usd: float, source: str, seen: date, *, batch: float | None = None) -> Price:
    return Price(usd_per_million_tokens=usd, batch_usd_per_million_tokens=batch, source=source, seen=seen)


PRICES: dict[str, Price] = {
    # Batches cost half: https://developers.openai.com/api/docs/guides/batch ("50% lower costs").
    "text-embedding-3-small": _price(0.02, _OPENAI + "text-embedding-3-small", date(2026, 7, 3), batch=0.01),
    "text-embedding-3-large": _price(0.13, _OPENAI + "text-embedding-3-large", date(2026, 5, 1), batch=0.065),
    "text-embedding-ada-002": _price(0.10, _OPENAI + "text-embedding-ada-002", date(2026, 5, 1), batch=0.05),
    # Batches cost half: the same page, as quoted by https://tokenmix.ai/blog, seen 2026-04-25.
    "gemini-embedding-001": _price(0.15, _GOOGLE + "pricing", date(2026, 4, 25), batch=0.075),
    "gemini-embedding-2": _price(0.20, _TOKENCOST, date(2026, 3, 11), batch=0.10),
    "gemini-embedding-2-preview": _price(0.20, _TOKENCOST, date(2026, 3, 11), batch=0.10),
    "embed-v4.0": _price(0.12, _TOOLSTAC, date(2026, 11, 21)),
    "voyage-4-large": _price(0.12, _MONGODB, date(2026, 5, 1)),
    "voyage-4": _price(0.06, _MONGODB, date(2026, 5, 1)),
    "voyage-4-lite": _price(0.02, _MONGODB, date(2026, 5, 1)),
    "voyage-code-3": _price(0.18, _MONGODB, date(2026, 5, 1)),
    "voyage-3-large": _price(0.18, _HIVEBOOK, date(2026, 5, 1)),
    "voyage-3.5": _price(0.06, _HIVEBOOK, date(2026, 5, 1)),
    "voyage-3.5-lite": _price(0.02, _HIVEBOOK, date(2026, 5, 1)),
    "voyage-3": _price(0.06, _VOYAGE, date(2026, 11, 21)),
    "voyage-3-lite": _price(0.02, _VOYAGE, date(2026, 11, 21)),
    "voyage-finance-2": _price(0.12, _VOYAGE, date(2026, 11, 21)),
    "voyage-law-2": _price(0.12, _VOYAGE, date(2026, 11, 21)),
    "voyage-multilingual-2": _price(0.12, _VOYAGE, date(2026, 11, 21)),
    "voyage-code-2": _price(0.12, _VOYAGE, date(2026, 11, 21)),
}
"""List prices in dollars for requests that are answered at once and, where the provider has batches, for those.

Voyage takes a third off batches by https://usagepricing.com/blueprint/voyage-ai; no page of Voyage's own could be read
that says so, so the table does not. Free tokens are not counted.
"""

RETIRED: dict[str, date] = {
    # https://ai.google.dev/gemini-api/docs/deprecations, as a public copy of September 2026 has it.
    "gemini-embedding-001": date(2028, 5, 14),
    "gemini-embedding-2-preview": date(2026, 8, 10),
    "text-embedding-004": date(2026, 1, 14),
    "embedding-001": date(2025, 10, 30),
    "embedding-gecko-001": date(2025, 10, 30),
    "gemini-embedding-exp": date(2025, 10, 30),
    "gemini-embedding-exp-03-07": date(2025, 10, 30),
}
"""The day from which a model no longer answers, announced days to come included."""

FREE = Price(usd_per_million_tokens=0.0, source="runs on this machine", seen=date(2026, 11, 21))
"""The price of what runs on the user's own machine."""


def price_of(model: str, endpoint: Endpoint) -> Price | None:
    """The price of a million input tokens; None where it is not known."""
    if endpoint.usd_per_million_tokens is not None:
        return _price(endpoint.usd_per_million_tokens, "usd_per_million_tokens in the file", date.today())
    return PRICES.get(bare(model))


def retired_on(model: str) -> date | None:
    """The day on which the model was switched off; None where it was not, or no such day is known."""
    day = RETIRED.get(bare(model))
    return day if day is not None and day <= date.today() else None


def bare(model: str) -> str:
    """The model's own name: gateways write ``openai/NAME``, Google writes ``models/NAME``."""
    return model.rsplit("/", 1)[-1]
