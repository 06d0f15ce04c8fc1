"""What is known of models by name: who answers for them, their sizes, and what usually comes after them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.metadata import entry_points

from limosa.embedders.find import GROUP
from limosa.embedders.prices import bare

__all__ = ["HERE", "MODELS", "Known", "by_size", "known", "mentioned", "providers", "successor"]

HERE = frozenset({"hashing", "onnx", "ollama", "sentence-transformers"})
"""Providers whose models run on the user's own machines: they cost nothing."""


@dataclass(frozen=True, slots=True)
class Known:
    """A model, the provider that answers for it, and the dimensions it gives where nothing else is asked for."""

    provider: str
    model: str
    dimensions: int


MODELS = (
    # developers.openai.com/api/docs/guides/embeddings
    Known("openai", "text-embedding-3-small", 1536),
    Known("openai", "text-embedding-ada-002", 1536),
    Known("openai", "text-embedding-3-large", 3072),
    # ai.google.dev/gemini-api/docs/embeddings; text-embedding-004: the Vertex AI reference
    Known("google", "text-embedding-004", 768),
    Known("google", "gemini-embedding-001", 3072),
    Known("google", "gemini-embedding-2", 3072),
    Known("google", "embedding-001", 768),
    # docs.cohere.com/docs/cohere-embed
    Known("cohere", "embed-v4.0", 1536),
    Known("cohere", "embed-english-v3.0", 1024),
    Known("cohere", "embed-multilingual-v3.0", 1024),
    Known("cohere", "embed-english-light-v3.0", 384),
    Known("cohere", "embed-multilingual-light-v3.0", 384),
    # docs.voyageai.com/docs/embeddings
    Known("voyage", "voyage-4", 1024),
    Known("voyage", "voyage-4-large", 1024),
    Known("voyage", "voyage-4-lite", 1024),
    Known("voyage", "voyage-3.5", 1024),
    Known("voyage", "voyage-3.5-lite", 1024),
    Known("voyage", "voyage-3-large", 1024),
    Known("voyage", "voyage-3", 1024),
    Known("voyage", "voyage-3-lite", 512),
    Known("voyage", "voyage-code-3", 1024),
    Known("voyage", "voyage-finance-2", 1024),
    Known("voyage", "voyage-law-2", 1024),
    Known("voyage", "voyage-multilingual-2", 1024),
    Known("voyage", "voyage-code-2", 1536),
    # the models' cards on huggingface.co (hidden_size in config.json)
    Known("sentence-transformers", "all-MiniLM-L6-v2", 384),
    Known("sentence-transformers", "all-mpnet-base-v2", 768),
    Known("sentence-transformers", "BAAI/bge-small-en-v1.5", 384),
    Known("sentence-transformers", "BAAI/bge-base-en-v1.5", 768),
    Known("sentence-transformers", "BAAI/bge-large-en-v1.5", 1024),
    Known("sentence-transformers", "BAAI/bge-m3", 1024),
    # ollama.com/library
    Known("ollama", "nomic-embed-text", 768),
    Known("ollama", "mxbai-embed-large", 1024),
    Known("ollama", "all-minilm", 384),
)
"""Where to read on stands before each group. No size is relied on: plan compares it with what the model answers."""

_LIKELY: dict[int, tuple[str, ...]] = {
    384: ("all-MiniLM-L6-v2", "BAAI/bge-small-en-v1.5", "all-minilm", "embed-english-light-v3.0"),
    512: ("voyage-3-lite",),
    768: ("text-embedding-004", "nomic-embed-text", "all-mpnet-base-v2", "BAAI/bge-base-en-v1.5", "embedding-001"),
    1024: ("voyage-3.5", "embed-english-v3.0", "embed-multilingual-v3.0", "mxbai-embed-large", "BAAI/bge-m3"),
    1536: ("text-embedding-3-small", "text-embedding-ada-002", "embed-v4.0", "gemini-embedding-001"),
    3072: ("text-embedding-3-large", "gemini-embedding-001", "gemini-embedding-2"),
}
"""Which model a size speaks for, the most widely used first: a guess, which plan compares with the model's answers."""

_NEXT: dict[str, tuple[str, int]] = {
    "text-embedding-ada-002": ("text-embedding-3-small", 1536),
    # 1536 of its 3072 dimensions keep float32 vectors within what an index takes.
    "text-embedding-3-small": ("text-embedding-3-large", 1536),
    "text-embedding-004": ("gemini-embedding-001", 1536),
    "embedding-001": ("gemini-embedding-001", 1536),
    "gemini-embedding-001": ("gemini-embedding-2", 1536),
    "embed-english-v3.0": ("embed-v4.0", 1536),
    "embed-multilingual-v3.0": ("embed-v4.0", 1536),
    "embed-english-light-v3.0": ("embed-v4.0", 1536),
    "embed-multilingual-light-v3.0": ("embed-v4.0", 1536),
    "voyage-3": ("voyage-4", 1024),
    "voyage-3.5": ("voyage-4", 1024),
    "voyage-3-lite": ("voyage-4-lite", 1024),
    "voyage-3.5-lite": ("voyage-4-lite", 1024),
    "voyage-3-large": ("voyage-4-large", 1024),
    "voyage-multilingual-2": ("voyage-4", 1024),
    "voyage-code-2": ("voyage-code-3", 1024),
    "all-MiniLM-L6-v2": ("BAAI/bge-base-en-v1.5", 768),
    "all-mpnet-base-v2": ("BAAI/bge-m3", 1024),
    "bge-small-en-v1.5": ("BAAI/bge-m3", 1024),
    "bge-base-en-v1.5": ("BAAI/bge-m3", 1024),
    "bge-large-en-v1.5": ("BAAI/bge-m3", 1024),
    "all-minilm": ("nomic-embed-text", 768),
    "nomic-embed-text": ("mxbai-embed-large", 1024),
}
"""What a provider offers in place of a model: a later one, or its next larger one. A proposal, and no judgement."""

_OTHERWISE = {"openai": ("gemini-embedding-001", 1536), "google": ("text-embedding-3-large", 1536)}
"""For a provider's best model: another provider's."""

_ANYWHERE = ("text-embedding-3-small", 1536)
"""For everything else: the least that a widely used model costs."""


def known(name: str) -> Known | None:
    """A model by its name, with or without its provider or its maker before it; None where it is not known."""
    return next((each for each in MODELS if bare(each.model).lower() == bare(name).lower()), None)


def by_size(dimensions: int) -> tuple[Known, ...]:
    """The models that vectors of this size probably come from, the likeliest first; may be empty."""
    found = (known(name) for name in _LIKELY.get(dimensions, ()))
    return tuple(Known(each.provider, each.model, dimensions) for each in found if each is not None)


def successor(provider: str, model: str) -> tuple[Known, str]:
    """A plausible model to go to, with the size to ask it for, and why; never the same model."""
    name, dimensions = _NEXT.get(bare(model)) or _OTHERWISE.get(provider) or _ANYWHERE
    found = known(name)
    assert found is not None  # noqa: S101 - the tables name what MODELS holds; a test walks them
    follows = bare(model) in _NEXT
    why = f"it comes after {bare(model)}" if follows else "it is widely used, and nothing is known to come after yours"
    return Known(found.provider, found.model, dimensions), f"A proposal: {why}. Any other will do."


def mentioned(text: str) -> tuple[str, str] | None:
    """Provider and model that a text names: ``provider/model`` of an installed provider, else a known model."""
    for provider, model in re.findall(r"([\w-]+)/([\w.:-]*\w)", text):
        if provider in providers():
            return provider, model
    for each in sorted(MODELS, key=lambda each: -len(each.model)):
        if re.search(rf"(?<![\w.-]){re.escape(bare(each.model))}(?![\w-]|\.\w)", text, re.IGNORECASE):
            return each.provider, each.model
    return None


def providers() -> frozenset[str]:
    """The names of the providers that are installed."""
    return frozenset(point.name for point in entry_points(group=GROUP))
