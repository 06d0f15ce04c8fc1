"""One module for each provider's protocol, and one for each of their batch endpoints."""

from __future__ import annotations

from tests.providers.dialect import Dialect
from tests.providers.protocols.cohere import Cohere
from tests.providers.protocols.google import Google
from tests.providers.protocols.ollama import Ollama
from tests.providers.protocols.openai import OpenAI
from tests.providers.protocols.voyage import Voyage

__all__ = ["DIALECTS"]

DIALECTS: dict[str, type[Dialect]] = {
    "cohere": Cohere,
    "google": Google,
    "ollama": Ollama,
    "openai": OpenAI,
    "voyage": Voyage,
}
"""Every protocol that the servers speak, by its name."""
