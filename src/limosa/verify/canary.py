"""Canary: a random sample is embedded again and compared with what is stored."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from limosa.errors import LimosaError
from limosa.model.batch import Key, Vectors
from limosa.model.proof import Proof
from limosa.ports.embedder import Embedder
from limosa.ports.search import Search, Stored

__all__ = ["LEAST", "Again", "canary_size", "prove_canary"]

LEAST = 0.99
"""Smallest cosine at which two embeddings of one text by one model still count as the same.

Half precision costs 1e-6, a provider's own noise stays below 1e-3 (the embedder contract's tolerance),
and servers that quantise by the batch turn a vector by up to 0.01. Another text or model lies far below.
"""

SIZE = 32
"""Texts sent to what costs nothing: a share of 10 % of wrong vectors goes unseen once in 30 verifies."""

UNIT = 0.001
"""A length that is this near to 1 is 1: base64 and decimal texts of an answer cost less."""

PRICED_SIZE = 8
"""Texts sent to a provider that takes money, or whose price is not known."""


@dataclass(frozen=True, slots=True)
class Again:
    """A second embedding of a sample.

    Attributes:
        good: positions that were answered; vectors: shape (len(good), d), in that order.
        tokens: input tokens it took.
    """

    good: Sequence[int]
    vectors: Vectors
    tokens: int


def canary_size(embedder: Embedder) -> int:
    """How many texts are embedded again."""
    price = embedder.price
    return SIZE if price is not None and price.usd_per_million_tokens == 0 else PRICED_SIZE


def prove_canary(search: Search, sample: Sequence[Stored], embed: Callable[[Sequence[Stored]], Again]) -> Proof:
    """Different where a stored vector is not the embedding of the text that stands in its row now.

    Rows that change while the provider works are left out: they are read again before they are judged.

    Args:
        embed: makes the second embedding; its LimosaErrors mean that nothing could be checked.
    """
    asked = [row for row in sample if row.text is not None and row.text.strip() and row.vector is not None]
    if not asked:
        return Proof(
            name="canary", verdict="unchecked", said="there are no vectors to compare", evidence={"compared": 0}
        )
    try:
        again = embed(asked)
    except LimosaError as error:
        said = f"nothing could be embedded again: {error.what}"
        return Proof(name="canary", verdict="unchecked", said=said, evidence={"compared": 0})
    held = {row.key: row for row in search.rows([row.key for row in asked])}
    cosines: dict[Key, float] = {}
    lengths: list[tuple[float, float]] = []
    for place, vector in zip(again.good, again.vectors, strict=True):
        row, now = asked[place], held.get(asked[place].key)
        if row.vector is not None and now is not None and _unmoved(row, now):
            cosines[row.key] = _cosine(row.vector, vector)
            lengths.append((float(np.linalg.norm(row.vector)), float(np.linalg.norm(vector))))
    proof = _judge(cosines, left_out=len(asked) - len(cosines), tokens=again.tokens)
    return replace(proof, evidence={**proof.evidence, **_lengths(lengths)})


def _lengths(found: Sequence[tuple[float, float]]) -> dict[str, object]:
    """How long stored vectors are beside those that the model gave again; nothing where it gave none.

    Args:
        found: stored, and again.
    """
    if not found:
        return {}
    ratios = [stored / again if again else math.inf for stored, again in found]
    return {
        "model_unit": all(abs(again - 1) <= UNIT for _, again in found),
        "least_length_ratio": min(ratios),
        "greatest_length_ratio": max(ratios),
    }


def _judge(cosines: dict[Key, float], *, left_out: int, tokens: int) -> Proof:
    evidence: dict[str, object] = {
        "compared": len(cosines),
        "left_out": left_out,
        "least_cosine": LEAST,
        "tokens": tokens,
    }
    if not cosines:
        said = f"every one of {left_out} sampled rows changed meanwhile or was refused"
        return Proof(name="canary", verdict="unchecked", said=said, evidence=evidence)
    values = np.array(list(cosines.values()))
    far = sorted((cosine, key) for key, cosine in cosines.items() if not cosine >= LEAST)
    evidence |= {
        "minimum": float(values.min()),
        "median": float(np.median(values)),
        "different": len(far),
        "examples": [list(key) for _, key in far[:3]],
    }
    figures = f"cosine at least {values.min():.4f}, median {np.median(values):.4f}"
    if not far:
        said = f"{len(cosines)} texts embedded again give the stored vectors: {figures}"
        return Proof(name="canary", verdict="proved", said=said, evidence=evidence)
    keys = ", ".join("/".join(key) for _, key in far[:3])
    said = f"{len(far)} of {len(cosines)} stored vectors are not those of their texts (for example {keys}): {figures}"
    return Proof(name="canary", verdict="different", said=said, evidence=evidence)


def _unmoved(before: Stored, now: Stored) -> bool:
    if before.vector is None or now.vector is None:
        return False
    return before.text == now.text and np.array_equal(before.vector, now.vector)


def _cosine(a: Vectors, b: Vectors) -> float:
    """Cosine in double precision; -1 where the sizes differ or a vector is zero."""
    x, y = a.astype(np.float64), b.astype(np.float64)
    if x.shape != y.shape:
        return -1.0
    norms = float(np.linalg.norm(x) * np.linalg.norm(y))
    return float(x @ y) / norms if norms else -1.0
