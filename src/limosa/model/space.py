"""A space: everything that decides whether two vectors may be compared."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass

__all__ = ["Endpoint", "Space"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Space:
    """What makes vectors comparable; two spaces are one only if every field is equal.

    Attributes:
        provider: name of the embedder's entry point (``hashing``, ``onnx``, ``openai``, ...).
        model: the provider's name for the model, or a folder for a local one.
        dimensions: length d of every vector.
        revision: version of the model where the provider has one.
        prefix: put before every document; query_prefix: put before every query.
        task: the provider's task type for documents; query_task: for queries.
        normalise: whether vectors are L2-normalised by limosa after they arrive.
        template: how the text of a row is put together, as the place describes it.
        oversize: what happens to texts over the model's limit.
    """

    provider: str
    model: str
    dimensions: int
    revision: str = ""
    prefix: str = ""
    query_prefix: str = ""
    task: str = ""
    query_task: str = ""
    normalise: bool = False
    template: str = ""
    oversize: str = "refuse"

    @property
    def fingerprint(self) -> str:
        """Twelve hexadecimal digits over all fields; a model name alone is not an identity."""
        text = json.dumps(asdict(self), sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    @property
    def title(self) -> str:
        """How a person reads it: ``provider/model (d)``."""
        return f"{self.provider}/{self.model} ({self.dimensions})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where a provider answers; not part of the space's identity.

    Attributes:
        base_url: overrides the provider's own address; None for the default.
        key: a reference such as ``env:OPENAI_API_KEY``, never the secret itself.
        usd_per_million_tokens: overrides the price table.
        timeout_s: how long one request may take.
        tokenizer: the model's ``tokenizer.json`` on this machine, for counting; None where there is none.
    """

    base_url: str | None = None
    key: str | None = None
    usd_per_million_tokens: float | None = None
    timeout_s: float = 60.0
    tokenizer: str | None = None
