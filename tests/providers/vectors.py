"""The model behind every server: a text's vector and its tokens, drawn by a seed."""

from __future__ import annotations

import base64
import hashlib
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["MODELS", "Model", "tokens_of", "vector_of", "written"]


@dataclass(frozen=True, slots=True)
class Model:
    """A Matryoshka model: its shorter vectors are prefixes of the full one.

    Attributes:
        full: the largest size.
        usual: the size where a request names none.
        renormalised: whether shorter vectors are made L2 norm 1 again by the provider.
    """

    full: int
    usual: int
    renormalised: bool = True


# Sources: ai.google.dev/gemini-api/docs/embeddings (normalised at 3072 only), developers.openai.com
# guides/embeddings, docs.cohere.com/docs/cohere-embed, docs.voyageai.com/docs/embeddings; all of 2026.
MODELS = {
    "gemini-embedding-001": Model(3072, 3072, renormalised=False),
    "gemini-embedding-2": Model(3072, 3072),
    "text-embedding-3-small": Model(1536, 1536),
    "text-embedding-3-large": Model(3072, 3072),
    "embed-v4.0": Model(1536, 1536),
    "voyage-3-large": Model(2048, 1024),
    "voyage-3.5": Model(2048, 1024),
}
"""The models whose sizes are nested; every other model has one space for each size."""


def vector_of(text: str, *, model: str, d: int) -> NDArray[np.float32]:
    """The vector that a server gives a text, shape (d,): drawn by a seed of model and text, L2 norm 1.

    Shorter vectors of the models in ``MODELS`` are prefixes of the full one; those of ``gemini-embedding-001`` are
    not normalised again.
    """
    known = MODELS.get(model.removeprefix("models/"))
    if known is None or d >= known.full:
        return _drawn(text, model, d)
    prefix = _drawn(text, model, known.full)[:d]
    return np.asarray(prefix / np.linalg.norm(prefix), dtype=np.float32) if known.renormalised else prefix.copy()


def tokens_of(text: str) -> int:
    """Tokens that the servers count and bill for a text: one for four characters begun, at least one."""
    return max(1, math.ceil(len(text) / 4))


def written(vector: NDArray[np.float32], *, as_base64: bool) -> object:
    """A vector as it stands in JSON: base64 of little-endian float32, or its numbers."""
    return base64.b64encode(vector.astype("<f4").tobytes()).decode() if as_base64 else vector


def _drawn(text: str, model: str, d: int) -> NDArray[np.float32]:
    name = model.removeprefix("models/")
    seed = int.from_bytes(hashlib.blake2b(f"{name}\x1f{text}".encode(), digest_size=8).digest(), "little")
    vector = np.random.default_rng(seed).standard_normal(d, dtype=np.float32)
    return np.asarray(vector / np.linalg.norm(vector), dtype=np.float32)
