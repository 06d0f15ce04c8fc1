"""One module for each provider's protocol, and one for each of their batch endpoints."""

from __future__ import annotations

from collections.abc import Callable

from tests.providers.dialect import Aside, Backroom, Dialect
from tests.providers.protocols.cohere import Cohere
from tests.providers.protocols.google import Google
from tests.providers.protocols.google_batches import GoogleBatches
from tests.providers.protocols.ollama import Ollama, Show
from tests.providers.protocols.openai import OpenAI
from tests.providers.protocols.openai_batches import OpenAIBatches
from tests.providers.protocols.voyage import Voyage

__all__ = ["ASIDES", "DIALECTS"]

DIALECTS: dict[str, type[Dialect]] = {
    "cohere": Cohere,
    "google": Google,
    "ollama": Ollama,
    "openai": OpenAI,
    "voyage": Voyage,
}
"""Every protocol that the servers speak, by its name."""

ASIDES: dict[str, Callable[[Backroom, Dialect], Aside]] = {
    "google": GoogleBatches,
    "ollama": Show,
    "openai": OpenAIBatches,
}
"""What some providers have beside their embeddings."""
